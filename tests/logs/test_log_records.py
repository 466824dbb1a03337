"""Lines of streams become records: by the letter where they are ours, usable where they aren't."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.logs.collect.line_splitter import Line, LineSplitter
from orchestrator.logs.store.records import Record, Source, encode, parse_line
from transports.levels import LEVELS

NOW = 1_700_000_000.25
RECORDS = Source("stage", 3, "record")
SHARED = Source("bench", 0, "record", shared=True)


def parse(data: bytes, source: Source = RECORDS, **marks: Any) -> Record:
    return parse_line(data, source, NOW, marks)


def test_a_record_goes_through_unchanged():
    record = Record(
        time=12.5,
        level="error",
        worker="stage",
        incarnation=3,
        stream="record",
        event="moved",
        logger="lib.motion",
        request="1b",
        member="move",
        exception="Traceback…\nValueError: x",
        fields={"axis": 1, "far": [1.5, None]},
    )
    assert parse(encode(record)[:-1]) == record


def test_an_encoded_record_is_one_line_whatever_is_in_it():
    record = Record(1.0, "info", "stage", 1, "record", "a\nb\r\x00\u2028", fields={"k": "\n"})
    data = encode(record)
    assert data.count(b"\n") == 1
    assert data.endswith(b"\n")


def test_a_worker_can_not_write_in_the_name_of_another():
    line = encode(Record(1.0, "info", "laser", 9, "stdout", "x"))[:-1]
    assert parse(line) == Record(1.0, "info", "stage", 3, "stdout", "x")


def test_records_of_a_shared_stream_name_their_own_worker():
    record = Record(1.0, "info", "timer", 2, "stdout", "tick")
    assert parse(encode(record)[:-1], SHARED) == record


def test_records_of_a_shared_stream_without_a_worker_belong_to_the_stream():
    assert parse(b'{"event": "up"}', SHARED) == Record(NOW, "info", "bench", 0, "record", "up")


def test_foreign_json_keeps_unknown_keys_as_fields():
    line = (
        b'{"message": "hi", "level": "WARN", "time": 7, "axis": 2, "fields": {"a": 1}, "logger": 5}'
    )
    assert parse(line) == Record(
        7.0, "warning", "stage", 3, "record", "hi", fields={"a": 1, "axis": 2, "logger": 5}
    )


def test_fields_that_are_not_an_object_are_kept():
    assert parse(b'{"event": "hi", "fields": [1]}').fields == {"fields": [1]}


@pytest.mark.parametrize(
    "line",
    [
        b"plain text",
        b"[1, 2]",
        b'{"level": "info"}',
        b'{"event": 5}',
        b'{"event": "torn',
        b'{"event": "\\ud800"}',
        b"[" * 50_000,
        b'{"event": "x", "time": 1e999}',
    ],
)
def test_what_is_no_record_is_kept_as_text(line: bytes):
    record = parse(line)
    assert record.event == line.decode()
    assert record.level == "warning"
    assert record.fields == {"unparsed": True}


def test_invalid_utf8_is_kept_as_escapes():
    assert parse(b"a\xff\xfeb", Source("stage", 3, "stdout")).event == "a\\xff\\xfeb"


@pytest.mark.parametrize("time", [b"-1", b"1e300", b"true", b'"noon"', b"9" * 400])
def test_a_time_that_no_calendar_has_becomes_now(time: bytes):
    assert parse(b'{"event": "x", "level": "info", "time": ' + time + b"}").time == NOW


def test_an_unknown_level_is_a_warning():
    assert parse(b'{"event": "x", "level": "loud"}').level == "warning"


def test_printed_lines_have_a_level_by_their_stream():
    assert parse(b"x", Source("stage", 3, "stdout")).level == "info"
    assert parse(b"x\r", Source("stage", 3, "stderr")) == Record(
        NOW, "warning", "stage", 3, "stderr", "x"
    )


def test_marks_are_added_to_the_fields():
    assert parse(b"x", Source("stage", 3, "stdout"), torn=True).fields == {"torn": True}
    assert parse(b'{"event": "x", "fields": {"a": 1}}', torn=True).fields == {"a": 1, "torn": True}
    assert parse(b"half", torn=True).fields == {"unparsed": True, "torn": True}


@given(st.binary(max_size=200), st.sampled_from(["record", "stdout", "stderr"]))
def test_any_bytes_become_a_record_that_can_be_read_again(data: bytes, stream: Any):
    record = parse_line(data, Source("stage", 3, stream), NOW, {})
    assert record.level in LEVELS
    assert (record.worker, record.incarnation, record.stream) == ("stage", 3, stream)
    assert json.loads(encode(record))["event"] == record.event


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
KEYS = st.sampled_from([*Record.__struct_fields__, "message", "extra"])


@given(st.dictionaries(KEYS, JSON))
def test_any_json_object_becomes_a_record(content: dict[str, Any]):
    record = parse(json.dumps(content).encode())
    assert record.level in LEVELS
    assert json.loads(encode(record))["worker"] == "stage"


# --- lines


def split(chunks: list[bytes], limit: int) -> list[Line]:
    splitter = LineSplitter(limit)
    return [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.end()


def test_lines_end_at_newlines_only():
    assert split([b"a\r\nb\x0b\xc2\x85c\n\n"], 100) == [
        Line(b"a\r"),
        Line(b"b\x0b\xc2\x85c"),
        Line(b""),
    ]


def test_the_last_line_without_a_newline_is_torn():
    assert split([b"a\nb"], 100) == [Line(b"a"), Line(b"b", torn=True)]


def test_a_long_line_is_cut_at_once_and_counted_at_its_end():
    splitter = LineSplitter(4)
    assert splitter.feed(b"abcd") == []
    assert splitter.feed(b"ef") == [Line(b"abcd", cut=True)]
    assert splitter.feed(b"ghij") == []
    assert splitter.feed(b"k\nnext\n") == [Line(b"", dropped=7), Line(b"next")]


def test_a_long_line_in_one_piece_and_one_at_the_end():
    assert split([b"abcdef\nx\nabcdefg"], 4) == [
        Line(b"abcd", cut=True),
        Line(b"", dropped=2),
        Line(b"x"),
        Line(b"abcd", cut=True),
        Line(b"", dropped=3),
    ]


def test_a_cut_leaves_characters_whole():
    assert split(["abc€".encode() + b"\n"], 4) == [Line(b"abc", cut=True), Line(b"", dropped=3)]


@given(st.lists(st.binary(max_size=30)), st.integers(4, 12))
def test_no_byte_is_lost_uncounted_however_the_stream_is_cut_up(chunks: list[bytes], limit: int):
    whole = b"".join(chunks)
    lines = split(chunks, limit)
    assert lines == split([whole], limit)
    assert all(len(line.data) <= limit for line in lines)
    newlines = sum(not (line.cut or line.torn) for line in lines)
    if lines and lines[-1].dropped and not whole.endswith(b"\n"):
        newlines -= 1  # a cut line that the end of the stream ended
    assert sum(len(line.data) + line.dropped for line in lines) + newlines == len(whole)

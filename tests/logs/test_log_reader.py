"""Streams become records; marks in them tell whose line it is, and are never seen."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.logs.collect.line_splitter import MAX_LINE
from orchestrator.logs.collect.reader import StreamReader
from orchestrator.logs.store.records import Record, Source
from tests.logs.log_kit import NOW

BEGIN = b"\x1eorch-4f2"


def mark(*parts: object) -> bytes:
    return b"\n" + BEGIN + json.dumps(parts, separators=(",", ":")).encode() + b"\n"


def begin(request: str, at: float = NOW) -> bytes:
    return mark(at, request, "move")


def end(at: float = NOW) -> bytes:
    return mark(at)


def reading(stream: str = "stdout", last_mark: bytes = b"") -> StreamReader:
    source = Source("stage", 1, stream)  # type: ignore[arg-type]
    return StreamReader(-1, source, None if stream == "record" else BEGIN, last_mark)


def records(*chunks: bytes, stream: str = "stdout") -> list[Record]:
    reader = reading(stream)
    found = [each for chunk in chunks for each in reader.feed(chunk, NOW + 10)]
    return found + reader.end(NOW + 10)


def lines(*chunks: bytes) -> list[tuple[str | None, str]]:
    return [(each.request, each.event) for each in records(*chunks)]


WHOLE = b"".join(
    [
        *(b"before\n", begin("1f"), b"one\n\ntwo\nhalf", end(), b"between\n"),
        *(begin("2e"), end(), begin("3d"), b"three\n", end(), b"\nafter\n\n"),
    ]
)
EXPECTED = [
    (None, "before"),
    *(("1f", text) for text in ("one", "", "two", "half")),
    (None, "between"),
    ("3d", "three"),
    (None, ""),
    (None, "after"),
    (None, ""),
]


def test_each_line_belongs_to_the_request_that_ran():
    assert lines(WHOLE) == EXPECTED


def test_a_byte_at_a_time_makes_no_difference():
    assert lines(*(WHOLE[at : at + 1] for at in range(len(WHOLE)))) == EXPECTED


@given(st.lists(st.integers(0, len(WHOLE)), max_size=8))
def test_nor_do_chunks_of_any_size(cuts: list[int]):
    places = [0, *sorted(cuts), len(WHOLE)]
    chunks = [WHOLE[a:b] for a, b in pairwise(places)]
    assert lines(*chunks) == EXPECTED


def test_records_of_c_output_name_the_member():
    (found,) = records(begin("1f") + b"from C\n")
    assert (found.member, found.stream, found.worker) == ("move", "stdout", "stage")


def test_a_line_is_no_later_than_the_mark_after_it():
    found = records(begin("1f", NOW) + b"one\n" + end(NOW + 1) + b"two\n")
    assert [each.time for each in found] == [NOW + 1, NOW + 10]


def test_lines_of_a_stream_never_go_back_in_time():
    """A mark that is read late is older than lines that were read without waiting for it."""
    reader = reading()
    found = reader.feed(begin("1f", NOW) + b"one\n", NOW + 5)
    found += reader.feed(b"two\n" + end(NOW + 1) + b"three\n", NOW + 6)
    assert [each.time for each in found] == [NOW + 5, NOW + 5, NOW + 6]


def test_a_clock_that_is_set_back_holds_no_line_in_the_future():
    reader = reading()
    reader.feed(b"one\n", NOW + 3600)
    (found,) = reader.feed(b"two\n", NOW)
    assert found.time == NOW


def test_a_line_that_its_request_ended_is_torn():
    found = records(begin("1f") + b"whole\n" + b"half" + end() + b"next\n" + begin("2e") + end())
    assert [(each.event, each.fields) for each in found] == [
        ("whole", None),
        ("half", {"torn": True}),
        ("next", None),
    ]


def test_a_reader_that_takes_over_knows_the_request_that_runs():
    first = reading()
    first.feed(begin("1f") + b"one\n", NOW)
    second = reading(last_mark=first.last_mark)
    (found,) = second.feed(b"two\n", NOW)
    assert (found.request, found.member) == ("1f", "move")
    second.feed(end(), NOW)
    (found,) = reading(last_mark=second.last_mark).feed(b"three\n", NOW)
    assert found.request is None


def test_the_last_mark_of_another_stream_says_nothing():
    (found,) = reading(last_mark=b'\x1eorch-aa[1.0,"1f","move"]').feed(b"one\n", NOW)
    assert found.request is None


def test_a_line_that_was_cut_ends_at_a_mark():
    flood = b"x" * (MAX_LINE + 10)
    found = lines(begin("1f") + flood + end() + b"next\n")
    assert found[0] == ("1f", "x" * MAX_LINE)
    assert found[1] == ("1f", "dropped 10 bytes: the line above was too long")
    assert found[2] == (None, "next")


@pytest.mark.parametrize(
    "line",
    [
        b"\x1eorch",
        b"\x1eorch-4f3[1.0]",
        b"\x1eorch-4f2",
        b"\x1eorch-4f2{}",
        b'\x1eorch-4f2[1.0,"1f"',
    ],
)
def test_what_only_looks_like_a_mark_is_shown(line: bytes):
    assert lines(begin("1f") + line + b"\n") == [("1f", line.decode())]


def test_a_stream_without_marks_is_as_it_is():
    assert lines(b"\n\none\n\n", b"\ntwo") == [
        (None, text) for text in ("", "", "one", "", "", "two")
    ]


@given(st.binary(max_size=200))
def test_no_bytes_fail(data: bytes):
    records(begin("1f") + data)
    records(data, stream="record")


def test_marks_alone_are_passed_wherever_a_chunk_ends():
    """Most calls print nothing: what such marks come with is found all the same."""
    silent = b"".join(begin(f"{number:x}") + end() for number in range(20))
    stream = silent + begin("1f") + b"one\n" + end() + silent + b"two\n" + silent
    expected = [("1f", "one"), (None, "two")]
    assert lines(stream) == expected
    for cut in range(0, len(stream), 7):
        assert lines(stream[:cut], stream[cut:]) == expected


def test_a_mark_of_no_json_among_others_is_shown():
    odd = b"\n" + BEGIN + rb'[1.0,"\q","move"]' + b"\n"
    shown = [text for _, text in lines(begin("1f") + end() + odd + begin("2e"))]
    assert shown == ["", odd.decode().strip("\n")]

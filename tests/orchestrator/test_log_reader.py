"""Streams become records; marks in them tell whose line it is, and are never seen."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.logs.lines import MAX_LINE
from orchestrator.logs.reader import HELLO, StreamReader
from orchestrator.logs.records import Record, Source
from tests.orchestrator.log_kit import NOW
from workers import marks

KEY = b"0123456789abcdef"
GREETING = marks.HELLO + KEY + b"\n"


def mark(*parts: object) -> bytes:
    return b"\n\x1e" + KEY + json.dumps(parts).encode() + b"\n"


def begin(request: str, at: float = NOW) -> bytes:
    return mark(at, request, "move")


def end(at: float = NOW) -> bytes:
    return mark(at)


def records(*chunks: bytes, stream: str = "stdout") -> list[Record]:
    reader = StreamReader(-1, Source("stage", 1, stream))  # type: ignore[arg-type]
    found = [each for chunk in chunks for each in reader.feed(chunk, NOW + 10)]
    return found + reader.end(NOW + 10)


def lines(*chunks: bytes) -> list[tuple[str | None, str]]:
    return [(each.request, each.event) for each in records(*chunks)]


WHOLE = b"".join(
    [
        *(b"before\n", GREETING, begin("1f"), b"one\n\ntwo\nhalf", end(), b"between\n"),
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


def test_the_writers_and_the_readers_marks_are_the_same():
    assert marks.HELLO == b"\n" + HELLO


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
    (found,) = records(GREETING + begin("1f") + b"from C\n")
    assert (found.member, found.stream, found.worker) == ("move", "stdout", "stage")


def test_a_line_is_no_later_than_the_mark_after_it():
    found = records(GREETING + begin("1f", NOW) + b"one\n" + end(NOW + 1) + b"two\n")
    assert [each.time for each in found] == [NOW + 1, NOW + 10]


def test_a_line_that_was_cut_ends_at_a_mark():
    flood = b"x" * (MAX_LINE + 10)
    found = lines(GREETING + begin("1f") + flood + end() + b"next\n")
    assert found[0] == ("1f", "x" * MAX_LINE)
    assert "dropped 10 bytes" in found[1][1]
    assert found[2] == (None, "next")


@pytest.mark.parametrize(
    "line",
    [
        b"\x1eorch",
        b"\x1e0123456789abcdee[1.0]",
        b"\x1e0123456789abcdef",
        b"\x1e0123456789abcdef{}",
        b'\x1e0123456789abcdef[1.0,"1f"',
        b"\x1eorch-marks fedcba9876543210",
    ],
)
def test_what_only_looks_like_a_mark_is_shown(line: bytes):
    assert lines(GREETING + begin("1f") + line + b"\n") == [("1f", line.decode())]


def test_a_stream_without_marks_is_as_it_is():
    assert lines(b"\n\none\n\n", b"\ntwo") == [
        (None, text) for text in ("", "", "one", "", "", "two")
    ]


@given(st.binary(max_size=200))
def test_no_bytes_fail(data: bytes):
    records(GREETING + data)
    records(data, stream="record")

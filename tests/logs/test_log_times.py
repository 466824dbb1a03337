"""Times, levels and expressions as people write them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.logs.read.times import parse_grep, parse_levels, parse_time

NOW = datetime(2024, 5, 17, 14, 30, tzinfo=UTC).timestamp()


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two hours east of Greenwich in summer, one in winter."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("-1h", NOW - 3600),
        ("+5min", NOW + 300),
        ("10 min ago", NOW - 600),
        ("2 hours ago", NOW - 7200),
        ("1h 30min ago", NOW - 5400),
        ("90 ago", NOW - 90),
        ("@1700000000.5", 1_700_000_000.5),
        ("today", at(2024, 5, 17)),
        ("Yesterday", at(2024, 5, 16)),
        ("tomorrow", at(2024, 5, 18)),
        ("yesterday 18:00", at(2024, 5, 16, 18)),
        ("9:05", at(2024, 5, 17, 9, 5)),
        ("14:00:01.25", at(2024, 5, 17, 14, 0, 1) + 0.25),
        ("2024-05-01", at(2024, 5, 1)),
        ("2024-05-01 8:30", at(2024, 5, 1, 8, 30)),
        ("2024-05-01T18:00:00", at(2024, 5, 1, 18)),
        ("2024-05-01 18:00:00+02:00", at(2024, 5, 1, 16)),
        ("2024-05-01 18:00:00 +0200", at(2024, 5, 1, 16)),
        ("2024-05-01T18:00Z", at(2024, 5, 1, 18)),
        ("2024-05-01 18:00 UTC", at(2024, 5, 1, 18)),
        ("  2024-05-01   18:00 ", at(2024, 5, 1, 18)),
    ],
)
def test_times(text: str, expected: float):
    assert parse_time(text, now=NOW, utc=True) == pytest.approx(expected, abs=1e-6)


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", at(2024, 5, 16, 22)),
        ("18:00", at(2024, 5, 17, 16)),
        ("2024-01-01 12:00", at(2024, 1, 1, 11)),
        ("2024-01-01 12:00Z", at(2024, 1, 1, 12)),
        ("-1h", NOW - 3600),
    ],
)
def test_what_names_no_zone_is_local(text: str, expected: float):
    assert parse_time(text, now=NOW) == expected


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        # clocks show it twice
        ("2026-10-25 02:30", at(2026, 10, 25, 0, 30), at(2026, 10, 25, 1, 30)),
        # clocks show it never
        ("2026-03-29 02:30", at(2026, 3, 29, 0, 30), at(2026, 3, 29, 1, 30)),
        ("2026-10-25 02:30+01:00", at(2026, 10, 25, 1, 30), at(2026, 10, 25, 1, 30)),
        ("2026-10-25 04:30", at(2026, 10, 25, 3, 30), at(2026, 10, 25, 3, 30)),
    ],
)
def test_a_range_takes_in_what_a_clock_shows_twice(text: str, first: float, last: float):
    assert parse_time(text, now=NOW) == first
    assert parse_time(text, now=NOW, latest=True) == last


@pytest.mark.parametrize(
    "text",
    ["", "soon", "25:00", "2024-13-01", "2024-02-30", "2024", "10 min", "-", "- 1 fortnight", "@",
     "@nan", "@inf", "@1e400", "-1e9d", "-99999w", "x" * 10_000, "ago",
     "today maybe", "2024-05-01 x"],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_what_is(text: str):
    with pytest.raises(ValueError, match="is not a time; write"):
        parse_time(text, now=NOW)


@given(st.text(max_size=30))
def test_no_text_fails_in_another_way(text: str):
    with suppress(ValueError):
        assert 0 <= parse_time(text, now=NOW) < 1e12


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("warning", (30, 50)),
        ("DEBUG", (10, 50)),
        ("info..warning", (20, 30)),
        ("..info", (10, 20)),
        ("error..", (40, 50)),
        ("error..error", (40, 40)),
    ],
)
def test_levels(text: str, expected: tuple[int, int]):
    assert parse_levels(text) == expected


@pytest.mark.parametrize("text", ["", "loud", "..", "info..loud", "error..info", "info.. x"])
def test_what_is_no_level_is_refused(text: str):
    with pytest.raises(ValueError, match=r"use one of debug, info"):
        parse_levels(text)


def test_an_expression_without_capitals_matches_capitals():
    assert parse_grep("time.?out").search("TimeOut")
    assert parse_grep(r"\Sout").search("TIMEOUT")
    assert not parse_grep("Time").search("time")


@pytest.mark.parametrize("text", ["(", "a{2,1}", "[z-a]", "(?P<1>x)"])
def test_what_is_no_expression_is_refused(text: str):
    with pytest.raises(ValueError, match="is not a regular expression"):
        parse_grep(text)

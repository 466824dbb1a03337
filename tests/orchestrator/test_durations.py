from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.durations import (
    LONGEST,
    Intensity,
    parse_backoff,
    parse_duration,
    parse_intensity,
    parse_seconds,
    parse_size,
)


@pytest.mark.parametrize(
    ("given_value", "seconds"),
    [
        ("250ms", 0.25),
        ("5s", 5),
        ("2min", 120),
        ("1h", 3600),
        ("30d", 30 * 86_400),
        ("1w", 7 * 86_400),
        ("1h30min", 5400),
        ("1h 30min", 5400),
        ("2 minutes, 5 seconds", 125),
        ("1.5s", 1.5),
        (" 5s ", 5),
        ("5", 5),
        ("0.5", 0.5),
        ("0s", 0),
        (5, 5),
        (0, 0),
        (0.25, 0.25),
        (LONGEST, LONGEST),
    ],
)
def test_a_duration_is_read_as_seconds(given_value: object, seconds: float) -> None:
    result = parse_duration(given_value)
    assert result == pytest.approx(seconds)
    assert isinstance(result, float)


def test_no_duration_means_no_limit_where_that_is_allowed() -> None:
    assert parse_duration(None) is None
    with pytest.raises(ValueError, match=r"nothing \(null\) is not a duration"):
        parse_seconds(None)


@pytest.mark.parametrize(
    "refused",
    [
        "", " ", "s", "fast", "inf", "nan", "none", "-5s", "- 5s", "+5s", "5 parsecs", "5S", "1M",
        "12:30", "1:02:03", "1 month", "1y", "1e3", "5s later", "5s -", "5s 2min", "5s 5s",
        "1.2.3s", "\u0665s", "5s\0", "9" * 400 + "s", True, False, [], {}, [5], b"5s", -1, -0.5,
        math.inf, -math.inf, math.nan, LONGEST * 1.01, "36501d",
        "99999999999999999999d", 10**400, object(),
    ],
)  # fmt: skip
def test_anything_else_is_refused_and_told_what_is_accepted(refused: object) -> None:
    with pytest.raises(ValueError, match=r"250ms.*1h|null for no limit"):
        parse_duration(refused)


@given(st.one_of(st.text(max_size=80), st.text("0123456789.:+-e smhdwin,", max_size=20)))
def test_a_text_gives_a_bounded_duration_or_a_printable_reason(text: str) -> None:
    try:
        result = parse_duration(text)
    except ValueError as error:
        reason = str(error)
    else:
        assert result is not None
        assert 0 <= result <= LONGEST
        return
    assert reason.isprintable()


@given(
    st.integers(0, 99), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59),
    st.integers(0, 999),
)  # fmt: skip
def test_units_add_up(days: int, hours: int, minutes: int, seconds: int, millis: int) -> None:
    text = f"{days}d {hours}h {minutes}min {seconds}s {millis}ms"
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds + millis / 1000
    assert parse_duration(text) == pytest.approx(total)


@given(st.floats(0, LONGEST))
def test_a_number_is_taken_for_seconds_unchanged(seconds: float) -> None:
    assert parse_duration(seconds) == seconds


@pytest.mark.parametrize(
    ("given_value", "size"),
    [
        ("1GiB", 1 << 30),
        ("1 GiB", 1 << 30),
        ("1gib", 1 << 30),
        ("500MB", 500_000_000),
        ("1.5KiB", 1536),
        ("2TB", 2 * 10**12),
        ("100B", 100),
        ("100", 100),
        (4096, 4096),
    ],
)
def test_a_size_is_read_as_bytes(given_value: object, size: int) -> None:
    assert parse_size(given_value) == size


@pytest.mark.parametrize(
    "refused",
    ["", "big", "1G", "1 GiB and more", "-1GiB", "1e3", "8kbit", "0", 0, -1, 1.5, True, None, [],
     "9" * 400, "99999999999TiB", 1 << 63],
)  # fmt: skip
def test_any_other_size_is_refused_and_told_what_is_accepted(refused: object) -> None:
    with pytest.raises(ValueError, match="write 500MB, 1GiB, or bytes as a number"):
        parse_size(refused)


@pytest.mark.parametrize(
    ("text", "intensity"),
    [
        ("5 in 1min", Intensity(5, 60)),
        ("0 in 1h", Intensity(0, 3600)),
        ("3  in  250ms", Intensity(3, 0.25)),
        ("1 in 10", Intensity(1, 10)),
    ],
)
def test_an_intensity_is_a_count_in_a_period(text: str, intensity: Intensity) -> None:
    assert parse_intensity(text) == intensity


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        ("5", "restart intensity"),
        (5, "restart intensity"),
        (None, "restart intensity"),
        (True, "restart intensity"),
        ("5 per 1min", "restart intensity"),
        ("-5 in 1min", "restart intensity"),
        ("1.5 in 1min", "restart intensity"),
        ("5 in ", "restart intensity"),
        ("5 in a while", '"a while" is not a duration'),
        ("5 in 0s", "a time of 0"),
    ],
)
def test_any_other_intensity_is_refused(refused: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_intensity(refused)


def test_an_intensity_is_written_as_it_is_read() -> None:
    assert parse_intensity(str(Intensity(5, 60.0))) == Intensity(5, 60.0)


def test_a_backoff_is_read_as_two_pauses() -> None:
    assert parse_backoff("100ms..30s") == (0.1, 30.0)
    assert parse_backoff(" 2s .. 2s ") == (2.0, 2.0)
    with pytest.raises(ValueError, match="the number 5 is no pair of pauses"):
        parse_backoff(5)

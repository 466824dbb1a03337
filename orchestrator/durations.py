"""Durations, sizes and restart intensities, as people write them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from pytimeparse2 import parse as _parse_time

from orchestrator.words import quoted, say

__all__ = [
    "DURATION_FORM",
    "INTENSITY_FORM",
    "LONGEST",
    "PLAIN_FORM",
    "SIZE_FORM",
    "Intensity",
    "parse_backoff",
    "parse_duration",
    "parse_intensity",
    "parse_seconds",
    "parse_size",
    "parse_timeout",
]

LONGEST = 36_500 * 86_400.0
"""The longest duration, in seconds (100 years): clocks and pollers overflow beyond that."""

_DURATION_HELP = "write 250ms, 5s, 2min, 1h, 30d, 1h 30min, or seconds as a number"
_SIZE_HELP = "write 500MB, 1GiB, or bytes as a number"
_BACKOFF_HELP = "write the first and the longest pause, such as 100ms..30s"
_INTENSITY_HELP = "write restarts in a time, such as 5 in 1min"

# Of ASCII, and without what ECMAScript's expressions lack: editors judge by the same forms.
PLAIN_FORM = r"[0-9]+(?:\.[0-9]+)?"
_UNIT = (
    r"(?:w|weeks?|d|days?|h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?|ms|msecs?|milliseconds?)"
)
# pytimeparse2 takes much more: clocks (12:30 as minutes), months, signs, any spelling of "inf".
# What could be misread doesn't reach it.
DURATION_FORM = rf"{PLAIN_FORM}\s*{_UNIT}(?:[\s,]*{PLAIN_FORM}\s*{_UNIT})*"
SIZE_FORM = rf"{PLAIN_FORM}\s*(?:|[bB]|[kKmMgGtT][iI]?[bB])"
INTENSITY_FORM = r"([0-9]{1,6})\s+in\s+(\S.*)"
_PLAIN, _WITH_UNITS, _SIZE, _INTENSITY = (
    re.compile(form, re.ASCII) for form in (PLAIN_FORM, DURATION_FORM, SIZE_FORM, INTENSITY_FORM)
)
_LONGEST_TEXT = 60  # characters; no duration needs more


@dataclass(frozen=True)
class Intensity:
    """How many restarts are borne: more than `count` within `period` seconds are too many."""

    count: int
    period: float

    def __str__(self) -> str:
        return f"{self.count} in {self.period:g}s"


def parse_duration(value: object) -> float | None:
    """Seconds from ``250ms``, ``5s``, ``2min``, ``1h``, ``30d``, ``1h 30min`` or a number.

    Args:
        value: a text with units, a plain number of seconds (also as text), or None.

    Returns:
        Seconds, 0 or more; None (no limit) for None.

    Raises:
        ValueError: it is none of these, negative, NaN, infinite or above 100 years. The message
            says what is accepted.
    """
    return None if value is None else _checked(value, "; use null for no limit")


def parse_timeout(value: object) -> float | None:
    """As `parse_duration`, but 0 is refused: nothing could ever be done in it.

    Raises:
        ValueError: as `parse_duration`, and for 0.
    """
    seconds = parse_duration(value)
    if seconds == 0:
        raise ValueError("nothing can be done in no time at all; use null for no limit")
    return seconds


def parse_seconds(value: object) -> float:
    """As `parse_duration`, but None is refused: a limit is needed.

    Raises:
        ValueError: as `parse_duration`, and for None.
    """
    return _checked(value, "")


def _checked(value: object, beyond: str) -> float:
    seconds = _seconds(value)
    if seconds is None or math.isnan(seconds):
        raise ValueError(f"{_given(value)} is not a duration; {_DURATION_HELP}")
    if seconds < 0:
        raise ValueError(f"{_given(value)} is negative; {_DURATION_HELP}")
    if seconds > LONGEST:
        raise ValueError(f"{_given(value)} is more than 100 years{beyond}")
    return seconds


def _seconds(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:  # an int beyond any float
            return math.inf
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        return None
    text = value.strip()
    if _PLAIN.fullmatch(text):
        return float(text)
    if not _WITH_UNITS.fullmatch(text):
        return None
    try:
        parsed = _parse_time(text, raise_exception=True)
    except OverflowError:
        return math.inf
    except ValueError:  # units out of order, or twice
        return None
    return None if parsed is None else float(parsed)


def parse_size(value: object) -> int:
    """Bytes from ``500MB`` (powers of 1000), ``1GiB`` (powers of 1024) or a number of bytes.

    Raises:
        ValueError: it is none of these, or less than one byte. The message says what is accepted.
    """
    size = None
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str) and len(value) <= _LONGEST_TEXT and _SIZE.fullmatch(value.strip()):
        # Here, as durations alone should cost no import of pydantic.
        from pydantic import ByteSize, TypeAdapter

        size = int(TypeAdapter(ByteSize).validate_python(value.strip()))
    if size is None:
        raise ValueError(f"{_given(value)} is not a size; {_SIZE_HELP}")
    if size < 1:
        raise ValueError(f"{_given(value)} is less than a byte; {_SIZE_HELP}")
    if size >= 1 << 63:
        raise ValueError(f"{_given(value)} is more than any disk holds; {_SIZE_HELP}")
    return size


def parse_intensity(value: object) -> Intensity:
    """A restart intensity from ``5 in 1min``: 5 restarts within a minute are borne, 6 are not.

    Raises:
        ValueError: it is something else, or the time is 0 or no duration.
    """
    match = _INTENSITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{_given(value)} is not a restart intensity; {_INTENSITY_HELP}")
    period = parse_seconds(match[2])
    if not period:
        raise ValueError(f"{_given(value)} has a time of 0; {_INTENSITY_HELP}")
    return Intensity(count=int(match[1]), period=period)


def parse_backoff(value: object) -> tuple[float, float]:
    """Seconds of the first and of the longest pause, from ``100ms..30s``.

    Raises:
        ValueError: it is something else, a pause is 0 or no duration, or the first is the longer.
    """
    first, dots, most = value.partition("..") if isinstance(value, str) else ("", "", "")
    if not dots:
        raise ValueError(f"{_given(value)} is no pair of pauses; {_BACKOFF_HELP}")
    pauses = parse_seconds(first), parse_seconds(most)
    if not all(pauses):
        raise ValueError(f"{_given(value)} has a pause of 0; {_BACKOFF_HELP}")
    if pauses[0] > pauses[1]:
        raise ValueError(f"{_given(value)} begins with the longer pause; {_BACKOFF_HELP}")
    return pauses


def _given(value: object) -> str:
    return quoted(value) if isinstance(value, str) else say(value)

"""Times and expressions as people write them: `10 min ago`, `today`, `-1h`, `2024-05-01 18:00`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from orchestrator.words import quoted
from transports.levels import LEVELS

_HELP = (
    'write "2024-05-01 18:00", 18:00, today, yesterday, "yesterday 18:00", "10 min ago", -1h, or @'
    " and seconds since 1970"
)
_DAYS = {"today": 0, "yesterday": -1, "tomorrow": 1}
_LEVEL_HELP = f"use one of {', '.join(LEVELS)}, or a range such as info..warning"
_MAX_TEXT = 100


def parse_time(text: str, *, now: float, utc: bool = False, latest: bool = False) -> float:
    """Seconds since the epoch.

    Args:
        text: A date, a time of today, or a time told from now.
        now: The present, in seconds since the epoch.
        utc: Take what names no zone as UTC instead of local time.
        latest: Of two moments that a clock shows alike, when it is set back in autumn, the later.

    Raises:
        ValueError: It is none of these; the message says what is.
    """
    words = " ".join(text.split())
    try:
        if len(words) <= _MAX_TEXT:
            at = _relative(words.lower(), now)
            if at is None:
                at = _absolute(words, now, utc, latest)
            if at is not None and 0 <= at < 253_402_300_800:
                return at
    except (ValueError, OverflowError, OSError):
        pass  # told below, with what would have been right
    raise ValueError(f"{quoted(text[:_MAX_TEXT])} is not a time; {_HELP}")


def parse_levels(text: str) -> tuple[int, int]:
    """Lowest and highest weight from `warning` (and all above), or from `info..warning`.

    Raises:
        ValueError: There is no such level, or the range is empty.
    """
    low, dots, high = text.strip().lower().partition("..")
    names = [name for name in (low, high) if name]
    unknown = next((name for name in names if name not in LEVELS), None)
    if unknown is not None or not names:
        raise ValueError(f"{quoted(unknown or text)} is not a level; {_LEVEL_HELP}")
    levels = LEVELS[low] if low else min(LEVELS.values()), max(LEVELS.values())
    if dots and high:
        levels = levels[0], LEVELS[high]
    if levels[0] > levels[1]:
        raise ValueError(f"the range {quoted(text)} begins above its end; {_LEVEL_HELP}")
    return levels


def parse_grep(text: str) -> re.Pattern[str]:
    """An expression; without capitals it matches capitals as well.

    Raises:
        ValueError: It is not a regular expression.
    """
    # An escape such as \S isn't a capital.
    capitals = any(letter.isupper() for letter in re.sub(r"\\.", "", text))
    try:
        return re.compile(text, 0 if capitals else re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{quoted(text)} is not a regular expression: {error}") from error


def _relative(text: str, now: float) -> float | None:
    if text == "now":
        return now
    if text.startswith("@"):
        return float(text[1:])
    sign, amount = -1, text
    if text.endswith(" ago"):
        amount = text.removesuffix(" ago")
    elif text[:1] in ("-", "+"):
        sign, amount = (1 if text[0] == "+" else -1), text[1:]
    else:
        return None
    from orchestrator.durations import parse_seconds

    return now + sign * parse_seconds(amount)


def _absolute(text: str, now: float, utc: bool, latest: bool) -> float | None:
    zone = UTC if utc else None
    present = datetime.fromtimestamp(now, zone)
    first, _, rest = text.partition(" ")
    if first.lower() in _DAYS:
        day = present + timedelta(days=_DAYS[first.lower()])
        text = f"{day:%Y-%m-%d} {rest or '00:00'}"
    elif re.match(r"[0-9]{1,2}:", text):
        text = f"{present:%Y-%m-%d} {text}"
    text = re.sub(r"([ T])([0-9]:)", r"\g<1>0\2", text)  # 8:30 is 08:30
    text = re.sub(r"\s+(?=[+-][0-9]|Z$)", "", text).replace(" UTC", "Z")
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None  # years and weeks in their short forms: likelier meant otherwise
    at = datetime.fromisoformat(text)
    if at.tzinfo is not None:
        return at.timestamp()
    moments = [at.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1)]
    return max(moments) if latest else min(moments)

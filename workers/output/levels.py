"""Levels of records: from a name to its weight, and back."""

from __future__ import annotations

from transports.levels import LEVELS


def level_number(level: str) -> int:
    """The number of a level's name, as in stdlib logging.

    Raises:
        ValueError: There is no such level.
    """
    try:
        return LEVELS[level.lower()]
    except KeyError:
        raise ValueError(f"no level {level!r}: use one of {', '.join(LEVELS)}") from None


def level_name(number: int) -> str:
    """The name of the heaviest level that isn't above a number: 25 is info."""
    return next((name for name in reversed(LEVELS) if LEVELS[name] <= number), "debug")

"""Levels of records: their names, their weights."""

from __future__ import annotations

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
"""Names of levels in rising order of weight, with the numbers of stdlib logging."""


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

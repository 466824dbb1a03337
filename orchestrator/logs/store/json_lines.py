"""Printed lines that are JSON: what libraries with loggers of their own print, as records."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from orchestrator.logs.store.records import OUTPUT_LEVELS, Record
from transports.levels import ALIASES, LEVELS

MESSAGES: Final = ("message", "event", "msg")
LEVEL_KEYS: Final = ("level", "levelname", "severity", "lvl")
LOGGERS: Final = ("logger", "logger_name", "name")
TRACEBACKS: Final = ("exception", "exc_info", "traceback", "stack_trace")
"""Under which libraries have what a record has too; the first one that is a text counts."""

_NAMES: Final = {
    **{name: name for name in LEVELS},
    **ALIASES,
    "trace": "debug",
    "information": "info",
    "notice": "info",
    "err": "error",
    "crit": "critical",
    "alert": "critical",
    "emergency": "critical",
    "panic": "critical",
}
_decode = msgspec.json.Decoder().decode


def read_json(record: Record) -> Record:
    """A printed line that is one JSON object with a message, as a record; any other as it is.

    So is one with a key that it has twice.
    Its level and its message become the record's, so do a logger's name and a traceback; what else
    it has, its own time too, become fields. Its time stays the one at which it was printed.
    """
    text = record.event
    if record.stream == "record" or not (text.startswith("{") and text.rstrip().endswith("}")):
        return record
    try:
        found = _decode(text)
        json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return record
    message = _take(found, MESSAGES)
    if message is None:
        return record
    level = OUTPUT_LEVELS[record.stream]
    for key in LEVEL_KEYS:
        if (named := _level(found.get(key))) is not None:
            del found[key]
            level = named
            break
    return msgspec.structs.replace(
        record,
        stream="record",
        event=message,
        level=level,
        logger=_take(found, LOGGERS) or record.stream,
        exception=_take(found, TRACEBACKS) or record.exception,
        fields={**found, **(record.fields or {})} or None,
    )


def _once(pairs: list[tuple[str, Any]]) -> None:
    """Refuse what has a key twice: as a record, it would have one of the values and no trace of the
    other."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key is given twice")


def _take(found: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """Take the first of these out that is a text and not an empty one; None if none is."""
    for key in keys:
        if isinstance(found.get(key), str) and found[key]:
            text: str = found.pop(key)
            return text
    return None


def _level(given: object) -> str | None:
    """One of our levels for a name, or for a number of stdlib logging; None for anything else."""
    if isinstance(given, str):
        return _NAMES.get(given.casefold())
    if isinstance(given, int) and not isinstance(given, bool):
        return next((name for name, weight in LEVELS.items() if weight == given), None)
    return None

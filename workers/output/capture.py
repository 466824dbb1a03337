"""Log records of one request, for a client that asks for them with its answer."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from transports.headers import FETCH_LOGS

Entry = dict[str, Any]

MOST = 1000
"""Entries of one request that are kept."""

_entries: ContextVar[list[Entry] | None] = ContextVar("captured", default=None)
_installing = threading.Lock()


def wants_logs(context: Any) -> bool:
    """Whether a thing execution context asks for the records; snake_case first."""
    if not isinstance(context, dict):
        return False
    snake = context.get("fetch_execution_logs")
    return bool(context.get(FETCH_LOGS) if snake is None else snake)


@contextmanager
def captured() -> Iterator[list[Entry]]:
    """Collect what the body logs, in its thread and in tasks that it starts; newest first."""
    entries: list[Entry] = []
    token = _entries.set(entries)
    try:
        yield entries
    finally:
        _entries.reset(token)
        entries.reverse()


def install() -> None:
    """Listen to stdlib logging and to structlog, as they are configured now.

    Nothing is collected outside `captured`. A second call changes nothing.
    """
    with _installing:
        root = logging.getLogger()
        if not any(isinstance(handler, _Collector) for handler in root.handlers):
            root.addHandler(_Collector())
        structlog = sys.modules.get("structlog")
        if structlog is not None and structlog.is_configured():
            processors = structlog.get_config()["processors"]
            if _collect not in processors:
                # in place: loggers that were made before hold this very list
                processors.insert(0, _collect)


def _add(level: str, message: str, at: datetime) -> None:
    entries = _entries.get()
    if entries is not None and len(entries) < MOST:
        entries.append(
            {
                "level": level,
                "timestamp": at.isoformat(timespec="microseconds"),
                "thread_id": threading.get_ident(),
                "message": message,
            }
        )


class _Collector(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        last = logging.lastResort
        alone = logging.getLogger().handlers == [self]
        if alone and last is not None and record.levelno >= last.level:
            last.handle(record)  # as Python does where there is no handler
        if _entries.get() is None:
            return
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001  a library's arguments may not fit its message
            message = str(record.msg)
        _add(record.levelname, message, datetime.fromtimestamp(record.created))


def _collect(
    logger: Any, method: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    if _entries.get() is not None:
        level = "warning" if method == "warn" else method
        number = logging.getLevelName(level.upper())
        if not isinstance(number, int) or number >= logging.getLogger().getEffectiveLevel():
            fields = (f"{key}={value!r}" for key, value in event_dict.items() if key != "event")
            message = " ".join((str(event_dict.get("event", "")), *fields))
            _add(level.upper(), message, datetime.now())
    return event_dict

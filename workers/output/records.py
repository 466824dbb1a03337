"""Records of a process: structlog, stdlib logging, warnings and uncaught exceptions, one stream.

A worker calls `configure` before anything else. From then on `structlog.get_logger()` anywhere,
and any library's `logging.getLogger()`, write JSON lines to the record stream. The settings of
this module are the process's: they are global on purpose, and only here.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import traceback
from collections.abc import Callable, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import structlog
from structlog.contextvars import get_contextvars

from transports.levels import ALIASES, AUDIT, AUDIT_LOGGER, DRIVER, LEVELS, SPAN, SPAN_LOGGER
from workers.output.levels import level_number
from workers.output.pipes import RecordLine, RecordPipe, Stream, encode
from workers.output.raised import Raised, as_text, raised
from workers.output.request_marks import RequestMarks
from workers.output.stdlib_logging import set_logging_level, take_over_logging
from workers.output.texts import message_text

_METHOD_LEVELS = {**{name: name for name in LEVELS}, **ALIASES}

# One variable of our own for the request, not two of structlog's: it is set and cleared around
# each request (0.2 µs, against 1.2), and a driver that clears structlog's context doesn't lose it.
_request: ContextVar[tuple[str | int, str] | None] = ContextVar("request", default=None)


@dataclass(slots=True)
class _Settings:
    pipe: RecordPipe
    level: int
    undo: Callable[[], None]


_settings: _Settings | None = None
_marks: RequestMarks | None = None
_at_unbind: list[Callable[[], None]] = []
_threads: dict[int, tuple[str, int]] = {}


def configure(fd: int, *, worker: str, incarnation: int, level: str) -> None:
    """Send all records of this process to a pipe, as JSON lines.

    Takes over structlog, the handlers of the root logger, warnings, and the hooks for uncaught
    exceptions. A second call replaces the first.

    Args:
        fd: Write end of the record stream. It stays the caller's, and is made non-blocking.
        worker: The worker's name, on each record.
        incarnation: Number of the worker's life, on each record.
        level: The lowest level to send: debug, info, warning, error or critical.

    Raises:
        ValueError: `level` is none of these.
    """
    global _settings
    weight = level_number(level)
    reset()
    pipe = RecordPipe(fd, worker=worker, incarnation=incarnation)
    structlog.configure(
        processors=[_render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        logger_factory=_PipeLogger,
        cache_logger_on_first_use=True,
    )
    undo = take_over_logging(weight, _emit)
    _settings = _Settings(pipe, weight, undo)
    atexit.register(pipe.retire)


def reset() -> None:
    """Undo `configure`: handlers and hooks are again what they were, structlog has its defaults."""
    global _settings
    settings, _settings = _settings, None
    if settings is not None:
        atexit.unregister(settings.pipe.retire)
        settings.pipe.retire()
        settings.undo()
        structlog.reset_defaults()


def never_wait() -> None:
    """Drop a record, and count it, where it would have to wait for room: for a loop of others'."""
    if _settings is not None:
        _settings.pipe.patience = 0.0


def set_level(level: str) -> None:
    """Change the lowest level that is sent, while running.

    Raises:
        ValueError: There is no such level.
    """
    weight = level_number(level)
    if _settings is not None:
        _settings.level = weight
        set_logging_level(weight)


def mark_output(marks: RequestMarks | None) -> None:
    """Have marks written into this process's standard streams for each request; None ends it."""
    global _marks
    _marks = marks


def at_unbind(call: Callable[[], None]) -> Callable[[], None]:
    """Have a function called where a request ends, while it is still bound.

    Returns:
        A function that ends this.
    """
    _at_unbind.append(call)
    return lambda: _at_unbind.remove(call)


def bind_request(request_id: str | int, member: str) -> None:
    """Put a request's id and member on the records made from here on in this context.

    The context is the thread's, or the asyncio task's: members that run beside each other keep
    their own.
    """
    _request.set((request_id, member))
    if _marks is not None and _settings is not None:
        _marks.begin(str(request_id), member)


def unbind_request() -> None:
    """End what `bind_request` began."""
    for call in _at_unbind:
        call()
    _request.set(None)
    if _marks is not None and _settings is not None:
        _marks.end()
    report_loss()


def report_loss() -> None:
    """Tell what was dropped, now or when there is room."""
    if _settings is not None and _settings.pipe.dropped:
        _settings.pipe.report_loss_soon()


def marks_end_lines(fd: int) -> bool:
    """Whether the end of this context's request ends the line that a stream was left in."""
    return _marks is not None and _settings is not None and _marks.ends_lines(fd)


def bound_request() -> tuple[str | int, str] | None:
    """Id and member of the request that this context works for."""
    return _request.get()


def is_configured() -> bool:
    """Whether records of this process go anywhere."""
    return _settings is not None


def register_thread(worker: str, incarnation: int) -> None:
    """Put another worker's name on the records of this thread: for workers inside one process."""
    _threads[threading.get_ident()] = (worker, incarnation)


def unregister_thread() -> None:
    """End what `register_thread` began; does nothing for a thread that wasn't registered."""
    _threads.pop(threading.get_ident(), None)


def thread_worker() -> tuple[str, int] | None:
    """Worker and incarnation that this thread was registered with, if it was."""
    return _threads.get(threading.get_ident())


def write_output(stream: Stream, text: str, *, fields: dict[str, Any] | None = None) -> bool:
    """Write a line that this thread's worker printed as a record of `stream`.

    Returns:
        False when it was dropped, or nothing is configured.
    """
    return _emit("info" if stream == "stdout" else "warning", text, stream=stream, fields=fields)


_OWN_LOGGERS = {AUDIT: ("info", AUDIT_LOGGER), SPAN: ("debug", SPAN_LOGGER)}


def write_span(seconds: float) -> bool:
    """Write how long the driver took over what this thread is at, ending now.

    Returns:
        False when it was dropped, or nothing is configured.
    """
    return _emit("debug", DRIVER, logger=SPAN_LOGGER, fields={"seconds": round(seconds, 6)})


def write_about(worker: str, level: str, event: str, fields: dict[str, Any]) -> bool:
    """Write a record about a worker on its host's behalf, whichever thread this is.

    Its logger is the empty name, which tells it from what the worker says itself.

    Args:
        worker: Whom it concerns.
        level: The record's level; `AUDIT` is info and `SPAN` debug, both always recorded, by a
            logger of their own.
        event: What happened.
        fields: Further facts; `incarnation`, `request`, `member` and `exception` (a traceback)
            become those of the record.

    Returns:
        False when it is below the level, was dropped, or nothing is configured.
    """
    settings = _settings
    level, logger = _OWN_LOGGERS.get(level, (level, ""))
    if settings is None or (level_number(level) < settings.level and not logger):
        return False
    rest = dict(fields)
    request, member = rest.pop("request", None), rest.pop("member", None)
    incarnation, told = rest.pop("incarnation", None), as_text(rest.pop("exception", None))
    line = _line(settings, level, event, at=None, logger=None, exception=told, fields=rest or None)
    line.worker = worker
    line.logger = logger
    line.incarnation = settings.pipe.incarnation if incarnation is None else incarnation
    line.request = None if request is None else str(request)
    line.member = member
    return settings.pipe.write(encode(line))


def _emit(
    level: str,
    event: str,
    *,
    stream: Stream = "record",
    at: float | None = None,
    logger: str | None = None,
    exception: Raised | None = None,
    fields: dict[str, Any] | None = None,
) -> bool:
    settings = _settings
    if settings is None:
        return False
    line = _line(settings, level, event, at=at, logger=logger, exception=exception, fields=fields)
    line.stream = stream
    return settings.pipe.write(encode(line))


def _line(
    settings: _Settings,
    level: str,
    event: str,
    *,
    at: float | None,
    logger: str | None,
    exception: Raised | None,
    fields: dict[str, Any] | None,
) -> RecordLine:
    pipe = settings.pipe
    worker, incarnation = pipe.worker, pipe.incarnation
    if _threads:
        worker, incarnation = _threads.get(threading.get_ident(), (worker, incarnation))
    request = _request.get()
    line = RecordLine(
        time=time.time() if at is None else at,
        level=level,
        worker=worker,
        incarnation=incarnation,
        stream="record",
        event=event,
        logger=logger,
        fields=fields,
    )
    if exception is not None:
        line.exception, line.raised = exception
    if request is not None:
        line.request = str(request[0])
        line.member = request[1]
    return line


# --- structlog


class _PipeLogger:
    """The end of structlog's chain: takes encoded records. Holds a name, so it may be cached."""

    __slots__ = ("name",)

    def __init__(self, *args: object) -> None:
        self.name = str(args[0]) if args and args[0] is not None else None

    def msg(self, data: bytes) -> None:
        if _settings is not None:
            _settings.pipe.write(data)

    debug = info = warning = warn = error = exception = critical = fatal = log = msg


def _render(logger: Any, method: str, event_dict: MutableMapping[str, Any]) -> bytes:
    """The one processor: drops by level, adds the context, encodes."""
    settings = _settings
    level = _METHOD_LEVELS.get(method, "info")
    if settings is None or LEVELS[level] < settings.level:
        raise structlog.DropEvent
    fields = get_contextvars()  # a new dictionary at each call
    fields.update(event_dict)
    event = fields.pop("event", "")
    exception = raised(fields.pop("exc_info", None))
    if fields.pop("stack_info", None):
        fields["stack"] = "".join(traceback.format_stack())
    line = _line(
        settings,
        level,
        event if type(event) is str else message_text(event),
        at=None,
        logger=getattr(logger, "name", None),
        exception=exception,
        fields=fields or None,
    )
    return encode(line)


def _after_fork() -> None:
    if _settings is not None:
        _settings.pipe.renew_locks()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

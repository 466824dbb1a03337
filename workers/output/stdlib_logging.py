"""Records of stdlib logging, warnings and uncaught exceptions, made ours."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

from structlog.contextvars import get_contextvars

from workers.output.levels import level_name
from workers.output.pipes import safe_repr
from workers.output.raised import Raised, as_text, raised
from workers.output.texts import message_text

_LOG_RECORD_FIELDS = frozenset(
    vars(logging.LogRecord("", 0, "", 0, "", (), None))
    | {"message": 0, "asctime": 0, "taskName": 0}
)


class Emit(Protocol):
    """What writes a record."""

    def __call__(
        self,
        level: str,
        event: str,
        *,
        at: float | None = None,
        logger: str | None = None,
        exception: Raised | None = None,
        fields: dict[str, Any] | None = None,
    ) -> bool:
        """Write it; False when it was dropped, or nothing is configured."""


def take_over_logging(level: int, emit: Emit) -> Callable[[], None]:
    """Put a handler on the root logger, and hooks where uncaught exceptions arrive.

    Args:
        level: The lowest level to send, as a number of stdlib logging.
        emit: Takes the records.

    Returns:
        A function that puts back what was there before.
    """
    root = logging.getLogger()
    handlers, root_level = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    root.handlers[:] = [_Handler(level, emit)]
    root.setLevel(level)
    logging.captureWarnings(True)
    uncaught = _Uncaught(emit)
    sys.excepthook, threading.excepthook = uncaught.anywhere, uncaught.in_thread
    sys.unraisablehook = uncaught.unraisable

    def undo() -> None:
        root.handlers[:] = handlers
        root.setLevel(root_level)
        logging.captureWarnings(False)
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks

    return undo


def set_logging_level(level: int) -> None:
    """Change the lowest level of what `take_over_logging` put in place."""
    root = logging.getLogger()
    root.setLevel(level)
    for handler in root.handlers:
        if isinstance(handler, _Handler):
            handler.setLevel(level)


class _Handler(logging.Handler):
    """Turns records of stdlib logging into ours."""

    def __init__(self, level: int, emit: Emit) -> None:
        super().__init__(level)
        self._emit = emit

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; a message that doesn't fit its arguments is written unformatted."""
        extra = {key: value for key, value in vars(record).items() if key not in _LOG_RECORD_FIELDS}
        fields = get_contextvars()
        fields.update(extra)
        try:
            event = record.getMessage()
        except Exception as problem:  # noqa: BLE001  arguments are the library's, so is __str__
            event = message_text(record.msg)
            fields["arguments"] = safe_repr(record.args)
            fields["problem"] = safe_repr(problem)
        if record.stack_info:
            fields["stack"] = record.stack_info
        self._emit(
            level_name(record.levelno),
            event.rstrip("\n"),
            at=record.created,
            logger=record.name,
            exception=raised(record.exc_info) or as_text(record.exc_text),
            fields=fields or None,
        )


class _Uncaught:
    """Hooks for exceptions that nobody caught; what can't be recorded goes where it always did."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    def anywhere(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """For `sys.excepthook`."""
        if issubclass(kind, KeyboardInterrupt) or not self._emit(
            "error", f"uncaught {kind.__name__}", logger="uncaught", exception=raised(error)
        ):
            sys.__excepthook__(kind, error, trace)

    def in_thread(self, args: threading.ExceptHookArgs) -> None:
        """For `threading.excepthook`."""
        if issubclass(args.exc_type, SystemExit):
            return  # a thread's ordinary way to end
        name = args.thread.name if args.thread is not None else "of unknown name"
        error = args.exc_value if args.exc_value is not None else args.exc_type()
        event = f"uncaught {args.exc_type.__name__} in thread {name}"
        if not self._emit("error", event, logger="uncaught", exception=raised(error)):
            threading.__excepthook__(args)

    def unraisable(self, args: sys.UnraisableHookArgs) -> None:
        """For `sys.unraisablehook`."""
        what = args.err_msg or "exception ignored in"
        event = f"{what}: {safe_repr(args.object)}"
        exception = raised(args.exc_value)
        if not self._emit("error", event, logger="uncaught", exception=exception):
            sys.__unraisablehook__(args)

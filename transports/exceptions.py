"""Exceptions on the wire: `{"exception": {message, type, traceback, notes, outcome}}`.

Clients read the keys that they know; those of `values.raised` come after these.
"""

from __future__ import annotations

import builtins
import traceback
from typing import Any

import msgspec

FAILED = "failed"
NOT_STARTED = "not started"
UNKNOWN = "unknown"
DONE = "done"
"""What an error says of its operation: it ran and raised, it never began, nobody can tell, it was
done but its result can't be sent."""

INTERRUPT = "interrupt"
BY_RESTART = "restart"
"""What may end an operation that was cancelled, beside the driver's own stop: its Python code is
interrupted, its worker gets another life."""

_encoder = msgspec.json.Encoder()


def type_name(error: BaseException) -> str:
    """The name under which an exception travels.

    A client rebuilds builtin exceptions of one argument by name, so a class that only shares
    its name with a builtin is qualified, and builtins that can't be rebuilt from one argument,
    or would end the client's program, travel as RuntimeError.
    """
    kind = type(error)
    known = getattr(builtins, kind.__name__, None)
    if known is None:
        return kind.__name__
    if known is not kind:
        return f"{kind.__module__}.{kind.__qualname__}"
    rebuildable = isinstance(error, Exception) and not isinstance(
        error, (UnicodeError, BaseExceptionGroup, StopIteration, StopAsyncIteration)
    )
    return kind.__name__ if rebuildable or kind is UnicodeError else "RuntimeError"


def describe_exception(
    error: BaseException, outcome: str = FAILED, *, skip_frames: int = 0
) -> dict[str, Any]:
    """The JSON object of an exception.

    Args:
        error: The exception.
        outcome: `FAILED`, `NOT_STARTED` or `UNKNOWN`.
        skip_frames: How many outermost frames of the traceback are the runtime's own.
    """
    name = type_name(error)
    message = _text(error)
    if name == "RuntimeError" and type(error) is not RuntimeError:
        kind = type(error).__name__
        message = f"{kind}: {message}" if message else kind
    frames = error.__traceback__
    for _ in range(skip_frames):
        if frames is not None and frames.tb_next is not None:
            frames = frames.tb_next
    try:
        lines = "".join(traceback.format_exception(type(error), error, frames)).splitlines()
    except Exception as second:  # noqa: BLE001  an exception whose own __str__ raises
        lines = [f"{type(error).__name__}: (its traceback can't be shown: {type(second).__name__})"]
    notes = getattr(error, "__notes__", None)
    return {
        "message": message,
        "type": name,
        "traceback": [_text(line) for line in lines] or [f"{name}: {message}"],
        "notes": [_text(note) for note in notes] if notes and isinstance(notes, list) else None,
        "outcome": outcome,
    }


def exception_payload(
    error: BaseException, outcome: str = FAILED, *, skip_frames: int = 0
) -> bytes:
    """The payload of an EXCEPTION or INVALID_MESSAGE for an exception."""
    return _encoder.encode(
        {"exception": describe_exception(error, outcome, skip_frames=skip_frames)}
    )


def refusal_payload(
    type_: str,
    message: str,
    outcome: str,
    notes: list[str] | None = None,
    *,
    step: str = "",
) -> bytes:
    """The payload of an error that no `raise` stands behind.

    Args:
        type_: Name of a builtin exception of one argument.
        message: What is wrong and how to mend it.
        outcome: `FAILED`, `NOT_STARTED`, `UNKNOWN` or `DONE`.
        notes: Further lines for the reader.
        step: What ended an operation that was cancelled, if it had started; or a lease.
    """
    line = f"{type_}: {message}"
    # hololinked's proxy drops the last line and prefixes the first: two lines, so one remains.
    return _encoder.encode(
        {
            "exception": {
                "message": message,
                "type": type_,
                "traceback": [line, line],
                "notes": notes,
                "outcome": outcome,
                **({"step": step} if step else {}),
            }
        }
    )


def _text(value: object) -> str:
    try:
        # an unpaired surrogate can't be UTF-8: keep it readable
        return str(value).encode("utf-8", "backslashreplace").decode()
    except Exception as second:  # noqa: BLE001  a driver's exception may have a broken __str__
        return f"(its text can't be shown: {type(second).__name__})"

"""What an answer that isn't a result becomes when it is raised."""

from __future__ import annotations

import builtins
from typing import Any

from orchestrator.errors import (
    Aborted,
    ArgumentsRefused,
    DriverError,
    ExecutionTimeout,
    InvocationTimeout,
    Leased,
    NameRefused,
    NoRoom,
    NotAllowed,
    NothingThere,
    OrchError,
    OtherLife,
    OutcomeUnknown,
    Refused,
    ResultUnsendable,
    ValueRefused,
    Withdrawn,
    WorkerDied,
    WorkerUnavailable,
)
from transports.exceptions import DONE, NOT_STARTED, UNKNOWN
from transports.headers import DESCRIPTION, EXECUTION, INVALID_MESSAGE, INVOCATION, TIMEOUT
from transports.terms import EXPIRED

_REFUSED: dict[str, type[OrchError]] = {
    "ConnectionRefusedError": WorkerUnavailable,
    "InterruptedError": Withdrawn,
    "TypeError": ArgumentsRefused,
    "ValueError": ValueRefused,
    "AttributeError": NameRefused,
    "KeyError": NameRefused,
    "LookupError": NothingThere,
    "BufferError": NoRoom,
    "PermissionError": NotAllowed,
    "ConnectionAbortedError": OtherLife,
    "BlockingIOError": Leased,
}
"""What never began is raised as, by the name of the builtin that other clients raise."""


def error_from_response(
    message_type: str,
    body: Any,
    *,
    request_id: str | int | None = None,
    worker: str | None = None,
    member: str | None = None,
    detail: str = "",
) -> Exception:
    """The exception to raise for an answer that isn't a result.

    Args:
        message_type: `EXCEPTION`, `INVALID_MESSAGE` or `TIMEOUT`.
        body: Its decoded payload; anything is accepted, also what isn't allowed there.
        request_id: Message id of the request.
        worker: The worker that was addressed.
        member: The property or action that was addressed.
        detail: What kept the worker, or is known of it, if the rig says so with a `TIMEOUT`.

    Returns:
        An `OrchError`, or the driver's own exception if it is a builtin one, with the remote
        traceback in its notes.
    """
    where: dict[str, Any] = {"request_id": request_id, "worker": worker, "member": member}
    name = ".".join(part for part in (worker, member) if part) or "the request"
    if message_type == TIMEOUT:
        return _timeout(body, name, detail, where)
    report = body.get("exception") if isinstance(body, dict) else None
    if not isinstance(report, dict):
        return OutcomeUnknown(f"{name}: the answer isn't readable: {body!r:.200}", **where)
    kind, message, lines = _fields(report)
    outcome = report.get("outcome")
    error: Exception | None = None
    if message_type == INVALID_MESSAGE:
        return _noted(_REFUSED.get(kind, Refused)(message, **where), [], report)
    if outcome == UNKNOWN and kind == "InterruptedError":
        error = Aborted(message, **where)
        error.step = str(report.get("step") or "")
    elif outcome == UNKNOWN:
        died = kind == "ConnectionResetError"
        error = (WorkerDied if died else OutcomeUnknown)(message, **where)
    elif outcome == DONE:
        error = ResultUnsendable(f"{name}: {message}", **where)
    elif outcome == NOT_STARTED:
        error = _REFUSED.get(kind, Refused)(message, **where)
        if isinstance(error, Leased):
            error.expired = report.get("step") == EXPIRED
    if error is not None:
        return _noted(error, [], report)  # made by the rig: its own traceback tells nothing
    from orchestrator.client.driver_errors import revive  # takes long, and most calls don't fail

    error = revive(report, where, lines)
    if error is not None:
        return _noted(error, lines, {}, where)
    error = _builtin(kind, message)
    if error is None:
        error = DriverError(message, type=kind, remote_traceback=lines, **where)
    return _noted(error, lines, report, where)


def _timeout(body: Any, name: str, detail: str, where: dict[str, Any]) -> OrchError:
    if body == INVOCATION and where["member"] == DESCRIPTION:  # which nobody asked for by name
        why = detail or f"worker {where['worker']!r} didn't say what it offers"
        return InvocationTimeout(f"{why}; nothing was done", **where)
    if body == INVOCATION:
        keeps = f": {detail}" if detail else ""
        return InvocationTimeout(
            f"{name} did not start within its invocation timeout{keeps}; nothing was done", **where
        )
    if body == EXECUTION:
        told = f"{name} was still running at its execution timeout; its outcome is not known"
        return ExecutionTimeout(f"{told}: {detail}" if detail else told, **where)
    return OutcomeUnknown(f"{name} timed out in an unknown way: {body!r:.200}", **where)


def _fields(report: dict[str, Any]) -> tuple[str, str, list[str]]:
    lines = report.get("traceback")
    return (
        str(report.get("type") or "Exception"),
        str(report.get("message") or ""),
        [str(line) for line in lines] if isinstance(lines, list) else [],
    )


def _builtin(name: str, message: str) -> Exception | None:
    """The builtin exception of that name, or None if it isn't one that may be raised here."""
    kind = getattr(builtins, name, None)
    if not isinstance(kind, type) or not issubclass(kind, Exception):
        return None
    if issubclass(kind, (StopIteration, StopAsyncIteration)):
        return None  # would end a loop, or break a coroutine, that the call stands in
    try:
        return kind(_unquoted(message) if issubclass(kind, KeyError) else message)
    except TypeError:  # takes more than a text, such as UnicodeDecodeError
        return None


def _unquoted(message: str) -> str:
    """The key of a KeyError, whose text is the key's repr and would be quoted once more."""
    if len(message) < 2 or message[0] != message[-1] or message[0] not in "'\"":
        return message
    import ast

    try:
        key = ast.literal_eval(message)
    except (ValueError, SyntaxError):
        return message
    return key if isinstance(key, str) else message


class RaisedIn(str):
    """The note that tells where a driver's exception comes from, also of a builtin one's.

    Attributes:
        where: `request_id`, `worker` and `member` of the request.
        lines: The remote traceback.
    """

    where: dict[str, Any]
    lines: list[str]


def raised_in(error: Exception) -> tuple[dict[str, Any], list[str]]:
    """The request in which a driver raised an exception, and its traceback there; empty if none."""
    for note in reversed(getattr(error, "__notes__", ())):
        if isinstance(note, RaisedIn):
            return note.where, note.lines
    return {}, []


def _noted(
    error: Exception, lines: list[str], report: dict[str, Any], where: dict[str, Any] | None = None
) -> Exception:
    notes = report.get("notes")
    for note in notes if isinstance(notes, list) else []:
        error.add_note(str(note))
    if lines and where is not None:
        name = ".".join(part for part in (where["worker"], where["member"]) if part)
        head = f"raised in {name or 'the request'}, request {where['request_id']}:"
        note = RaisedIn("\n".join([head, *(f"  {line}" for line in lines)]))
        note.where, note.lines = where, lines
        error.add_note(note)
    return error

"""A driver's exception, raised anew in a client: caught by the builtin bases of its class.

A builtin exception is raised as itself. For a class of the driver's own one is made here, by its
name and builtin bases, which derives from `DriverError` too. What a rig sends is data: names of
builtins are looked up in a table, and nothing is imported for it.
"""

from __future__ import annotations

import builtins
import functools
from contextlib import suppress
from typing import Any

from orchestrator.errors import DriverError
from transports.values.exceptions import BUILT_IN, rebuilt
from transports.values.raised import DEEPEST, Fields, decoded

_NEVER = ("StopIteration", "StopAsyncIteration")
"""Would end a loop, or break a coroutine, that the call stands in; and so would their children."""

BASES: dict[str, type[Exception]] = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type)
    and issubclass(kind, Exception)
    and not issubclass(kind, (StopIteration, StopAsyncIteration, BaseExceptionGroup))
}
"""Builtin exceptions that may be raised here, by name."""

_OURS = frozenset({"type", "message", "remote_traceback", "request_id", "worker", "member"})
_SHOWN = 400
_CHAIN = ("__cause__", "__context__", "__suppress_context__")


def revive(
    report: dict[str, Any], where: dict[str, Any], lines: list[str], depth: int = 0
) -> Exception | None:
    """The exception that an object of a driver's exception stands for.

    Args:
        report: The object; anything is accepted in it.
        where: `request_id`, `worker` and `member` of the request.
        lines: The remote traceback.
        depth: In how many others it is nested.

    Returns:
        The exception, with notes, cause and context; None if the object lacks what it takes.
    """
    bases = report.get("bases")
    if not isinstance(bases, list) or depth > DEEPEST:
        return None
    name, kind = str(report.get("name") or "Exception"), str(report.get("type") or "Exception")
    message = str(report.get("message") or "")
    known = tuple(each for each in bases if isinstance(each, str) and each in BASES)
    if kind == "RuntimeError" and name != kind:  # all clients are told so of what they can't build
        kind, message = name, _without(message, name)
        known = known if len(known) > 1 else ("RuntimeError",)
    fields = decoded(report.get("fields"), message)
    error = _group(report, name, where, depth)
    if error is not None:
        _set_attributes(error, fields)
    else:
        if bases and bases[0] == name and name in BASES:
            error = _itself(BASES[name], message, fields)
        if error is None:
            made = driver_error_class(name, known)
            error = made(message, type=kind, remote_traceback=lines, **where)
            _set_attributes(error, fields)
            if fields.args is not None:
                error.args = fields.args
    for note in _texts(report.get("notes")):
        error.add_note(note)
    if fields.altered:
        error.add_note("\n".join(["not as the driver raised it:", *_indented(fields.altered)]))
    _chain(error, report, where, depth)
    return error


@functools.lru_cache(maxsize=1024)
def driver_error_class(name: str, bases: tuple[str, ...]) -> type[DriverError]:
    """The class for a driver's exceptions of a name, with these builtin bases."""
    parents = [BASES[each] for each in bases if each in BASES and BASES[each] is not Exception]
    namespace = {
        "__module__": DriverError.__module__,
        "__doc__": "An exception of a driver's own.",
        "__reduce__": _reduce,
    }
    called = name if name.isidentifier() else DriverError.__name__
    for chosen in (parents, parents[:1], []):
        with suppress(TypeError):  # bases that don't go together, as only a forged list has them
            return type(called, (DriverError, *chosen), dict(namespace))
    return DriverError


def _reduce(error: DriverError) -> tuple[Any, ...]:
    kind = type(error)
    bases = tuple(base.__name__ for base in kind.__mro__ if BASES.get(base.__name__) is base)
    state = {**error.__dict__, "args": error.args}
    for base, names in BUILT_IN.items():
        if isinstance(error, base):
            found = {name: getattr(error, name, None) for name in names}
            state |= {name: value for name, value in found.items() if value is not None}
    state |= {name: getattr(error, name) for name in _CHAIN}
    return _rebuilt, (kind.__name__, bases, error.message), state


def _rebuilt(name: str, bases: tuple[str, ...], message: str) -> DriverError:
    return driver_error_class(name, bases)(message)


def _itself(kind: type[Exception], message: str, fields: Fields) -> Exception | None:
    """A builtin exception with what it had; None if its constructor doesn't take that."""
    if fields.args is None:
        return None
    try:
        error = rebuilt(kind, fields.args, fields.attributes)
    except Exception:  # noqa: BLE001  the arguments came over the wire
        return None
    if not isinstance(error, kind):
        return None
    if _text(error) != message:  # what stands for an argument has another text
        fields.altered.append(f"its text was {message[:_SHOWN]!r}")
    return error


def _text(error: Exception) -> str:
    try:
        return str(error).encode("utf-8", "backslashreplace").decode()
    except Exception:  # noqa: BLE001  a builtin with arguments of wrong types
        return ""


def _set_attributes(error: Exception, fields: Fields) -> None:
    for name, value in fields.attributes.items():
        if name.startswith("_") or (name in _OURS and isinstance(error, DriverError)):
            continue
        if callable(getattr(type(error), name, None)):
            fields.altered.append(f"attribute {name} is left out: it would hide that method")
            continue
        try:
            setattr(error, name, value)
        except (AttributeError, TypeError, ValueError, OverflowError) as second:
            fields.altered.append(f"attribute {name} is left out: {second}")


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _group(
    report: dict[str, Any], name: str, where: dict[str, Any], depth: int
) -> Exception | None:
    group = report.get("group")
    bodies = group.get("exceptions") if isinstance(group, dict) else None
    if not isinstance(group, dict) or not isinstance(bodies, list):
        return None
    members = [
        revive(body, where, [], depth + 1) if isinstance(body, dict) else None for body in bodies
    ]
    found = [member for member in members if member is not None]
    if not found:
        return None
    text = str(group.get("message") or "")
    if name not in ("ExceptionGroup", "BaseExceptionGroup"):
        text = f"{name}: {text}"
    error = ExceptionGroup(text, found)
    if group.get("left_out"):
        error.add_note(f"{group['left_out']} more of its exceptions were too many to send")
    return error


def _chain(error: Exception, report: dict[str, Any], where: dict[str, Any], depth: int) -> None:
    for key in ("context", "cause"):
        body = report.get(key)
        if isinstance(body, dict):
            nested = revive(body, where, [], depth + 1)
            if nested is not None:
                setattr(error, f"__{key}__", nested)
    error.__suppress_context__ = bool(report.get("suppress"))


def _texts(notes: Any) -> list[str]:
    return [str(note) for note in notes] if isinstance(notes, list) else []


def _without(message: str, name: str) -> str:
    """A text without the name that was put before it."""
    return message.removeprefix(name).removeprefix(": ")

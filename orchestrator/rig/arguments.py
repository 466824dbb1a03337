"""What a request was given, in words for the log: short, and without what is secret.

Nothing is made of its bytes but builtin values and records of fields: of an array it is only said
that it is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from orchestrator.access.value_limits import VALUE
from orchestrator.core.effects import Asked
from orchestrator.words import MASK, is_secret, without_secrets
from transports import serializers
from transports.errors import SerializationError
from transports.headers import Operation
from transports.references import Reference
from transports.serializers import XORCH
from transports.values import builtin, classes, times
from transports.values.kinds import Kind
from transports.values.reading import Reader

LONGEST_READ: Final = 16 * 1024
"""Bytes of a payload that is read."""
LONGEST_SHOWN: Final = 200
"""Characters of one value."""
MOST_SHOWN: Final = 20

_LARGE = {
    Kind.BYTES: "bytes",
    Kind.BYTEARRAY: "bytes",
    Kind.MEMORYVIEW: "bytes",
    Kind.NUMBERS: "numbers",
    Kind.ARRAY: "array",
    Kind.SCALAR: "number",
    Kind.MASKED: "array",
    Kind.STRINGS: "array",
}
_READERS = {**builtin.READERS, **times.READERS, **classes.READERS}


class _Untold:
    """Stands for a value of which only the kind is told."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __repr__(self) -> str:
        return f"<{self._kind}>"


class _Words(Reader):
    """Reads values, but only the kinds of those that are large or of a package."""

    def extension(self, kind: int, data: memoryview) -> Any:
        if kind in _LARGE or kind not in _READERS:
            return _Untold(_LARGE.get(kind, "object"))
        return super().extension(kind, data)


def in_words(asked: Asked, member: str, names: Sequence[str], hide: Callable[[str], str]) -> str:
    """What an operation was given, such as `5.0, speed=2.0`; empty for nothing.

    Args:
        asked: The operation.
        member: Of which member.
        names: The parameters of an action, in order, by which secrets among them are known.
        hide: Masks the secrets of the config.
    """
    size, beside = len(asked.payload), _size(asked.raw)
    if size > LONGEST_READ:
        return f"({size + beside:,} bytes, not read)"
    try:
        given = _decode(asked.payload, asked.content_type)
    except SerializationError:
        return f"({size + beside:,} bytes that can't be read)"
    if asked.operation == Operation.INVOKE:
        told = _arguments(given, asked.content_type == XORCH, names, is_secret(member), hide)
    elif given is None and asked.operation in (Operation.READ, Operation.READ_ALL):
        told = []
    else:
        told = [_shown(given, is_secret(member), hide)]
    if asked.content_type != XORCH and beside:
        told.insert(0, "<bytes>")
    text = ", ".join(told)
    return f"{text} ({beside:,} bytes beside)" if beside else text


def by_name(
    content_type: str | None, payload: Any, raw: Any, calls: bool, names: Sequence[str]
) -> dict[str, Any]:
    """What an operation was given, by name, for who judges it; see `core.access.Arguments`.

    Raises:
        ValueError: It can't be read for sure.
    """
    if len(payload) > LONGEST_READ:
        raise ValueError(f"it has more than {LONGEST_READ} bytes")
    if content_type != XORCH and _size(raw):
        raise ValueError("it comes as bytes")
    try:
        given = _decode(payload, content_type)
    except SerializationError as error:
        raise ValueError("it can't be read") from error
    if not calls:
        return {VALUE: given}
    args, kwargs = _split(given, content_type == XORCH)
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise ValueError("its arguments are none")
    if len(args) > len(names):
        raise ValueError("it has more arguments than there are names")
    found = dict(zip(names, args, strict=False))
    if twice := found.keys() & kwargs.keys():
        raise ValueError(f"{min(twice)} is given twice")
    return found | kwargs


def _size(raw: Any) -> int:
    """Bytes of a raw frame, also of one in shared memory."""
    return raw.size if type(raw) is Reference else len(raw)


def _decode(payload: Any, content_type: str | None) -> Any:
    if content_type != XORCH:
        return serializers.decode(bytes(payload), content_type)
    try:
        return _Words(_READERS, b"").decode(bytes(payload))
    except SerializationError:
        raise
    except Exception as error:  # constructors of all kinds refuse in their own ways
        raise SerializationError(str(error)) from error


def _arguments(
    given: Any, ours: bool, names: Sequence[str], secret: bool, hide: Callable[[str], str]
) -> list[str]:
    args, kwargs = _split(given, ours)
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        return [_shown(given, secret, hide)]
    told = [
        _shown(each, secret or (at < len(names) and is_secret(names[at])), hide)
        for at, each in enumerate(args[:MOST_SHOWN])
    ]
    if len(args) > MOST_SHOWN:
        told.append(f"({len(args) - MOST_SHOWN} more)")
    for name, each in kwargs.items():
        told.append(f"{_cut(str(name))}={_shown(each, secret or is_secret(str(name)), hide)}")
    return told


def _split(given: Any, ours: bool) -> tuple[Any, Any]:
    """Arguments by position and by keyword; whether they are a list and a mapping isn't sure."""
    if ours and type(given) is list and len(given) == 2:
        return given[0], given[1]
    if isinstance(given, dict):
        kwargs = dict(given)
        return kwargs.pop("__args__", []), kwargs
    return ([] if given is None else [given]), {}


def _shown(value: Any, secret: bool, hide: Callable[[str], str]) -> str:
    return MASK if secret else _cut(hide(repr(without_secrets(value))))


def _cut(text: str) -> str:
    if len(text) <= LONGEST_SHOWN:
        return text
    return f"{text[:LONGEST_SHOWN]}… ({len(text):,} characters)"

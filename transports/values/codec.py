"""`application/x-orch`: any value of the kinds in `docs/values.md`, as it is.

MessagePack, in which what JSON has no form for is an extension; the bytes of arrays stand aligned
in the raw frame, and are read there without a copy. Whatever can't travel is refused, and nothing
is altered beyond what the table of kinds says.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.msgpack import Ext

from transports.errors import SerializationError
from transports.serializers import Buffer
from transports.values import (
    arrays,
    builtin,
    classes,
    foreign,
    packages,
    streams,
    times,
)
from transports.values.kinds import Kind, NoForm, name_of
from transports.values.reading import Read, Reader
from transports.values.writing import PLAIN, Write, Writer, pack

XORCH = "application/x-orch"
"""The content type."""
NOTHING = b"\xc0"
"""None, in this content type."""

_WRITERS: dict[type, Write] = {
    **builtin.WRITERS,
    **times.WRITERS,
    **classes.WRITERS,
    **streams.WRITERS,
}
_READERS: dict[int, Read] = {
    **builtin.READERS,
    **times.READERS,
    **classes.READERS,
    **arrays.READERS,
    **packages.READERS,
    **streams.READERS,
}
_BASES: dict[type, Write] = {
    **{base: builtin.WRITERS.get(base, Writer.write) for base in builtin.BASES},
    **times.WRITERS,
}
_FINDERS = (packages.find, arrays.find, classes.find, foreign.find)
_TEXT = frozenset({str})


def encode(value: Any, *, objects: bool = True) -> tuple[Buffer, Buffer]:
    """Encode a value as payload and raw frame.

    Args:
        value: Of any kind in `docs/values.md`.
        objects: Whether an object of any class becomes a record of its public fields.

    Raises:
        NoForm: It can't travel, or holds something that can't; its text says what and where.
    """
    try:
        payload = _encode_plain(value)
        if payload is not None:
            return payload, b""
        try:
            return _encode(value, objects)
        except (OverflowError, UnicodeEncodeError):
            return _encode(value, objects, careful=True)
    except (RecursionError, UnicodeEncodeError, MemoryError) as error:
        raise NoForm(f"it can't be encoded: {type(error).__name__}: {error}") from error


def _encode_plain(value: Any) -> bytes | None:
    """The payload of what most results are, of plain values alone; None of anything else."""
    kind = type(value)
    try:
        if kind in PLAIN:
            return pack(value)
        if kind is list and PLAIN.issuperset(map(type, value)):
            return pack(value)
        if kind is tuple and PLAIN.issuperset(map(type, value)):
            return pack(Ext(Kind.TUPLE, pack(value)))
        if kind is dict and _TEXT.issuperset(map(type, value)):
            return pack(value) if PLAIN.issuperset(map(type, value.values())) else None
    except (OverflowError, UnicodeEncodeError):
        return None  # to be looked at with care
    return None


def _encode(value: Any, objects: bool, careful: bool = False) -> tuple[Buffer, Buffer]:
    writer = Writer(_WRITERS, _find, objects=objects, careful=careful)
    payload = pack(writer.write(value))
    return payload, writer.raw()


def _find(kind: type) -> Write | None:
    """The function for a type that isn't in the table: a subclass, or of a package."""
    for find in _FINDERS:
        write = find(kind)
        if write is not None:
            if find is arrays.find and kind.__module__ == "numpy":
                _WRITERS[kind] = write  # found at once from now on; its types stay for ever
            return write
    for base, known in _BASES.items():
        if issubclass(kind, base):
            return _as_base(base, known)
    return classes.write_object


def _as_base(base: type, write: Write) -> Write:
    """What arrives as a value of the type that its class is derived from, and equals it."""

    def write_plain(writer: Writer, value: Any) -> Any:
        if classes.stored_fields(value):
            raise NoForm(
                f"a {name_of(type(value))} has attributes beside its {base.__name__}, which would "
                "be lost; send them apart"
            )
        plain = builtin.BASES.get(base)
        return write(writer, value) if plain is None else writer.write(plain(value))

    return write_plain


def encode_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Buffer, Buffer]:
    """Encode an action's arguments: a list of the positional ones and a mapping of the others.

    Raises:
        NoForm: One of them can't travel; its text says which.
    """
    if not args and not kwargs:
        return NOTHING, b""
    if PLAIN.issuperset(map(type, args)) and PLAIN.issuperset(map(type, kwargs.values())):
        try:
            return pack((args, kwargs)), b""
        except (OverflowError, UnicodeEncodeError):
            pass  # looked at with care below
    return encode([list(args), kwargs], objects=False)


def argument_told(refusal: NoForm) -> str:
    """The sentence about an argument that `encode_arguments` refused."""
    if len(refusal.steps) < 2:
        return refusal.told("arguments")
    place, argument, *rest = refusal.steps
    inner = NoForm(refusal.reason)
    inner.steps = rest
    name = argument.strip("[]'")
    return inner.told(f"argument {int(name) + 1}" if place == "[0]" else f"argument {name}")


_reader = Reader(_READERS, b"")


def decode(payload: Buffer, raw: Buffer = b"") -> Any:
    """Decode a value; its arrays have their memory in the raw frame and are writable if that is.

    Raises:
        SerializationError: The bytes aren't of this content type, or hold what can't be had here;
            its text says what to install.
    """
    try:
        reader = Reader(_READERS, raw) if len(raw) else _reader
        return reader.decode(payload)
    except SerializationError:
        raise
    except msgspec.DecodeError as error:
        raise SerializationError(f"the payload isn't valid {XORCH}: {error}") from error
    except Exception as error:  # the constructors of all kinds refuse in their own ways
        text = f"the payload isn't valid {XORCH}: {type(error).__name__}: {error}"
        raise SerializationError(text) from error

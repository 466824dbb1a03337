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
from transports.serializers import XORCH, Buffer
from transports.values.kinds import Kind, NoForm
from transports.values.reading import Reader
from transports.values.writing import PLAIN, Room, Writer, pack

NOTHING = b"\xc0"
"""None, in this content type."""

_TEXT = frozenset({str})


def encode(
    value: Any,
    *,
    objects: bool = True,
    largest: int | None = None,
    room: Room | None = None,
) -> tuple[Buffer, Buffer]:
    """Encode a value as payload and raw frame.

    Args:
        value: Of any kind in `docs/values.md`.
        objects: Whether an object of any class becomes a record of its public fields.
        largest: Bytes that the raw frame may have; a message's by default.
        room: Gives memory for a raw frame of so many bytes, or None for memory of its own.

    Raises:
        NoForm: It can't travel, or holds something that can't; its text says what and where.
    """
    try:
        payload = _encode_plain(value)
        if payload is not None:
            return payload, b""
        try:
            return _encode(value, objects, largest, room)
        except (OverflowError, UnicodeEncodeError):
            return _encode(value, objects, largest, room, careful=True)
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


def _encode(
    value: Any, objects: bool, largest: int | None, room: Room | None, careful: bool = False
) -> tuple[Buffer, Buffer]:
    from transports.values import tables

    writer = Writer(tables.WRITERS, tables.find_writer, objects=objects, careful=careful)
    if largest is not None:
        writer.largest = largest
    if room is not None:
        writer.room = room
    payload = pack(writer.write(value))
    return payload, writer.raw()


def encode_plain_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes | None:
    """As `encode_arguments`, for the payload of plain values; None if there are others."""
    if not args and not kwargs:
        return NOTHING
    if PLAIN.issuperset(map(type, args)) and PLAIN.issuperset(map(type, kwargs.values())):
        try:
            return pack((args, kwargs))
        except (OverflowError, UnicodeEncodeError):
            return None  # to be looked at with care
    return None


def encode_arguments(
    args: tuple[Any, ...], kwargs: dict[str, Any], room: Room | None = None
) -> tuple[Buffer, Buffer]:
    """Encode an action's arguments: a list of the positional ones and a mapping of the others.

    Args:
        args, kwargs: The arguments.
        room: As for `encode`.

    Raises:
        NoForm: One of them can't travel; its text says which.
    """
    payload = encode_plain_arguments(args, kwargs)
    if payload is not None:
        return payload, b""
    return encode([list(args), kwargs], objects=False, room=room)


def argument_told(refusal: NoForm) -> str:
    """The sentence about an argument that `encode_arguments` refused."""
    if len(refusal.steps) < 2:
        return refusal.told("arguments")
    place, argument, *rest = refusal.steps
    inner = NoForm(refusal.reason)
    inner.steps = rest
    name = argument.strip("[]'")
    return inner.told(f"argument {int(name) + 1}" if place == "[0]" else f"argument {name}")


def _extension(kind: int, data: memoryview) -> Any:
    from transports.values import tables

    return tables.READER.extension(kind, data)


_decode = msgspec.msgpack.Decoder(ext_hook=_extension).decode


def _decode_with(payload: Buffer, raw: Buffer) -> Any:
    from transports.values import tables

    return Reader(tables.READERS, raw).decode(payload)


def decode(payload: Buffer, raw: Buffer = b"") -> Any:
    """Decode a value; its arrays have their memory in the raw frame and are writable if that is.

    Raises:
        SerializationError: The bytes aren't of this content type, or hold what can't be had here;
            its text says what to install.
    """
    try:
        return _decode_with(payload, raw) if len(raw) else _decode(payload)
    except SerializationError:
        raise
    except msgspec.DecodeError as error:
        raise SerializationError(f"the payload isn't valid {XORCH}: {error}") from error
    except Exception as error:  # the constructors of all kinds refuse in their own ways
        text = f"the payload isn't valid {XORCH}: {type(error).__name__}: {error}"
        raise SerializationError(text) from error

"""Containers, numbers, texts and bytes of the language itself."""

from __future__ import annotations

import array
import struct
import sys
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque
from collections.abc import Callable
from types import MappingProxyType, SimpleNamespace
from typing import Any

import msgspec
from msgspec.msgpack import Ext

from transports.errors import SerializationError
from transports.serializers import Buffer, SerializableData
from transports.values.kinds import Kind, NoForm
from transports.values.reading import Read, Reader
from transports.values.writing import INLINE, Write, Writer, pack

_LEAST, _MOST = -(2**63), 2**64 - 1
"""What MessagePack has of integers."""
_COMPLEX = struct.Struct("<dd")
_SWAPPED = {"little": "big", "big": "little"}


def _list(writer: Writer, value: list[Any]) -> Any:
    return writer.items(value, value)


def _dict(writer: Writer, value: dict[Any, Any]) -> Any:
    return writer.mapping(value, value)


def _items_as(kind: int) -> Write:
    return lambda writer, value: Ext(kind, pack(writer.items(value, value)))


def _mapping_as(flavour: str) -> Write:
    return lambda writer, value: writer.mapping(value, value, flavour)


def _as(kind: Callable[[Any], Any]) -> Write:
    """What arrives as a value of another type that is equal to it."""
    return lambda writer, value: writer.write(kind(value))


def _deque(writer: Writer, value: deque[Any]) -> Ext:
    return writer.extension(Kind.DEQUE, [writer.items(value, value), value.maxlen])


def _view_items(writer: Writer, value: Any) -> Any:
    held = list(value)
    return writer.items(held, held)


def _namespace(writer: Writer, value: SimpleNamespace) -> Ext:
    return writer.extension(Kind.NAMESPACE, writer.texts(value, vars(value), ".{}"))


def _int(writer: Writer, value: int) -> Any:
    if _LEAST <= value <= _MOST:
        return value
    return Ext(Kind.BIG_INT, value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))


def _text(writer: Writer, value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:
        return Ext(Kind.TEXT, value.encode("utf-8", "surrogatepass"))
    return value


def _complex(writer: Writer, value: complex) -> Ext:
    return Ext(Kind.COMPLEX, _COMPLEX.pack(value.real, value.imag))


def content(writer: Writer, data: Buffer) -> Any:
    """Bytes as a field of an extension: themselves, or their place in the raw frame."""
    if len(data) <= INLINE:
        return bytes(data)
    return [writer.store(data, len(data)), len(data)]


def read_content(reader: Reader, field: Any) -> Buffer:
    """What `content` wrote.

    Raises:
        SerializationError: It is something else.
    """
    if type(field) is bytes:
        return field
    if type(field) is not list or len(field) != 2:
        raise SerializationError("bytes are in the payload, or at a place in the raw frame")
    return reader.copy(field[0], field[1])


def _bytes(writer: Writer, value: bytes) -> Any:
    if len(value) <= INLINE:
        return value
    return writer.extension(Kind.BYTES, content(writer, value))


def _bytearray(writer: Writer, value: bytearray) -> Ext:
    return writer.extension(Kind.BYTEARRAY, content(writer, value))


def _memoryview(writer: Writer, value: memoryview) -> Ext:
    if len(value.format) != 1 or value.format not in "bBhHiIlLqQfd?c":
        raise NoForm(
            f"a memoryview of format {value.format!r} has no form; send an array of it: "
            "numpy.asarray(view)"
        )
    if value.shape is None or 0 in value.shape:
        return writer.extension(Kind.MEMORYVIEW, [value.format, None, sys.byteorder, b""])
    data = memoryview(value.tobytes())
    return writer.extension(
        Kind.MEMORYVIEW, [value.format, list(value.shape), sys.byteorder, content(writer, data)]
    )


def _numbers(writer: Writer, value: array.array[Any]) -> Ext:
    if value.typecode == "u":
        return writer.extension(
            Kind.NUMBERS, ["u", 0, sys.byteorder, writer.write(value.tounicode())]
        )
    data = memoryview(value.tobytes())
    return writer.extension(
        Kind.NUMBERS, [value.typecode, value.itemsize, sys.byteorder, content(writer, data)]
    )


def _range(writer: Writer, value: range) -> Ext:
    fields = [writer.write(each) for each in (value.start, value.stop, value.step)]
    return writer.extension(Kind.RANGE, fields)


def _slice(writer: Writer, value: slice) -> Ext:
    fields = (value.start, value.stop, value.step)
    return writer.extension(Kind.SLICE, writer.items(value, fields))


def _ellipsis(writer: Writer, value: Any) -> Ext:
    return Ext(Kind.ELLIPSIS, b"")


def _json(writer: Writer, value: msgspec.Raw) -> Any:
    """What a hololinked Thing's serializer wrote."""
    return writer.write(msgspec.json.decode(value))


def _serialized(writer: Writer, value: SerializableData) -> Any:
    try:
        return writer.write(value.deserialize())
    except SerializationError as error:
        raise NoForm(str(error)) from error


WRITERS: dict[type, Write] = {
    int: _int,
    str: _text,
    list: _list,
    dict: _dict,
    tuple: _items_as(Kind.TUPLE),
    set: _items_as(Kind.SET),
    frozenset: _items_as(Kind.FROZENSET),
    deque: _deque,
    OrderedDict: _mapping_as("ordered"),
    Counter: _mapping_as("counter"),
    defaultdict: _as(dict),
    ChainMap: _as(dict),
    UserDict: _as(dict),
    MappingProxyType: _as(dict),
    SimpleNamespace: _namespace,
    type({}.keys()): _view_items,
    type({}.values()): _view_items,
    type({}.items()): _view_items,
    complex: _complex,
    bytes: _bytes,
    bytearray: _bytearray,
    memoryview: _memoryview,
    array.array: _numbers,
    range: _range,
    slice: _slice,
    type(...): _ellipsis,
    msgspec.Raw: _json,
    SerializableData: _serialized,
}

BASES: dict[type, Callable[[Any], Any]] = {
    dict: lambda value: dict(dict.items(value)),
    list: lambda value: list(list.__iter__(value)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    str: str.__str__,
    bytes: lambda value: bytes(memoryview(value)),
    bytearray: lambda value: bytearray(memoryview(value)),
    int: int.__int__,
    float: float.__float__,
    complex: lambda value: complex(value.real, value.imag),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    set: lambda value: set(set.__iter__(value)),
}
"""Types of which a subclass arrives as its base, and how to have the base's value of it."""


# -- reading --------------------------------------------------------------------------------------


def items_of(reader: Reader, data: memoryview) -> list[Any]:
    """The content of an extension that is a list of any length.

    Raises:
        SerializationError: It is something else.
    """
    values = reader.decode(data)
    if type(values) is not list:
        raise SerializationError(f"an extension has a {type(values).__name__} for its items")
    return values


def _read_deque(reader: Reader, data: memoryview) -> deque[Any]:
    items, most = reader.fields(data, 2)
    return deque(items, most)


def _read_mapping(reader: Reader, data: memoryview) -> Any:
    flavour, *flat = items_of(reader, data)
    kind: Any = {"dict": dict, "ordered": OrderedDict, "counter": Counter}[flavour]
    pairs = dict(zip(flat[::2], flat[1::2], strict=True))
    return pairs if kind is dict else kind(pairs)


def _read_memoryview(reader: Reader, data: memoryview) -> memoryview:
    kind, shape, order, field = reader.fields(data, 4)
    octets = memoryview(read_content(reader, field))
    if shape is None:
        return memoryview(b"").cast("B").cast(kind)
    if order != sys.byteorder and octets:
        numbers = octets.cast(kind)
        octets = memoryview(_swapped(octets, numbers.itemsize))
    if octets.format != "B" or octets.ndim != 1:
        octets = octets.cast("B")
    return octets.cast(kind, shape) if len(shape) != 1 else octets.cast(kind)


def _swapped(data: Buffer, size: int) -> bytes:
    octets = bytes(data)
    return b"".join(octets[at : at + size][::-1] for at in range(0, len(octets), size))


def _read_numbers(reader: Reader, data: memoryview) -> array.array[Any]:
    code, size, order, field = reader.fields(data, 4)
    if code == "u":
        return array.array("u", field)
    numbers: array.array[Any] = array.array(code)
    if numbers.itemsize != size:
        raise SerializationError(f"an array.array({code!r}) has other numbers here than there")
    numbers.frombytes(read_content(reader, field))
    if order != sys.byteorder:
        numbers.byteswap()
    return numbers


def _read_namespace(reader: Reader, data: memoryview) -> SimpleNamespace:
    return SimpleNamespace(**reader.decode(data))


READERS: dict[int, Read] = {
    Kind.TUPLE: lambda reader, data: tuple(items_of(reader, data)),
    Kind.SET: lambda reader, data: set(items_of(reader, data)),
    Kind.FROZENSET: lambda reader, data: frozenset(items_of(reader, data)),
    Kind.DEQUE: _read_deque,
    Kind.MAPPING: _read_mapping,
    Kind.NAMESPACE: _read_namespace,
    Kind.BIG_INT: lambda reader, data: int.from_bytes(data, "little", signed=True),
    Kind.COMPLEX: lambda reader, data: complex(*_COMPLEX.unpack(data)),
    Kind.TEXT: lambda reader, data: bytes(data).decode("utf-8", "surrogatepass"),
    Kind.BYTES: lambda reader, data: bytes(read_content(reader, reader.decode(data))),
    Kind.BYTEARRAY: lambda reader, data: bytearray(read_content(reader, reader.decode(data))),
    Kind.MEMORYVIEW: _read_memoryview,
    Kind.NUMBERS: _read_numbers,
    Kind.RANGE: lambda reader, data: range(*reader.fields(data, 3)),
    Kind.SLICE: lambda reader, data: slice(*reader.fields(data, 3)),
    Kind.ELLIPSIS: lambda reader, data: ...,
}

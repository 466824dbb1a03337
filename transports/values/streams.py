"""A stream on its way: the worker has a generator, and gives its items one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec.msgpack import Ext

from transports.values.kinds import Kind
from transports.values.reading import Read, Reader
from transports.values.writing import Write, Writer, pack


@dataclass(frozen=True)
class Opened:
    """What a generator travels as.

    Attributes:
        number: By it the worker knows the stream.
        beside: Whether its items are had beside what is queued.
    """

    number: int
    beside: bool


def _write(writer: Writer, value: Opened) -> Any:
    return Ext(Kind.STREAM, pack([value.number, value.beside]))


def _read(reader: Reader, data: memoryview) -> Opened:
    number, beside = reader.fields(data, 2)
    return Opened(int(number), bool(beside))


WRITERS: dict[type, Write] = {Opened: _write}
READERS: dict[int, Read] = {Kind.STREAM: _read}

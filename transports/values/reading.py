"""From MessagePack with extension types, and the raw frame, to a value.

The bytes may be anybody's: nothing is imported or called that they name, sizes are checked
before anything is made of them, and what can't be read is a `SerializationError`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from transports.errors import SerializationError
from transports.serializers import Buffer

Read = Callable[["Reader", memoryview], Any]


class Reader:
    """Reads one message's value, or any number of values that have nothing in the raw frame.

    Args:
        readers: The function for each kind of extension.
        raw: The raw frame.

    Attributes:
        raw: The raw frame.
    """

    def __init__(self, readers: dict[int, Read], raw: Buffer) -> None:
        self.raw = memoryview(raw)
        self._original = raw
        self._readers = readers
        self._copied = 0

    def decode(self, payload: Buffer) -> Any:
        """The value of MessagePack bytes. Raises as msgspec does, and SerializationError."""
        # No decoder is kept: with its hook it would be a cycle, that holds a large frame too long.
        return msgspec.msgpack.decode(payload, ext_hook=self.extension)

    def extension(self, kind: int, data: memoryview) -> Any:
        """The value of an extension.

        Raises:
            SerializationError: It can't be read.
        """
        read = self._readers.get(kind)
        if read is None:
            raise SerializationError(f"extension type {kind} is not known; is this side older?")
        return read(self, data)

    def fields(self, data: memoryview, count: int) -> list[Any]:
        """The content of an extension that is a list of so many values.

        Raises:
            SerializationError: It is something else.
        """
        values = self.decode(data)
        if type(values) is not list or len(values) != count:
            raise SerializationError(f"an extension has other than its {count} fields")
        return values

    def piece(self, offset: object, size: object) -> memoryview:
        """A part of the raw frame.

        Raises:
            SerializationError: It isn't all there.
        """
        if type(offset) is not int or type(size) is not int or offset < 0 or size < 0:
            raise SerializationError("a place in the raw frame is two numbers")
        if offset + size > len(self.raw):
            raise SerializationError(
                f"the raw frame has {len(self.raw)} bytes, a value ends at {offset + size}"
            )
        return self.raw[offset : offset + size]

    def copy(self, offset: object, size: object) -> Buffer:
        """A part of the raw frame that is about to be copied; all of it at most once.

        Raises:
            SerializationError: It isn't all there, or has been copied before.
        """
        piece = self.piece(offset, size)
        self._copied += len(piece)
        if self._copied > len(self.raw):
            raise SerializationError("several values claim the same bytes of the raw frame")
        whole = self._original
        return whole if type(whole) is bytes and len(piece) == len(whole) else piece

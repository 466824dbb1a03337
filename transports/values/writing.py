"""From a value to what MessagePack has, extension types and bytes for the raw frame.

msgspec would take more types than those by itself, and give them back as others: a tuple as a
list, a date as text. So each value is looked at first, and only those pass that are of exactly a
type which MessagePack keeps. What isn't is written by the function that `writers` has for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.msgpack import Ext

from transports.serializers import LARGEST, Buffer
from transports.values.kinds import Kind, NoForm, name_of

if TYPE_CHECKING:
    import numpy as np

DEPTH = 64
"""How deep values may be nested in each other."""
ALIGNMENT = 64
"""Each piece of the raw frame begins at a multiple of so many bytes."""
INLINE = 4096
"""Bytes up to which bytes stand in the payload."""

pack = msgspec.msgpack.Encoder().encode
PLAIN = frozenset({type(None), bool, int, float, str})
"""Types whose values MessagePack keeps, if ints and texts are of its size and alphabet."""
_CAREFUL = frozenset({type(None), bool, float})

Write = Callable[["Writer", Any], Any]
Find = Callable[[type], "Write | None"]
Room = Callable[[int], "memoryview | None"]
Piece = tuple[int, "bytes | bytearray | memoryview | np.ndarray[Any, Any]", str]
"""Offset, what stands there, and its order in memory: `C` or `F`."""


class Writer:
    """Writes one value.

    Args:
        writers: The function for each exact type.
        find: Gives the function for any other type; None if it has no form.
        objects: Whether an object of any class becomes a record of its public fields.
        careful: Whether each int and text is looked at, because one doesn't fit MessagePack.

    Attributes:
        objects: The same.
        depth: How deep the value at hand is.
        records: How many records of objects it is in.
        pieces: What goes to the raw frame.
        size: Bytes of the raw frame so far.
        largest: Bytes that it may have.
        room: Gives memory for a raw frame of so many bytes, or None for memory of its own.
    """

    __slots__ = (
        *("_find", "_holders", "_keys", "_plain", "_writers", "_written"),
        *("depth", "largest", "objects", "pieces", "records", "room", "size"),
    )

    def __init__(
        self, writers: dict[type, Write], find: Find, *, objects: bool, careful: bool = False
    ) -> None:
        self.objects = objects
        self.depth = 0
        self.records = 0
        self._written = 0
        self.pieces: list[Piece] = []
        self.size = 0
        self.largest = LARGEST
        self.room: Room = _no_room
        self._holders: list[Any] = []
        self._writers = writers
        self._find = find
        self._plain = _CAREFUL if careful else PLAIN
        self._keys = frozenset() if careful else frozenset({str})

    def write(self, value: Any) -> Any:
        """The value in terms of what msgspec encodes.

        Raises:
            NoForm: It can't travel.
        """
        kind = type(value)
        if kind in self._plain:
            return value
        write = self._writers.get(kind) or self._find(kind)
        if write is None:
            raise NoForm(f"a value of type {name_of(kind)} has no form")
        return write(self, value)

    def extension(self, kind: int, value: Any) -> Ext:
        """An extension whose content is a value that was written already."""
        return Ext(kind, pack(value))

    def count_record(self, most: int) -> None:
        """Take note of a further record of an object.

        Raises:
            NoForm: There are too many.
        """
        self._written += 1
        if self._written > most:
            raise NoForm(f"it is one of more than {most} objects; send arrays, or fewer")

    def enter(self, holder: Any, *, is_record: bool = False) -> None:
        """Go one level deeper, into a value that holds others.

        Raises:
            NoForm: That is too deep, or it holds itself.
        """
        if self.depth >= DEPTH:
            if any(each is holder for each in self._holders):
                raise NoForm(f"this {name_of(type(holder))} holds itself, which has no end")
            raise NoForm(f"it is nested deeper than {DEPTH} levels")
        self.depth += 1
        self.records += is_record
        self._holders.append(holder)

    def leave(self, *, is_record: bool = False) -> None:
        """Come back from a value that holds others."""
        self.depth -= 1
        self.records -= is_record
        self._holders.pop()

    def holds(self, value: object) -> bool:
        """Whether a value is one of those that hold the one at hand."""
        return any(each is value for each in self._holders)

    def attempt(self, value: Any) -> Any:
        """Write a value that may be left out: where it has no form nothing of it remains.

        Raises:
            NoForm: It can't travel.
        """
        depth, records, pieces, size = self.depth, self.records, len(self.pieces), self.size
        try:
            return self.write(value)
        except NoForm:
            self.depth, self.records, self.size = depth, records, size
            del self.pieces[pieces:], self._holders[depth:]
            raise

    def items(self, holder: Any, values: Iterable[Any]) -> Any:
        """The items of a sequence or set, written; `holder` is what they are in."""
        held = holder if isinstance(holder, (list, tuple)) else list(values)
        if self._plain.issuperset(map(type, held)):
            return held
        self.enter(holder)
        written: list[Any] = []
        try:
            for value in held:
                written.append(self.write(value))  # noqa: PERF401  its length tells the place
        except NoForm as refusal:
            raise refusal.within(f"[{len(written)}]")  # noqa: B904  the same one
        self.leave()
        return written

    def texts(self, holder: Any, named: Mapping[str, Any], step: str = "[{!r}]") -> Any:
        """A mapping whose keys are text, with its values written."""
        if self._plain.issuperset(map(type, named.values())):
            return named if type(named) is dict else dict(named)
        self.enter(holder)
        written: dict[str, Any] = {}
        name = ""
        try:
            for name, value in named.items():
                written[name] = self.write(value)
        except NoForm as refusal:
            raise refusal.within(step.format(name))  # noqa: B904
        self.leave()
        return written

    def mapping(self, holder: Any, pairs: Mapping[Any, Any], flavour: str = "dict") -> Any:
        """A mapping of any keys; a plain dict of texts is MessagePack's own."""
        if flavour == "dict" and self._keys.issuperset(map(type, pairs)):
            return self.texts(holder, pairs)
        self.enter(holder)
        flat: list[Any] = [flavour]
        key: Any = None
        try:
            for key, value in pairs.items():
                flat.append(self._key(key))
                flat.append(self.write(value))
        except NoForm as refusal:
            raise refusal.within(f"[{_shown(key)}]")  # noqa: B904
        self.leave()
        return self.extension(Kind.MAPPING, flat)

    def _key(self, key: Any) -> Any:
        try:
            return self.write(key)
        except NoForm as refusal:
            refusal.steps.clear()
            raise NoForm(f"this key can't travel: {refusal.reason}") from None

    def store(self, data: Any, size: int, order: str = "C") -> int:
        """Put something into the raw frame.

        Returns:
            Where it begins.

        Raises:
            NoForm: The message is too large with it.
        """
        offset = -(-self.size // ALIGNMENT) * ALIGNMENT
        if offset + size > self.largest:
            raise NoForm(
                f"{offset + size} bytes are too many for a message or an error, which has at most "
                f"{self.largest} of them"
            )
        self.size = offset + size
        self.pieces.append((offset, data, order))
        return offset

    def raw(self) -> Buffer:
        """The raw frame: each piece copied once; bytes that are alone only into given room."""
        pieces = self.pieces
        if not pieces:
            return b""
        memory: Any = self.room(self.size)
        numpy = sys.modules.get("numpy")
        if memory is not None:
            self._clear(memory)
        elif len(pieces) == 1 and type(pieces[0][1]) is bytes:
            return pieces[0][1]
        elif numpy is None or not hasattr(numpy, "zeros"):
            memory = bytearray(self.size)
        else:
            memory = memoryview(numpy.zeros(self.size, numpy.uint8))  # the system's own zeros
        for offset, data, order in pieces:
            if isinstance(data, Buffer):
                memory[offset : offset + len(data)] = data
            else:
                assert numpy is not None
                target = numpy.ndarray(data.shape, data.dtype, memory, offset, order=order)
                numpy.copyto(target, data, casting="no")
        return memory  # type: ignore[no-any-return]

    def _clear(self, memory: memoryview) -> None:
        """Clear what no piece covers, or only with holes: an earlier frame is there."""
        end = 0
        for offset, data, _ in self.pieces:
            memory[end:offset] = bytes(offset - end)
            if isinstance(data, Buffer):
                end = offset + len(data)
            else:
                end = offset + data.nbytes
                if data.dtype.names is not None:
                    sys.modules["numpy"].frombuffer(memory[offset:end], "u1").fill(0)


def _no_room(size: int) -> memoryview | None:
    return None


def _shown(key: Any) -> str:
    try:
        return f"{key!r:.80}"
    except Exception:  # noqa: BLE001  a key's own method may raise anything
        return f"a key of type {type(key).__name__}"

"""The side that fills slots: makes them, offers them to the rig, and takes the free ones.

Nobody waits for a slot: while there is none, frames go inline.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import weakref
from collections import deque
from collections.abc import Callable
from mmap import mmap
from time import monotonic

from transports.errors import ProtocolError
from transports.references import MOST_SLOTS, Reference
from transports.serializers import Buffer
from transports.shm import packets
from transports.shm.children import close_in_children
from transports.shm.memory import PAGE, THRESHOLD, capacity_for, make, set_generation

PAUSE = 1.0
"""Seconds before a slot is offered again when the rig has refused one, or isn't there."""
ROOMY = 2
"""A frame takes no slot that is more than so many times as large."""
UNUSED = 30.0
"""Seconds for which a slot is kept that nothing is written to."""

Room = Callable[[int], "memoryview | None"]
"""Gives memory for a frame of so many bytes, or None if it is to go inline."""


class _Slot:
    __slots__ = ("capacity", "generation", "memory", "number", "used")

    def __init__(self, capacity: int, memory: mmap) -> None:
        self.capacity = capacity
        self.memory = memory
        self.number = 0
        self.generation = 0
        self.used = monotonic()  # when it was last taken, or offered


class Filling:
    """A slot that a frame is written to. It is free again if this is dropped before it is sent.

    Attributes:
        memory: The frame's place, to be written.
        reference: What is sent in its place.
    """

    def __init__(self, owner: Owner, slot: _Slot, size: int) -> None:
        self._owner = owner
        self._slot = slot
        self.memory = memoryview(slot.memory)[PAGE : PAGE + size]
        self.reference = Reference(slot.number, slot.generation + 1, size)
        self.unsent()

    @property
    def is_known(self) -> bool:
        """Whether the rig still knows the slot; else the frame has to go inline."""
        return self._owner.knows(self._slot)

    def sent(self) -> None:
        """It is about to be sent: only the rig can free it from here on."""
        self._slot.generation = self.reference.generation
        self._dropped.detach()

    def unsent(self) -> None:
        """It wasn't sent after all."""
        self._slot.generation = self.reference.generation - 1
        self._dropped = weakref.finalize(self, self._owner.put_back, self._slot)
        self._dropped.atexit = False


class Owner:
    """The slots of one worker, or client; any of its threads may take some.

    Args:
        path: The rig's socket for slots; empty if there is none.
        name: The token of the worker's life, or who the client is.

    Attributes:
        due: When `give_up_unused` has something to do, in monotonic seconds.
    """

    def __init__(self, path: str, name: bytes) -> None:
        self._path = path
        self._name = name
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._slots: dict[int, _Slot] = {}
        self._free: list[_Slot] = []  # the last one was used last
        self._dropped: deque[_Slot] = deque()  # filled, but not sent
        self._offered: dict[int, _Slot] = {}
        self._key = 0
        self._not_before = 0.0
        self.due = math.inf

    def take(self, size: int) -> Filling | None:
        """A slot for a frame of so many bytes; None if the frame has to go inline."""
        if size < THRESHOLD or not self._path or self._process != os.getpid():
            return None
        with self._lock:
            try:
                self._read()
                if (slot := self._fitting(size)) is None:
                    self._offer(size)
                    return None
            except (OSError, EOFError, ProtocolError):
                # the rig is ending, or gives no descriptors: what it knows of stays as it is
                self._forget()
                return None
            self._free.remove(slot)
            slot.used = monotonic()
        set_generation(slot.memory, slot.generation + 1)
        return Filling(self, slot, size)

    def write(
        self,
        encode: Callable[[Room], tuple[Buffer, Buffer]],
        take: Callable[[int], Filling | None],
    ) -> tuple[Buffer, Buffer | Filling]:
        """Have a value encoded: its payload, and its raw frame or the slot in which that is.

        Args:
            encode: Encodes it, given room for the raw frame.
            take: `take`, or what calls that.

        Raises:
            Exception: What `encode` raises.
        """
        taken: list[Filling] = []

        def room(size: int) -> memoryview | None:
            filling = take(size)
            if filling is None:
                return None
            taken.append(filling)
            return filling.memory

        payload, raw = encode(room)
        return payload, taken.pop() if taken else raw

    def knows(self, slot: _Slot) -> bool:
        """Whether the rig still knows a slot."""
        with self._lock:
            try:
                self._read()
            except (OSError, EOFError, ProtocolError):
                self._forget()
            return self._slots.get(slot.number) is slot

    def put_back(self, slot: _Slot) -> None:
        """A slot wasn't sent after all; this may be called in the midst of anything."""
        self._dropped.append(slot)

    def give_up_unused(self) -> None:
        """Give the memory of slots back to which nothing was written for long, when that is due."""
        if self.due == math.inf or (now := monotonic()) < self.due:
            return
        with self._lock:
            try:
                self._read()
                for slot in [each for each in self._free if each.used <= now - UNUSED]:
                    self._withdraw(slot)
            except (OSError, EOFError, ProtocolError):
                self._forget()
            is_any = bool(self._slots or self._offered)
            used = [slot.used for slot in self._free] or [now] * is_any
            self.due = min(used, default=math.inf) + UNUSED

    def close(self) -> None:
        """Leave; frames that were sent stay with those who hold them."""
        with self._lock:
            self._path = ""
            self._forget()

    def _forget(self) -> None:
        """Begin anew, in a while: nobody knows of these slots any more."""
        self._not_before = monotonic() + PAUSE
        self._free.clear()
        self._slots.clear()
        self._offered.clear()
        if self._connection is not None:
            self._leaves()
            self._connection = None

    def _fitting(self, size: int) -> _Slot | None:
        # of several the one that was used last: the processor may still have its memory at hand
        latest = reversed(self._free)
        fitting = (each for each in latest if size <= each.capacity <= size * ROOMY)
        return min(fitting, key=lambda slot: slot.capacity, default=None)

    # -- what is said to the rig --------------------------------------------------------------

    def _offer(self, size: int) -> None:
        """Make a slot for the next frame of such a size, in place of one if there are many."""
        now = monotonic()
        if now < self._not_before or self._offered:
            return
        if self._connection is None:
            self._connection = packets.connect(self._path)
            close_in_children(self._connection)
            self._leaves = weakref.finalize(self, self._connection.close)
            self._leaves.atexit = False
            packets.send(self._connection, packets.Join(self._name))
        if len(self._slots) >= MOST_SLOTS:
            if not self._free:
                return
            self._withdraw(self._free[0])
        capacity = capacity_for(size)
        fd, memory = make(capacity)
        try:
            self._key += 1
            packets.send(self._connection, packets.Offer(self._key, capacity), fd)
        finally:
            os.close(fd)
        self._offered[self._key] = slot = _Slot(capacity, memory)
        self.due = min(self.due, slot.used + UNUSED)  # also if no frame ever follows

    def _withdraw(self, slot: _Slot) -> None:
        """Give up a slot that is free."""
        self._free.remove(slot)
        del self._slots[slot.number]
        assert self._connection is not None
        packets.send(self._connection, packets.Withdraw(slot.number))

    def _read(self) -> None:
        """Take note of what the rig has said, and of what wasn't sent."""
        while self._dropped:
            slot = self._dropped.popleft()
            if self._slots.get(slot.number) is slot:
                self._free.append(slot)
        while self._connection is not None:
            try:
                packet, _ = packets.receive_from_rig(self._connection)
            except BlockingIOError:
                return
            if isinstance(packet, packets.Adopted):
                slot = self._offered.pop(packet.key)
                if packet.slot:
                    slot.number = packet.slot
                    self._slots[packet.slot] = slot
                    self._free.append(slot)
                else:
                    self._not_before = monotonic() + PAUSE
                    if self._free:
                        self._withdraw(self._free[0])
            elif isinstance(packet, packets.Freed):
                freed = self._slots.get(packet.slot)
                if freed is not None and freed.generation == packet.generation:
                    self._free.append(freed)

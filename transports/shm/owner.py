"""The side that fills slots: makes them, offers them to the rig, and takes the free ones.

Nobody waits for a slot: while there is none, frames go inline.
"""

from __future__ import annotations

import os
import socket
import threading
import weakref
from mmap import mmap
from time import monotonic

from transports.errors import ProtocolError
from transports.references import MOST_SLOTS, Reference
from transports.shm import packets
from transports.shm.children import close_in_children
from transports.shm.memory import PAGE, capacity_for, make, set_generation

PAUSE = 1.0
"""Seconds before a slot is offered again when the rig has refused one."""
ROOMY = 2
"""A frame takes no slot that is more than so many times as large."""


class _Slot:
    __slots__ = ("capacity", "generation", "memory", "number")

    def __init__(self, capacity: int, memory: mmap) -> None:
        self.capacity = capacity
        self.memory = memory
        self.number = 0
        self.generation = 0


class Filling:
    """A slot that a frame is being written to.

    Attributes:
        memory: The frame's place, to be written.
        reference: What is sent in its place.
    """

    def __init__(self, owner: Owner, slot: _Slot, size: int) -> None:
        self._owner = owner
        self._slot = slot
        self.memory = memoryview(slot.memory)[PAGE : PAGE + size]
        self.reference = Reference(slot.number, slot.generation + 1, size)

    def give_up(self) -> None:
        """It won't be sent: the slot is free again, for the same generation."""
        self._owner.put_back(self._slot)

    def sent(self) -> None:
        """It is about to be sent; only the rig can free it."""
        self._slot.generation = self.reference.generation


class Owner:
    """The slots of one worker; any of its threads may take some.

    Args:
        path: The rig's socket for slots; empty if there is none.
        name: The token of the worker's life.
    """

    def __init__(self, path: str, name: bytes) -> None:
        self._path = path
        self._name = name
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._slots: dict[int, _Slot] = {}
        self._free: list[_Slot] = []
        self._offered: dict[int, _Slot] = {}
        self._key = 0
        self._not_before = 0.0

    def take(self, size: int) -> Filling | None:
        """A slot for a frame of so many bytes; None if the frame has to go inline."""
        if not self._path:
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
        set_generation(slot.memory, slot.generation + 1)
        return Filling(self, slot, size)

    def put_back(self, slot: _Slot) -> None:
        """A slot wasn't sent after all."""
        with self._lock:
            self._free.append(slot)

    def close(self) -> None:
        """Leave; frames that were sent stay with those who hold them."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        """Use no slots any more."""
        self._path = ""
        self._free.clear()
        self._slots.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _fitting(self, size: int) -> _Slot | None:
        fitting = (each for each in self._free if size <= each.capacity <= size * ROOMY)
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
            weakref.finalize(self, self._connection.close)
            packets.send(self._connection, packets.Join(self._name))
        if len(self._slots) >= MOST_SLOTS and not self._withdraw():
            return
        capacity = capacity_for(size)
        fd, memory = make(capacity)
        try:
            self._key += 1
            packets.send(self._connection, packets.Offer(self._key, capacity), fd)
        finally:
            os.close(fd)
        self._offered[self._key] = _Slot(capacity, memory)

    def _withdraw(self) -> bool:
        """Give up the slot that has been free for longest; whether there was one."""
        if not self._free:
            return False
        slot = self._free.pop(0)
        del self._slots[slot.number]
        assert self._connection is not None
        packets.send(self._connection, packets.Withdraw(slot.number))
        return True

    def _read(self) -> None:
        """Take note of what the rig has said."""
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
                    self._withdraw()
            elif isinstance(packet, packets.Freed):
                freed = self._slots.get(packet.slot)
                if freed is not None and freed.generation == packet.generation:
                    self._free.append(freed)

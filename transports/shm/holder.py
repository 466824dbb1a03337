"""The side that reads slots: maps what the rig hands over, and returns each frame when it is done.

A frame is given as an owned copy, or as a view of the slot, which is returned when the last
reference to the view is dropped, in whatever thread that is.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections import deque
from mmap import mmap
from typing import Any

from transports.errors import ProtocolError, SerializationError
from transports.references import Reference, unpack
from transports.serializers import Buffer
from transports.shm import packets
from transports.shm.children import close_in_children
from transports.shm.memory import PAGE, generation_of, map_slot
from transports.shm.recycled import Recycled


class Frame:
    """A frame that lies in a slot until it is copied, or this and its views are dropped.

    Attributes:
        size: Its bytes.
    """

    __slots__ = ("__weakref__", "_copies", "_done", "_memory", "_reference")

    def __init__(self, holder: Holder, memory: mmap, reference: Reference) -> None:
        self._memory = memory
        self._reference = reference
        self._copies = holder.copies
        self._done = weakref.finalize(self, holder.give_back, reference)
        self._done.atexit = False

    @property
    def size(self) -> int:
        """Bytes of the frame."""
        return self._reference.size

    def copied(self) -> Buffer:
        """A copy of it, which can be written; the slot is returned.

        Raises:
            SerializationError: Something else is in the slot by now.
        """
        self._check()
        if "numpy" in sys.modules:
            copy = self._copies.take(self.size)
            copy[:] = self._lying()
        else:  # whoever is sent bytes needn't load it for them
            copy = bytearray(memoryview(self._memory)[PAGE : PAGE + self.size])
        self._check()
        self._done()
        return memoryview(copy)

    def view(self) -> memoryview:
        """The frame where it lies, read-only; the slot is returned when all views are dropped.

        Raises:
            SerializationError: Something else is in the slot by now.
        """
        self._check()
        lying = self._lying()
        call = self._done.detach()
        if call is not None:
            _, give_back, args, _ = call
            weakref.finalize(lying, give_back, *args).atexit = False
        return memoryview(lying)

    def _lying(self) -> Any:
        """An array that each array made of it has for its base, or that array's base."""
        import numpy as np

        return np.frombuffer(self._memory, np.uint8, self.size, PAGE)

    def _check(self) -> None:
        if generation_of(self._memory) != self._reference.generation:
            raise SerializationError(
                f"the frame in slot {self._reference.slot} was written over while it was held"
            )


class Holder:
    """A client's connection for slots. One thread at a time opens frames; any may drop them.

    It stays open as long as a frame of it is there.

    Args:
        path: The rig's socket for slots.
        name: The routing id of the client's requests, or who the worker is.
        returns: Whether the rig is to be told when a frame is done with.

    Attributes:
        copies: Memory for copies of frames.

    Raises:
        OSError: There is no such socket.
    """

    def __init__(self, path: str, name: bytes, *, returns: bool = True) -> None:
        self._returns = returns
        self._connection = packets.connect(path)
        weakref.finalize(self, self._connection.close).atexit = False
        close_in_children(self._connection)
        packets.send(self._connection, packets.Join(name))
        self.copies = Recycled()
        self._memories: dict[int, mmap] = {}
        self._unsent: deque[Reference] = deque()

    def open(self, raw: Buffer) -> Frame:
        """The frame that a reference names.

        Raises:
            SerializationError: It can't be had.
        """
        try:
            reference = unpack(bytes(raw))
            self._read()
        except (OSError, EOFError):
            self._tell()  # the rig has gone; what is mapped can be read all the same
        except ProtocolError as error:
            raise SerializationError(f"a frame in shared memory can't be had: {error}") from error
        memory = self._memories.get(reference.slot)
        if memory is None or len(memory) < PAGE + reference.size:
            raise SerializationError(
                f"a frame in shared memory can't be had: slot {reference.slot} wasn't handed over; "
                "are there too many open files (ulimit -n)?"
            )
        return Frame(self, memory, reference)

    def give_back(self, reference: Reference) -> None:
        """Tell the rig that a frame isn't held any more; what can't be told now is told later."""
        if self._returns:
            self._unsent.append(reference)
            self._tell()

    @property
    def has_ended(self) -> bool:
        """Whether the rig has gone, or has turned it out."""
        try:
            self._read()
        except (OSError, EOFError, ProtocolError):
            return True
        return False

    def _tell(self) -> None:
        while self._unsent:
            try:
                done = self._unsent.popleft()
            except IndexError:  # another thread has told it
                return
            try:
                packets.send(self._connection, packets.Returned(done.slot, done.generation))
            except BlockingIOError:
                self._unsent.append(done)
                return
            except OSError:  # the rig has gone, or this is a fork: nobody waits for it
                self._unsent.clear()
                return

    def _read(self) -> None:
        self._tell()
        while True:
            try:
                packet, fd = packets.receive_from_rig(self._connection)
            except BlockingIOError:
                return
            try:
                if isinstance(packet, packets.Handed) and fd is not None:
                    self._memories[packet.slot] = map_slot(fd)
                elif isinstance(packet, packets.Gone):
                    self._memories.pop(packet.slot, None)
            finally:
                if fd is not None:
                    os.close(fd)

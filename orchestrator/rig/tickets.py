"""The tickets of a worker's queued lane: see `transports.link`."""

from __future__ import annotations

import fcntl
import os
import struct
import termios

from transports.link import NUMBER_SIZE, pack_number, unpack_number

MANY = 4096 * NUMBER_SIZE
"""Bytes that are read at once. A pipe is read by one process at a time: each ticket is read once,
and whole."""


class Tickets:
    """A pipe of which both ends are held here, and the reading end by a worker too.

    Attributes:
        reader: The reading end, which never waits.

    Raises:
        OSError: There are no file descriptors for it.
    """

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self._writer, False)

    def give(self, number: int) -> None:
        """Let a worker begin an operation. Raises OSError if thousands aren't claimed."""
        os.write(self._writer, pack_number(number))

    def take_back(self) -> list[int]:
        """Take those that the worker hasn't claimed: what they are for never starts."""
        numbers: list[int] = []
        while True:
            try:
                read = os.read(self.reader, MANY)
            except BlockingIOError:
                return numbers
            numbers += (
                unpack_number(read[at : at + NUMBER_SIZE])
                for at in range(0, len(read), NUMBER_SIZE)
            )

    def unclaimed(self) -> int:
        """How many are there; each may be claimed in the next moment."""
        (size,) = struct.unpack("i", fcntl.ioctl(self.reader, termios.FIONREAD, bytes(4)))
        return int(size) // NUMBER_SIZE

    def close(self) -> None:
        """Release the descriptors; to be called once."""
        os.close(self.reader)
        os.close(self._writer)

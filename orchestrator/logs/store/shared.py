"""Memory that the supervisor shares with its collectors: what is to outlive one of them.

A collector may be killed at any moment. Its successor learns here how many records died with it,
and which request each stream was in; the supervisor learns whether it gets on.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from collections.abc import Iterable
from typing import Self

from orchestrator.logs.store.records import Record
from transports.levels import LEVELS

SLOTS = 1024
"""Streams whose last mark is kept; further ones have none."""

_SLOT = 256  # bytes; a longer mark isn't kept
_HEAD = 4096
_UNREAD, _TAKEN, _SETTLED = range(3)
_TURN = 0
_REFUSED = 0
_LOST = len(LEVELS)  # place of it after those of the levels


_PLACES = {level: place for place, level in enumerate(LEVELS)}


class Shared:
    """Counters and slots in a file without a name. One collector writes at a time.

    Args:
        fd: The file; it belongs to this object from here on. None makes one.
    """

    def __init__(self, fd: int | None = None) -> None:
        size = _HEAD + SLOTS * _SLOT
        if fd is None:
            fd = _unnamed_file()
            os.truncate(fd, size)
        self.fd = fd
        self._memory = mmap.mmap(fd, size)
        view = memoryview(self._memory)
        self._counts = view[:24].cast("Q")
        self._times = view[24:32].cast("d")
        self._flags = view[32:40].cast("Q")
        self._sums = view[40 : 48 + 8 * len(LEVELS)].cast("Q")
        self._slots = list(range(SLOTS - 1, -1, -1))

    # --- records: how many a collector has in its hands

    def reading(self, lines: int) -> None:
        """Lines were read that aren't records yet; `take` takes their place."""
        self._counts[_UNREAD] += lines

    def take(self, records: int) -> None:
        """The store has these records now."""
        self._counts[_TAKEN] += records

    def handed_over(self) -> None:
        """All that was read has become records, which the store has."""
        self._counts[_UNREAD] = 0

    def settle(self, records: int) -> None:
        """These were written, or a record of their loss was."""
        self._counts[_SETTLED] += records

    def inherit(self) -> int:
        """How many records another collector died with; they are this one's to settle."""
        self.take(self._counts[_UNREAD])
        self.handed_over()
        return max(self._counts[_TAKEN] - self._counts[_SETTLED], 0)

    @property
    def unsettled(self) -> int:
        """How many records were read that are neither written nor told to be lost."""
        return max(self._counts[_UNREAD] + self._counts[_TAKEN] - self._counts[_SETTLED], 0)

    @property
    def is_refused(self) -> bool:
        """Whether the last attempt to write failed."""
        return bool(self._flags[_REFUSED])

    @is_refused.setter
    def is_refused(self, refused: bool) -> None:
        self._flags[_REFUSED] = refused

    # --- sums, for metrics

    def wrote(self, records: Iterable[Record]) -> None:
        """These are in the store now."""
        for record in records:
            self._sums[_PLACES.get(record.level, _PLACES["info"])] += 1

    def lost(self, records: int) -> None:
        """So many are lost."""
        self._sums[_LOST] += records

    def sums(self) -> tuple[dict[str, int], int]:
        """How many records were written, by level, and how many lost, since the rig began."""
        return {level: self._sums[place] for level, place in _PLACES.items()}, self._sums[_LOST]

    # --- turns

    def turn(self) -> None:
        """The collector has looked at its streams, or begins to."""
        self._times[_TURN] = time.monotonic()

    def since_turn(self) -> float:
        """Seconds since the last turn."""
        return time.monotonic() - self._times[_TURN]

    # --- slots

    def take_slot(self) -> int:
        """A number for a stream's last mark; -1 when all are in use."""
        if not self._slots:
            return -1
        slot = self._slots.pop()
        self.keep_mark(slot, b"")
        return slot

    def give_slot(self, slot: int) -> None:
        """The slot's stream is over."""
        if slot >= 0:
            self._slots.append(slot)

    def keep_mark(self, slot: int, mark: bytes) -> None:
        """Keep the last mark of a stream."""
        if slot >= 0:
            if len(mark) >= _SLOT:
                mark = b""
            at = _HEAD + slot * _SLOT
            self._memory[at : at + len(mark) + 1] = mark + b"\n"

    def last_mark(self, slot: int) -> bytes:
        """The mark that was kept; empty if none was."""
        at = _HEAD + slot * _SLOT
        return self._memory[at : at + _SLOT].partition(b"\n")[0] if slot >= 0 else b""

    def close(self) -> None:
        """Let go of the memory; the second time does nothing."""
        if self.fd >= 0:
            self._counts.release()
            self._times.release()
            self._flags.release()
            self._sums.release()
            self._memory.close()
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _unnamed_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("orch-logs")
    fd, path = tempfile.mkstemp()
    os.unlink(path)
    return fd

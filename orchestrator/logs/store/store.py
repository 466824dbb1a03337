"""The writer of a rig's log store: takes records at once, writes them down from a thread.

Whatever the disk does, `add` returns at once. Records wait in a bounded ring while the disk is
slow or full; what the ring can't hold is lost, the oldest first, and counted.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from copy import copy
from operator import attrgetter
from pathlib import Path

import msgspec

from orchestrator.logs.store.chain import Chain, Keep
from orchestrator.logs.store.records import Record
from orchestrator.logs.store.segments import Run
from orchestrator.logs.store.shared import Shared
from orchestrator.logs.store.strangers import SHARE, Strangers
from orchestrator.words import counted

INTERVAL = 0.1
"""Seconds that records may wait for others to be written with them."""
AT_ONCE = frozenset(("error", "critical"))
"""Records of these levels wait for nothing."""
LOSS_EVERY = 1.0
"""Seconds between two records of how many others were dropped."""
RING_SIZE = 32 << 20
"""Bytes of lines that may wait for a disk that is slow or full."""

_MANY = 256 << 10  # bytes that are written without waiting for more
_MOST = 1 << 20  # bytes of one transaction
_AHEAD = 8 << 20  # bytes waiting, beyond which readers should hold back
_STALLED = 0.25  # seconds without progress, after which they shouldn't any more

_Batch = tuple[list[Record], int]
_by_time = attrgetter("time")


class Store:
    """Writes records to a chain of segments, from a thread of its own.

    Args:
        folder: Where the segments are.
        run: What is known of this life of the rig.
        rig: Name on the store's own records.
        keep: Which segments stay.
        tell: Takes a level and a text for people; called from the store's thread.
        ring: Bytes of lines that may wait.
        retry: Seconds between attempts to write to a disk that refuses.
        shared: Counts what is taken and what is settled; what another store died with is told
            with the first records.
    """

    def __init__(
        self,
        folder: Path,
        run: Run,
        *,
        rig: str,
        keep: Keep,
        tell: Callable[[str, str], None],
        ring: int = RING_SIZE,
        retry: float = 0.5,
        shared: Shared | None = None,
    ) -> None:
        self.folder = folder
        self._shared = Shared() if shared is None else shared
        self.dropped = self._shared.inherit()
        """Records lost since the last one that was written."""
        self.failure: str | None = None
        """Why the last attempt to write failed; None when it didn't."""
        self._reason = "the log collector died with them in hand" if self.dropped else None
        self._rig = rig
        self._tell = tell
        self._ring = ring
        self._retry = retry
        self._chain = Chain(folder, run, keep, self._say)
        self._strangers = Strangers(rig, SHARE * keep.segment_size)
        self._changed = threading.Condition()
        self._waiting: deque[_Batch] = deque()
        self._size = 0
        self._urgent = False
        self._ending: str | None = None
        self._moved = time.monotonic()
        self._loss_told = -LOSS_EVERY
        # A daemon: a disk may hold it for ever, and must not keep the process.
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    # --- for those who read streams

    def add(self, records: list[Record], size: int) -> None:
        """Take records; they are written within `INTERVAL`, those of a time in order of time.

        Args:
            records: They belong to the store from here on.
            size: About how many bytes they are.
        """
        urgent = not AT_ONCE.isdisjoint([record.level for record in records])
        with self._changed:
            if not self._waiting:
                self._moved = time.monotonic()
            self._waiting.append((records, size))
            self._shared.take(len(records))
            self._size += size
            self._forget_oldest()
            if urgent or len(self._waiting) == 1 or self._size >= _MANY:
                self._urgent = self._urgent or urgent
                self._changed.notify_all()

    @property
    def sums(self) -> tuple[dict[str, int], int]:
        """How many records were written, by level, and how many are known to be lost."""
        return self._shared.sums()

    @property
    def is_behind(self) -> bool:
        """Much waits, and the disk is getting on with it: reading on should wait."""
        return self._size > _AHEAD and time.monotonic() - self._moved < _STALLED

    def wait_for_room(self, seconds: float) -> None:
        """Wait until the store isn't behind any more, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: not self.is_behind, seconds)

    def close(self, timeout: float, ending: str) -> bool:
        """Write what waits and end the run, for `timeout` seconds at the most.

        Args:
            timeout: Seconds.
            ending: How the run ended, for people.

        Returns:
            Whether it is done; what isn't written is counted in `dropped`.
        """
        with self._changed:
            self._ending = ending
            self._changed.notify_all()
        self._thread.join(timeout)
        with self._changed:
            self.dropped += sum(len(records) for records, _ in self._waiting)
            self._waiting.clear()
        return not self._thread.is_alive()

    def _forget_oldest(self) -> None:
        while self._size > self._ring and len(self._waiting) > 1:
            lost, size = self._waiting.popleft()
            self._size -= size
            self.dropped += len(lost)

    # --- the thread

    def _run(self) -> None:
        while batches := self._take():
            records = [record for batch, _ in batches for record in batch]
            records.sort(key=_by_time)
            if not self._write(records):
                self._give_back(batches)
                if self._ending is not None:
                    break
        try:
            if self._ending is not None and (rest := self._strangers.notice()):
                self._chain.write(rest)
            self._chain.end(time.time(), self._ending or "")
        except (sqlite3.Error, OSError) as error:
            self._tell("error", f"the end of the run isn't in its log: {error}")

    def _take(self) -> list[_Batch]:
        """What is to be written next; nothing at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ending is not None)
            self._changed.wait_for(
                lambda: self._urgent or self._ending is not None or self._size >= _MANY, INTERVAL
            )
            batches, size = [], 0
            while self._waiting and size < _MOST:
                batches.append(self._waiting.popleft())
                size += batches[-1][1]
            self._size -= size
            self._urgent = self._urgent and bool(self._waiting)
        return batches

    def _give_back(self, batches: list[_Batch]) -> None:
        """Keep what couldn't be written, and wait before the next attempt."""
        with self._changed:
            self._waiting.extendleft(reversed(batches))
            self._size += sum(size for _, size in batches)
            self._forget_oldest()
            self._changed.wait_for(lambda: self._ending is not None, self._retry)

    def _write(self, records: list[Record]) -> bool:
        # Told at most once in a while, but before the end: what is told is dropped no more.
        is_due = time.monotonic() - self._loss_told >= LOSS_EVERY or self._ending is not None
        dropped = self.dropped if is_due else 0
        settled = len(records) + dropped
        if dropped:
            records.append(self._loss(dropped))
        strangers = copy(self._strangers)  # what can't be written is sifted again
        records = strangers.sift(records, self._chain.filled)
        try:
            try:
                self._chain.write(records)
            except (OverflowError, UnicodeError):
                # Texts and numbers that no database holds, of whoever wrote JSON to the stream.
                self._chain.write([_storable(record) for record in records])
        except (sqlite3.Error, OSError) as error:
            self._chain.release()
            if self.failure is None:
                self._tell("error", f"logs can't be written to {self.folder}: {error}")
            self.failure = str(error)
            self._shared.is_refused = True
            return False
        self._strangers = strangers
        self._shared.settle(settled)
        self._shared.wrote(records)
        self._shared.lost(dropped)
        self._shared.is_refused = False
        if dropped:
            self._loss_told, self._reason = time.monotonic(), None
        with self._changed:
            self.dropped -= dropped
            self._moved = time.monotonic()
            self._changed.notify_all()
        if self.failure is not None:
            self._reason, self.failure = (self.failure if self.dropped else None), None
            lost = f"dropped {counted(dropped, 'record')}" if dropped else "nothing was lost"
            self._say("warning", f"logs can be written again: {lost}")
        return True

    def _loss(self, dropped: int) -> Record:
        reason = self.failure or self._reason or "too many at once"
        fields = {"dropped": dropped, "reason": reason}
        return self._own("warning", f"dropped {counted(dropped, 'record')}", fields)

    def _say(self, level: str, text: str) -> None:
        """Tell people, and keep it."""
        self._tell(level, text)
        self.add([self._own(level, text)], len(text))

    def _own(self, level: str, text: str, fields: dict[str, object] | None = None) -> Record:
        return Record(
            time.time(), level, self._rig, 0, "record", text, logger="logs", fields=fields
        )


def _storable(record: Record) -> Record:
    """The record with what can't be stored written out."""
    changes: dict[str, object] = {}
    for name in ("worker", "event", "logger", "request", "member", "exception", "raised"):
        text = getattr(record, name)
        if text is not None:
            changes[name] = text.encode("utf-8", "backslashreplace").decode()
    if not 0 <= record.incarnation < 1 << 63:
        changes["incarnation"] = 0
    return msgspec.structs.replace(record, **changes)

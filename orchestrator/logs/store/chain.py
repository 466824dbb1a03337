"""The chain of a store's segments: the last one is written, the first ones go when it's time."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from orchestrator.logs.store.records import Record
from orchestrator.logs.store.segments import (
    NotASegment,
    Run,
    Segment,
    check_version,
    last_time,
    list_segments,
    open_segment,
    read_runs,
    remove_segment,
    segment_size,
)
from orchestrator.runtime.lock import FileLock

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_AHEAD = 6 << 20  # bytes of a write-ahead log, and of a transaction
_LOOK = 3600.0  # seconds between looks for what is too old

Tell = Callable[[str, str], None]
"""Takes a level and a text for people."""


@dataclass(frozen=True)
class Keep:
    """What is kept: whole segments, the newest in any case.

    Attributes:
        size: Bytes of all segments.
        age: Seconds since a segment's last record; None keeps all.
        segment: Bytes of a segment, at which the next one begins.
    """

    size: int = 1 << 30
    age: float | None = None
    segment: int = 64 << 20

    @property
    def segment_size(self) -> int:
        """As `segment`, but so small that removing one leaves most of what may be kept."""
        return max(min(self.segment, self.size // 8), 256 << 10)

    @property
    def finished(self) -> int:
        """Bytes that segments may have which aren't written any more: the last one needs room too.

        While it is written, a part of it is in the write-ahead log, and its last transaction may
        go beyond its size.
        """
        return max(self.size - self.segment_size - min(3 * self.segment_size, _AHEAD), 0)


class Chain:
    """Writes to the last segment, begins the next one, and removes old ones.

    Belongs to one thread. A failure may pass: whatever is raised, `write` may be called again.

    Args:
        folder: Where the segments are.
        run: What is known of this life of the rig; its number is found here.
        keep: Which segments stay.
        tell: Takes what people should know.

    Attributes:
        filled: How many segments it has filled.
    """

    def __init__(self, folder: Path, run: Run, keep: Keep, tell: Tell) -> None:
        self._folder = folder
        self._run = run
        self._keep = keep
        self._tell = tell
        self._lock = FileLock(folder / "lock")
        self._alone = False
        self._is_full = False
        self._segment: Segment | None = None
        self._look_at = 0.0
        self.filled = 0

    def write(self, records: Sequence[Record]) -> None:
        """Write records in one transaction.

        Raises:
            sqlite3.Error: The disk is full or broken; nothing is written.
            OSError: Likewise.
        """
        segment = self._segment or self._open()
        try:
            segment.write(records)
        except sqlite3.DatabaseError as error:
            self.release()
            if not _is_damaged(error):
                raise
            self._tell_damaged(segment.path, error)
            self._begin(segment.number + 1).write(records)
        self._look_after()

    def end(self, at: float, ending: str) -> None:
        """Note the end of the run, and let go of everything.

        Raises:
            sqlite3.Error: It can't be written.
            OSError: Likewise.
        """
        try:
            (self._segment or self._open()).end_run(at, ending)
        finally:
            self.release()
            self._lock.release()
            self._alone = False

    def release(self) -> None:
        """Close the last segment; the next `write` opens it again."""
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close()

    # --- the last segment

    def _open(self) -> Segment:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._alone:
            # The collector of a killed supervisor may still be at work for some seconds.
            self._alone = self._lock.acquire()
        segments = list_segments(self._folder)
        self._find_number([path for _, path in reversed(segments)])
        if not segments:
            return self._begin(1)
        number, path = segments[-1]
        if self._is_full or not self._alone:
            return self._begin(number + 1)
        try:
            self._segment = Segment(path, number, self._run)
        except sqlite3.DatabaseError as error:
            if not _is_damaged(error):
                raise
            self._tell_damaged(path, error)
            return self._begin(number + 1)
        return self._segment

    def _begin(self, number: int) -> Segment:
        path = self._folder / f"{number:06d}.db"
        self._segment = Segment(path, number, self._run)
        self._is_full = False
        return self._segment

    def _find_number(self, newest_first: list[Path]) -> None:
        if self._run.number:
            return
        number = 1
        for path in newest_first:
            with suppress(sqlite3.Error), closing(open_segment(path)) as connection:
                check_version(connection)
                runs = read_runs(connection)
                if not runs:
                    continue
                same = [run.number for run in runs if run.id == self._run.id]
                number = same[0] if same else runs[-1].number + 1
                break
        self._run = msgspec.structs.replace(self._run, number=number)

    def _tell_damaged(self, path: Path, error: sqlite3.Error) -> None:
        self._tell("error", f"log segment {path} is left as it is, a new one begins: {error}")

    def _look_after(self) -> None:
        """Leave a segment that is full or deleted, and remove old ones now and then."""
        segment, now = self._segment, time.monotonic()
        assert segment is not None
        try:
            fits = 0 <= segment.size < self._keep.segment_size
            if fits and now < self._look_at:
                return
            self._look_at = now + _LOOK
            if not fits:
                self.release()
                self._is_full = True
                self.filled += 1
            remove_old(self._folder, size=self._keep.finished, age=self._keep.age)
        except (OSError, sqlite3.Error) as error:
            self._tell("warning", f"old log segments can't be removed: {error}")


def remove_old(
    folder: Path, *, size: int | None = None, age: float | None = None, now: float | None = None
) -> list[Path]:
    """Remove the oldest segments until what is left isn't too much; the newest one stays.

    Args:
        folder: Where the segments are.
        size: Bytes that all may have; None is no limit.
        age: Seconds since the last record of a segment; None is no limit.
        now: Seconds since the epoch, if not the present.

    Returns:
        What was removed.

    Raises:
        OSError: Something can't be removed.
    """
    now = time.time() if now is None else now
    paths = [path for _, path in list_segments(folder)]
    sizes = {path: segment_size(path) for path in paths}
    total = sum(sizes.values())
    removed = []
    for path in paths[:-1]:
        too_much = size is not None and total > size
        too_old = age is not None and now - last_time(path) > age
        if not too_much and not too_old:
            break
        remove_segment(path)
        total -= sizes[path]
        removed.append(path)
    return removed


def _is_damaged(error: sqlite3.DatabaseError) -> bool:
    if isinstance(error, NotASegment):
        return True
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED

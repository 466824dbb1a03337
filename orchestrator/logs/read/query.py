"""Reading a rig's log store, whether the rig runs, was stopped, or crashed.

All reads are short, so that a reader who takes his time doesn't make the store grow.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import msgspec

from orchestrator.logs.read.lookup import Cursor, Entry, Query, look_up
from orchestrator.logs.store.segments import (
    Run,
    check_version,
    list_segments,
    open_segment,
    read_runs,
)

POLL = 0.1
"""Seconds between looks for new records while following."""

STORED_WITHIN = 1.0
"""Seconds after which what was logged can be read; most of the time it is a fifth of that."""

Damage = Callable[[Path, str], None]
"""Takes the path of a segment that can't be read, and why."""


class Logs:
    """The logs of one rig.

    Args:
        folder: The store.
        on_damage: Told once of each segment that can't be read; the others still are.
    """

    def __init__(self, folder: Path, on_damage: Damage = lambda path, reason: None) -> None:
        self.folder = folder
        self._on_damage = on_damage
        self._told: set[Path] = set()

    def segments(self) -> list[tuple[int, Path]]:
        """The segments, the oldest first; none if there is no store."""
        try:
            return list_segments(self.folder)
        except FileNotFoundError:
            return []

    def runs(self) -> list[Run]:
        """All runs of which there are records, the first one first."""
        found: dict[int, Run] = {}
        for number, path in self.segments():
            with _Reader(self, number, path) as reader:
                for run in reader.ask(read_runs, []):
                    first = found.get(run.number)
                    started = first.started if first and first.id == run.id else run.started
                    found[run.number] = msgspec.structs.replace(run, started=started)
        return [found[number] for number in sorted(found)]

    def run_number(self, wanted: int) -> int:
        """The number of a run, counted from the first (1, 2, …) or from the last (0, -1, …).

        Raises:
            ValueError: There is no such run.
        """
        numbers = [run.number for run in self.runs()]
        if wanted > 0 and wanted in numbers:
            return wanted
        if wanted <= 0 and -wanted < len(numbers):
            return numbers[wanted - 1]
        raise ValueError(f"there is no run {wanted}; see: orch logs --list-runs")

    def workers(self) -> set[str]:
        """Names of all workers of which there are records, and of the rig."""
        names: set[str] = set()
        for number, path in self.segments():
            with _Reader(self, number, path) as reader:
                names |= reader.ask(_workers, set())
        return names

    def last_time(self, run: Run) -> float | None:
        """When a run's last record was made: what is known of the end of a killed one."""
        for entry in self.read(Query(run=run.number), limit=1, newest_first=True):
            return entry.time
        return None

    def read(
        self, query: Query, *, limit: int | None = None, newest_first: bool = False
    ) -> Iterator[Entry]:
        """The records that a query asks for, in the order in which they were stored.

        Args:
            query: What is asked for.
            limit: The most to give: the first ones, or the last ones if `newest_first`.
            newest_first: Go backwards.
        """
        segments = self.segments()
        for number, path in reversed(segments) if newest_first else segments:
            if query.after is not None and number < query.after.segment:
                continue
            if query.upto is not None and number > query.upto.segment:
                continue
            with _Reader(self, number, path) as reader:
                for entry in reader.read(query, limit, newest_first):
                    yield entry
                    if limit is not None:
                        limit -= 1
            if limit is not None and limit <= 0:
                return

    def tail(self, query: Query, limit: int) -> list[Entry]:
        """The last records that a query asks for, in order."""
        return list(self.read(query, limit=limit, newest_first=True))[::-1]

    def end(self) -> Cursor:
        """The place after all that is stored now."""
        for number, path in reversed(self.segments()):
            with _Reader(self, number, path) as reader:
                return Cursor(number, reader.ask(_last_seq, 0))
        return Cursor(0, 0)

    def follow(
        self, query: Query, after: Cursor, *, pause: Callable[[float], None] = time.sleep
    ) -> Iterator[Entry]:
        """The records that a query asks for as they are stored, as long as some may come.

        Goes on from segment to segment and over restarts of the rig; ends when the time up to
        which it asks is over, or the one run that it asks for.

        Args:
            query: What is asked for.
            after: Where to begin.
            pause: Waits that many seconds, between looks.
        """
        reader: _Reader | None = None
        try:
            while True:
                is_over = self.is_over(query)  # before the last look, which then finds all
                segments = self.segments()
                # A segment is left when there is a later one, looked for before its last read.
                later = [number for number, _ in segments if number > after.segment]
                if reader is None or reader.number != after.segment or reader.has_failed:
                    if reader is not None:
                        reader.close()
                    path = dict(segments).get(after.segment)
                    reader = None if path is None else _Reader(self, after.segment, path)
                if reader is not None and reader.has_changed():
                    last = reader.ask(_last_seq, after.seq)
                    if last > after.seq:
                        upto = Cursor(after.segment, last)
                        yield from reader.read(replace(query, after=after, upto=upto), None, False)
                        after = upto
                        continue
                if later:
                    after = Cursor(min(later), 0)
                elif is_over:
                    return
                else:
                    pause(POLL)
        finally:
            if reader is not None:
                reader.close()

    def is_over(self, query: Query) -> bool:
        """Whether nothing more can come that a query asks for."""
        if query.until is not None and time.time() > query.until + STORED_WITHIN:
            return True
        if query.run is None:
            return False
        for number, path in reversed(self.segments()):
            with _Reader(self, number, path) as reader:
                runs = reader.ask(read_runs, [])
                if runs:
                    newest = runs[-1]
                    return newest.number > query.run or newest.ended is not None
        return False

    def tell_damage(self, path: Path, reason: str) -> None:
        """Tell, once, that a segment can't be read."""
        if path not in self._told:
            self._told.add(path)
            self._on_damage(path, reason)


class _Reader:
    """One segment; what fails here is told to `Logs`, and reads as nothing."""

    def __init__(self, logs: Logs, number: int, path: Path) -> None:
        self.number = number
        self._logs = logs
        self._path = path
        self._version = -1
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = open_segment(path)
            if _is_unmade(self._connection):
                self.close()  # a follower looks again, as after a failure
            else:
                check_version(self._connection)
        except sqlite3.Error as error:
            self._fail(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def has_failed(self) -> bool:
        return self._connection is None

    def ask(self, question: Callable[[sqlite3.Connection], Any], default: Any) -> Any:
        if self._connection is None:
            return default
        try:
            return question(self._connection)
        except sqlite3.Error as error:
            self._fail(error)
            return default

    def has_changed(self) -> bool:
        """Whether anything was written since the last call."""
        before, self._version = self._version, self.ask(_data_version, self._version)
        return self._version != before

    def read(self, query: Query, limit: int | None, newest_first: bool) -> Iterator[Entry]:
        if self._connection is None:
            return
        try:
            yield from look_up(self._connection, self.number, query, limit, newest_first)
        except sqlite3.Error as error:
            self._fail(error)

    def _fail(self, error: sqlite3.Error) -> None:
        self.close()
        if self._path.exists():  # else it was removed for its age, while we read others
            self._logs.tell_damage(self._path, str(error))


def _is_unmade(connection: sqlite3.Connection) -> bool:
    """Whether a segment is only just being made: there is nothing in it to read or to lose."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    return not application and not connection.execute("SELECT 1 FROM sqlite_schema").fetchone()


def _workers(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM workers")}


def _last_seq(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT max(seq) FROM records").fetchone()
    return last or 0


def _data_version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)

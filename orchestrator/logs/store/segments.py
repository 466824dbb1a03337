"""Segments: the files of a rig's log store, numbered in order of time, each a SQLite database.

A segment is complete in itself: it has the names and runs that its records refer to, so that a
lost or damaged one takes nothing else along, and the oldest can be removed at any time.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.logs.store.records import Record
from transports.levels import LEVELS
from workers.output.pipes import Stream

VERSION = 2
"""Version of the schema, in each segment's `user_version`."""
READABLE = (1, VERSION)
"""Versions that are read; a segment of the first has no column `raised`, until it is written."""

STREAMS: tuple[Stream, ...] = ("record", "stdout", "stderr")
TROUBLE = LEVELS["warning"]
"""Records of this weight and above are few, and have an index of their own."""

_APPLICATION = 0x6F726368  # "orch", so that file(1) and we know what the file is
_NAME = re.compile(r"([0-9]{6,})\.db", re.ASCII)
# Rows of one statement: sqlite3 gives up the interpreter's lock for each statement that runs, and
# a thread that wants it back from a busy one waits for milliseconds.
_ROWS = (512, 64, 8, 1)
_PAGE_SIZE = 4096
_BUSY = 5.0  # seconds; a reader that recovers the file after a crash holds it for a moment

# No index on the time alone: workers are few, and (worker, time) serves for all of them as well.
_SCHEMA = f"""
CREATE TABLE runs(
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER,
    ending TEXT, pid INTEGER, config TEXT, version TEXT);
CREATE TABLE workers(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE records(
    seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, time INTEGER NOT NULL, level INTEGER NOT NULL,
    worker INTEGER NOT NULL, incarnation INTEGER NOT NULL, stream INTEGER NOT NULL,
    event TEXT NOT NULL, logger TEXT, request TEXT, member TEXT, exception TEXT, fields TEXT,
    raised TEXT);
CREATE INDEX by_worker ON records(worker, time);
CREATE INDEX by_trouble ON records(worker, time, level) WHERE level >= {TROUBLE};
CREATE INDEX by_request ON records(request) WHERE request IS NOT NULL;
"""
_COLUMNS = (
    "run, time, level, worker, incarnation, stream, event, logger, request, member, exception, "
    "fields, raised"
)
_WIDTH = _COLUMNS.count(",") + 1

_encode = msgspec.json.Encoder().encode


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """One life of a rig, from start to end.

    Attributes:
        number: Counted from 1 in this store.
        id: Unique.
        started: Seconds since the epoch.
        ended: Likewise; None while it runs, or when nobody was left to write it down.
        ending: How it ended.
        pid: Process id of the supervisor.
        config: Path of the config.
        version: Release of orch.
    """

    number: int
    id: str
    started: float
    ended: float | None = None
    ending: str | None = None
    pid: int | None = None
    config: str | None = None
    version: str | None = None


class NotASegment(sqlite3.DatabaseError):
    """The file is no segment, or one of a later release."""


def list_segments(folder: Path) -> list[tuple[int, Path]]:
    """The segments of a store by number, the oldest first.

    Raises:
        OSError: The folder can't be read.
    """
    found = []
    for entry in os.scandir(folder):
        match = _NAME.fullmatch(entry.name)
        if match is not None:
            found.append((int(match[1]), folder / entry.name))
    return sorted(found)


def segment_size(path: Path) -> int:
    """Bytes of a segment, with what isn't yet moved into its main file."""
    total = 0
    for file in (path, path.with_name(f"{path.name}-wal")):
        try:
            total += file.stat().st_size
        except FileNotFoundError:
            continue
    return total


def remove_segment(path: Path) -> None:
    """Delete a segment. Who reads it at the moment may go on.

    Raises:
        OSError: It can't be deleted.
    """
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def open_segment(path: Path) -> sqlite3.Connection:
    """Open a segment for reading, whether or not somebody writes to it.

    Raises:
        sqlite3.Error: It can't be opened.
    """
    uri = path.absolute().as_uri()
    connection = sqlite3.connect(
        f"{uri}?mode=ro", uri=True, timeout=_BUSY, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA schema_version")
    except sqlite3.OperationalError:
        # A folder in which we may not even make the file that readers share: nobody writes there.
        connection.close()
        connection = sqlite3.connect(
            f"{uri}?immutable=1", uri=True, isolation_level=None, check_same_thread=False
        )
    # Bytes that a damaged disk or a stranger has put there cost their text, not all others.
    connection.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
    return connection


def last_time(path: Path) -> float:
    """When a segment's last record was made, in seconds since the epoch; 0.0 if it is gone.

    For a damaged one it is when the file was last written.
    """
    try:
        with closing(open_segment(path)) as connection:
            (newest,) = connection.execute(
                "SELECT max((SELECT max(time) FROM records WHERE worker = workers.id)) FROM workers"
            ).fetchone()
        if newest is not None:
            return float(newest / 1e6)
    except sqlite3.Error:
        pass  # told to who reads it; here its age matters
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def to_microseconds(seconds: float) -> int:
    """A time as segments hold it."""
    return round(seconds * 1_000_000)


def read_runs(connection: sqlite3.Connection) -> list[Run]:
    """The runs of a segment.

    Raises:
        sqlite3.Error: It can't be read.
    """
    rows = connection.execute(
        "SELECT number, id, started / 1e6, ended / 1e6, ending, pid, config, version FROM runs"
        " ORDER BY number"
    )
    return [Run(*row) for row in rows]


def check_version(connection: sqlite3.Connection) -> int:
    """Make sure that a database is a segment that this release can read.

    Returns:
        The version of its schema.

    Raises:
        sqlite3.Error: It isn't, or can't be read at all.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise NotASegment("it is no log segment")
    if version not in READABLE:
        raise NotASegment(f"it has version {version} of the format, this release reads {VERSION}")
    return int(version)


class Segment:
    """A segment that is open for writing.

    Args:
        path: The file.
        number: Its number.
        run: The run that its records will belong to.

    Raises:
        sqlite3.Error: It can't be opened, or isn't a segment.
        OSError: It can't be created.
    """

    def __init__(self, path: Path, number: int, run: Run) -> None:
        self.path = path
        self.number = number
        self.run = run
        if not path.exists():
            _create(path, run)
        self._connection = sqlite3.connect(
            path, timeout=_BUSY, isolation_level=None, check_same_thread=False
        )
        self._workers: dict[str, int] = {}
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        execute = self._connection.execute
        # A commit survives the death of any process; a power failure may take the last ones.
        execute("PRAGMA synchronous = NORMAL")
        execute("PRAGMA cache_size = -16384")
        version = check_version(self._connection)
        with self._transaction():
            if version < VERSION:
                execute("ALTER TABLE records ADD COLUMN raised TEXT")
                execute(f"PRAGMA user_version = {VERSION}")
            _insert_run(self._connection, self.run)
        self._workers = dict(execute("SELECT name, id FROM workers"))

    def write(self, records: Sequence[Record]) -> None:
        """Write records in one transaction: all of them, or none.

        Raises:
            sqlite3.Error: They can't be written.
        """
        try:
            with self._transaction():
                begin = 0
                for rows in _ROWS:
                    while len(records) - begin >= rows:
                        self._insert(records[begin : begin + rows])
                        begin += rows
        except BaseException:
            self._workers = {}  # some of them may be of what was rolled back
            raise

    def end_run(self, at: float, ending: str) -> None:
        """Note that the run is over.

        Raises:
            sqlite3.Error: It can't be written.
        """
        self._connection.execute(
            "UPDATE runs SET ended = ?, ending = ? WHERE number = ?",
            (to_microseconds(at), ending, self.run.number),
        )

    @property
    def size(self) -> int:
        """Bytes that it will have when it is closed; -1 when somebody has deleted it.

        Raises:
            sqlite3.Error: It can't be read.
        """
        if not self.path.exists():
            return -1
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        return int(pages) * _PAGE_SIZE

    def close(self) -> None:
        """Close it, whatever state it is in."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite ends some of them itself
                self._connection.execute("ROLLBACK")
            raise

    def _insert(self, records: Sequence[Record]) -> None:
        run, workers = self.run.number, self._workers
        values: list[Any] = []
        for record in records:
            worker = workers.get(record.worker)
            if worker is None:
                worker = self._worker_id(record.worker)
            fields = record.fields
            values += (
                run,
                round(record.time * 1_000_000),
                LEVELS[record.level],
                worker,
                record.incarnation,
                0 if record.stream == "record" else STREAMS.index(record.stream),
                record.event,
                record.logger,
                record.request,
                record.member,
                record.exception,
                None if fields is None else _encode(fields).decode(),
                record.raised,
            )
        self._connection.execute(_insert_statement(len(records)), values)

    def _worker_id(self, name: str) -> int:
        execute = self._connection.execute
        execute("INSERT INTO workers(name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
        (number,) = execute("SELECT id FROM workers WHERE name = ?", (name,)).fetchone()
        self._workers[name] = number
        return int(number)


def _create(path: Path, run: Run) -> None:
    """Make an empty segment. It has its name when it is complete: somebody may be looking.

    Raises:
        sqlite3.Error: It can't be written; nothing is left.
        OSError: Likewise.
    """
    unfinished = path.with_name(f"{path.name}.new")
    for left in path.parent.glob("*.db.new"):
        remove_segment(left)  # by somebody who was killed
    try:
        # SQLite would create it with the mode that the umask gives.
        os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
            # It stays so, and closing the connection leaves the one file.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN")
            for statement in _SCHEMA.strip().split(";\n"):
                connection.execute(statement.rstrip(";"))
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            _insert_run(connection, run)
            connection.execute("COMMIT")
            # What closing does as well, but without a word when it fails.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try:
            os.link(unfinished, path)  # unlike a rename it leaves what somebody else has begun
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            os.rename(unfinished, path)
    finally:
        remove_segment(unfinished)


def _insert_run(connection: sqlite3.Connection, run: Run) -> None:
    connection.execute(
        "INSERT INTO runs(number, id, started, pid, config, version)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET ended = NULL, ending = NULL",
        (run.number, run.id, to_microseconds(run.started), run.pid, run.config, run.version),
    )


@cache
def _insert_statement(count: int) -> str:
    row = f"({', '.join('?' * _WIDTH)})"
    return f"INSERT INTO records({_COLUMNS}) VALUES {', '.join([row] * count)}"

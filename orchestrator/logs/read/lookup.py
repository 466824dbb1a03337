"""A question to one segment: which records, by which index, and in which portions."""

from __future__ import annotations

import re
import sqlite3
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Any, Self

import msgspec

from orchestrator.logs.store.records import Record
from orchestrator.logs.store.segments import STREAMS, TROUBLE, check_version, to_microseconds
from transports.levels import AUDIT_LOGGER, LEVELS, SPAN_LOGGER
from transports.request_ids import ELLIPSIS

_PAGE = 2000  # records of one read
_NAMES = {number: name for name, number in LEVELS.items()}
_FIELDS = (
    "seq, time, level, worker, incarnation, stream, event, logger, request, member, exception,"
    " fields, run, raised"
)
_FIELDS_OF_1 = _FIELDS.replace("raised", "NULL")  # a segment of the first version
_decode_fields = msgspec.json.Decoder(dict[str, Any]).decode


_INTEGERS = frozenset((0, 1, 2, 3, 4, 5, 12))  # of the fields
_TEXTS = frozenset(range(14)) - _INTEGERS
_EVENT = 6
_LATEST = 253_402_300_800_000_000  # microseconds: the year 10000, where calendars stop


class Entry(Record, frozen=True, omit_defaults=True, kw_only=True):
    """A stored record.

    Attributes:
        run: Number of the run that it belongs to.
        cursor: Its place in the store.
    """

    run: int
    cursor: str


@dataclass(frozen=True, order=True)
class Cursor:
    """A place in a store, between two records.

    Attributes:
        segment: Number of a segment.
        seq: The last record before this place.
    """

    segment: int
    seq: int

    def __str__(self) -> str:
        return f"{self.segment}.{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` gave.

        Raises:
            ValueError: It is something else.
        """
        match = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,18})", text, re.ASCII)
        if match is None:
            raise ValueError(f"{text!r:.60} is no cursor; --show-cursor prints one, such as 3.1417")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class Query:
    """Which records are asked for; what is None or empty asks for nothing special.

    Attributes:
        workers: Names of workers, any of which will do.
        levels: Lowest and highest weight.
        since: Seconds since the epoch, included.
        until: Likewise.
        grep: Expression that a record's text or traceback has to match somewhere; of an audit its
            `worker.member`, or who asked, will do.
        request: Id of a request, or how it begins, or its short form.
        member: Member of a worker.
        run: Number of a run.
        logger: Name of a logger.
        after: A place that they come after.
        upto: A place that they come before.
        spans: Also what is recorded of each request for OpenTelemetry; it is of one that is asked
            for anyway.
    """

    workers: tuple[str, ...] = ()
    levels: tuple[int, int] | None = None
    since: float | None = None
    until: float | None = None
    grep: re.Pattern[str] | None = None
    request: str | None = None
    member: str | None = None
    run: int | None = None
    logger: str | None = None
    after: Cursor | None = None
    upto: Cursor | None = None
    spans: bool = False


def look_up(
    connection: sqlite3.Connection,
    segment: int,
    query: Query,
    limit: int | None,
    newest_first: bool,
) -> Iterator[Entry]:
    """The records of a segment that a question asks for, read page by page.

    Args:
        connection: The segment, open for reading.
        segment: Its number.
        query: The question.
        limit: The most to give.
        newest_first: Go backwards.

    Raises:
        sqlite3.Error: It can't be read.
    """
    named = connection.execute("SELECT id, name FROM workers").fetchall()
    workers = {number: name if type(name) is str else repr(name) for number, name in named}
    plan = _plan(query, segment, workers)
    if plan is None:
        return
    index, conditions, values = plan
    order = "DESC" if newest_first else "ASC"
    names = _FIELDS if check_version(connection) > 1 else _FIELDS_OF_1
    if query.grep is not None:
        matches = _matching(query.grep, workers)
        connection.create_function("matches", 6, matches, deterministic=True)
    where = " AND ".join(conditions) or "1"
    if index is None:
        # In the order of the file, page by page.
        step = "seq < ?" if newest_first else "seq > ?"
        at = 1 << 62 if newest_first else -1
        while limit is None or limit > 0:
            count = _PAGE if limit is None else min(limit, _PAGE)
            rows = connection.execute(
                f"SELECT {names} FROM records WHERE {where} AND {step}"
                f" ORDER BY seq {order} LIMIT {count}",
                [*values, at],
            ).fetchall()
            for row in rows:
                yield _entry(row, segment, workers)
            if len(rows) < count:
                return
            at = rows[-1][0]
            limit = None if limit is None else limit - count
        return
    found = array(
        "q",
        (
            row[0]
            for row in connection.execute(
                f"SELECT seq FROM records INDEXED BY {index} WHERE {where}"
                f" ORDER BY seq {order} LIMIT ?",
                [*values, -1 if limit is None else limit],
            )
        ),
    )
    for begin in range(0, len(found), _PAGE):
        page = found[begin : begin + _PAGE].tolist()
        marks = ",".join("?" * len(page))
        rows = connection.execute(
            f"SELECT {names} FROM records WHERE seq IN ({marks}) ORDER BY seq {order}", page
        ).fetchall()
        for row in rows:
            yield _entry(row, segment, workers)


def _plan(
    query: Query, segment: int, workers: dict[int, str]
) -> tuple[str | None, list[str], list[Any]] | None:
    """Index, conditions and their values; None when nothing can be found.

    The planner of SQLite knows neither how few the troubles are nor how records lie in the file,
    so the index is named.
    """
    conditions: list[str] = []
    values: list[Any] = []

    def add(condition: str, *given: Any) -> None:
        conditions.append(condition)
        values.extend(given)

    wanted = [number for number, name in workers.items() if name in query.workers]
    if query.workers and not wanted:
        return None
    lowest, highest = query.levels or (0, max(_NAMES))
    index = None
    if query.request is not None:
        index = "by_request"
        begin, _, end = query.request.partition(ELLIPSIS)
        add("request >= ? AND request < ?", begin, begin + "\U0010ffff")
        if end:
            add("substr(request, -length(?)) = ?", end, end)
    elif lowest >= TROUBLE or wanted or query.since is not None or query.until is not None:
        index = "by_trouble" if lowest >= TROUBLE else "by_worker"
        wanted = wanted or list(workers)
        if lowest >= TROUBLE:
            add(f"level >= {TROUBLE}")
    if wanted:
        add(f"worker IN ({','.join('?' * len(wanted))})", *wanted)
    if query.since is not None:
        add("time >= ?", to_microseconds(query.since))
    if query.until is not None:
        add("time <= ?", to_microseconds(query.until))
    if lowest > min(_NAMES):
        add("level >= ?", lowest)
    if highest < max(_NAMES):
        add("level <= ?", highest)
    if query.member is not None:
        add("member = ?", query.member)
    if query.run is not None:
        add("run = ?", query.run)
    if query.logger is not None:
        add("logger = ?", query.logger)
    elif query.request is None and not query.spans:
        add("logger IS NOT ?", SPAN_LOGGER)
    if query.after is not None and query.after.segment == segment:
        add("seq > ?", query.after.seq)
    if query.upto is not None and query.upto.segment == segment:
        add("seq <= ?", query.upto.seq)
    if query.grep is not None:
        add("matches(event, exception, logger, worker, member, fields)")
    return index, conditions, values


def _matching(grep: re.Pattern[str], workers: Mapping[int, str]) -> Callable[..., bool]:
    """Whether a record's text matches; an audit's says what came of it, so the rest is its text."""
    search = grep.search

    def matches(
        event: str, exception: str | None, logger: str | None, worker: int, *more: str | None
    ) -> bool:
        if search(event) or (exception and search(exception)):
            return True
        if logger != AUDIT_LOGGER:
            return False
        member, fields = more
        who = _fields(fields).get("who", "") if fields else ""
        return any(map(search, (f"{workers.get(worker, '?')}.{member or ''}", str(who))))

    return matches


def _entry(row: Sequence[Any], segment: int, workers: dict[int, str]) -> Entry:
    if not _is_sound(tuple(map(type, row))):
        row = _mended(row)
    seq, at, level, worker, incarnation, stream, event, logger, request, member, *rest = row
    exception, fields, run, raised = rest
    if not 0 <= at < _LATEST:
        at = 0
    return Entry(
        time=at / 1e6,
        level=_NAMES.get(level, "info"),
        worker=workers.get(worker, "?"),
        incarnation=incarnation,
        stream=STREAMS[stream] if 0 <= stream < len(STREAMS) else STREAMS[0],
        event=event,
        logger=logger,
        request=request,
        member=member,
        exception=exception,
        fields=None if fields is None else _fields(fields),
        raised=raised,
        run=run,
        cursor=f"{segment}.{seq}",
    )


@cache
def _is_sound(kinds: tuple[type, ...]) -> bool:
    """Whether a row has values of the types that we write; SQLite holds any in any column."""
    texts = all(kinds[place] in (str, NoneType) for place in _TEXTS)
    return texts and kinds[_EVENT] is str and all(kinds[place] is int for place in _INTEGERS)


def _mended(row: Sequence[Any]) -> list[Any]:
    """What can be read of a row that we haven't written so."""
    values = [
        (value if isinstance(value, int) else 0) if place in _INTEGERS else _as_text(value)
        for place, value in enumerate(row)
    ]
    values[_EVENT] = values[_EVENT] or ""
    return values


def _as_text(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return None if value is None else str(value)


def _fields(text: str) -> dict[str, Any]:
    """A record's fields; of a text that a damaged disk has left, the text."""
    try:
        return _decode_fields(text)
    except ValueError:
        return {"unreadable": text}

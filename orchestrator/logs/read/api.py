"""Logs for programs: records as objects, or as a pandas frame."""

from __future__ import annotations

import asyncio
import importlib
import re
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from orchestrator.logs.read.lookup import Cursor, Entry, Query
from orchestrator.logs.read.query import POLL, Logs
from orchestrator.logs.read.times import parse_grep, parse_levels, parse_time
from transports.levels import AUDIT_LOGGER, LEVELS

When = str | float | datetime | timedelta
"""A time: as people write it, in seconds since the epoch, a date, or how long ago."""

_AT_ONCE = 500  # records that a thread reads for asyncio before they are given


class LogView:
    """The records that a question asks for; each iteration reads them anew.

    Example:
        ```python
        for record in rig.logs(worker="stage", since="10 min ago", level="warning"):
            print(record.time, record.event, record.fields)
        frame = rig.logs(since="today").to_pandas()
        ```

    Attributes:
        query: The question.
    """

    def __init__(self, logs: Logs, query: Query, *, last: int | None, follow: bool) -> None:
        self.query = query
        self._logs = logs
        self._last = last
        self._follow = follow

    def __iter__(self) -> Iterator[Entry]:
        logs, query = self._logs, self.query
        if not self._follow:
            return self._past()
        return self._forever(logs.end() if query.after is None else query.after)

    def _past(self) -> Iterator[Entry]:
        if self._last is not None:
            return iter(self._logs.tail(self.query, self._last))
        return self._logs.read(self.query)

    def _forever(self, after: Cursor) -> Iterator[Entry]:
        if self._last is not None:
            yield from self._logs.tail(self.query, self._last)
        yield from self._logs.follow(self.query, after)

    async def __aiter__(self) -> AsyncIterator[Entry]:
        """The same for asyncio: what is read is read in threads, for the event loop goes on."""
        logs, query = self._logs, self.query
        after = query.after
        if self._follow and after is None:
            after = await asyncio.to_thread(logs.end)
        if not self._follow or self._last is not None:
            past = self._past()
            while some := await asyncio.to_thread(lambda: list(islice(past, _AT_ONCE))):
                for entry in some:
                    yield entry
        while after is not None and self._follow:
            is_over = await asyncio.to_thread(logs.is_over, query)
            end = await asyncio.to_thread(logs.end)
            if end > after:
                asked = replace(query, after=after, upto=end)
                for entry in await asyncio.to_thread(_read, logs, asked):
                    yield entry
                after = end
            if is_over:
                return
            await asyncio.sleep(POLL)

    def to_pandas(self) -> Any:
        """A frame with a row for each record, indexed by time in UTC.

        Its columns are the attributes of `Entry`.

        Raises:
            ImportError: pandas isn't installed.
            ValueError: Following has no end.
        """
        if self._follow:
            raise ValueError("records that are followed never end; leave out follow=True")
        pd = importlib.import_module("pandas")
        columns = Entry.__struct_fields__
        rows = [[getattr(entry, name) for name in columns] for entry in self]
        frame = pd.DataFrame(rows, columns=list(columns))
        frame["time"] = pd.to_datetime(frame["time"], unit="s", utc=True)
        return frame.set_index("time")


def select(
    folder: Path,
    *,
    worker: str | Iterable[str] | None = None,
    level: str | int | None = None,
    since: When | None = None,
    until: When | None = None,
    grep: str | re.Pattern[str] | None = None,
    request: str | None = None,
    member: str | None = None,
    run: int | None = None,
    audit: bool = False,
    last: int | None = None,
    follow: bool = False,
) -> LogView:
    """Ask for records of a store.

    Args:
        folder: The store.
        worker: Name of a worker, or several.
        level: The lowest level, by name or as `logging` numbers them, or a range such as
            ``info..warning``.
        since: The first time.
        until: The last time.
        grep: Expression that texts have to match.
        request: Id of a request.
        member: Member that requests asked for.
        run: A run of the rig: 0 is the last one, -1 the one before, 1 the first.
        audit: Only who asked for what, of workers with `audit: true`.
        last: Only that many, the last ones.
        follow: Go on as records come, until `until` or the end of `run` if they are given;
            without `last`, only these.

    Raises:
        FileNotFoundError: There is no store.
        ValueError: A time, level, expression or run is none.
        TypeError: One of them is of a type that can't be one.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there are no logs in {folder}")
    logs = Logs(folder)
    query = Query(
        workers=_names(worker),
        levels=_levels(level),
        since=_seconds(since),
        until=_seconds(until, latest=True),
        grep=parse_grep(grep) if isinstance(grep, str) else grep,
        request=request,
        member=member,
        run=None if run is None else logs.run_number(run),
        logger=AUDIT_LOGGER if audit else None,
    )
    return LogView(logs, query, last=last, follow=follow)


def _read(logs: Logs, query: Query) -> list[Entry]:
    return list(logs.read(query))


def _names(worker: str | Iterable[str] | None) -> tuple[str, ...]:
    if worker is None:
        return ()
    names = (worker,) if isinstance(worker, str) else worker
    names = tuple(names) if isinstance(names, Iterable) else (names,)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"worker is a name, or several, not {name!r:.60}")
    return names


def _levels(level: str | int | None) -> tuple[int, int] | None:
    if level is None:
        return None
    if isinstance(level, str):
        return parse_levels(level)
    if not isinstance(level, int) or isinstance(level, bool):
        raise TypeError(f'level is a name such as "warning", or a number, not {level!r:.60}')
    return level, max(LEVELS.values())


def _seconds(when: When | None, *, latest: bool = False) -> float | None:
    if when is None or isinstance(when, int | float):
        return when
    if isinstance(when, str):
        return parse_time(when, now=time.time(), latest=latest)
    if isinstance(when, timedelta):
        return time.time() - when.total_seconds()
    if isinstance(when, datetime):
        return when.timestamp()
    raise TypeError(f"a time is a text, a number, a datetime or a timedelta, not {when!r:.60}")

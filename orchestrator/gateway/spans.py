"""From the log's records to what a trace tells of each request. No OpenTelemetry here.

Pure: records and `now` in, requests that are complete out. The broker records each request once
its client is answered (`levels.SPAN_LOGGER`), its worker how long the driver took. What else was
recorded of it joins them, if it comes within `LINGER`: streams of several processes are read, and
lag behind each other by a little.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any, NamedTuple

from orchestrator.logs.read.lookup import Cursor, Entry
from transports.levels import AUDIT_LOGGER, DRIVER, SPAN_LOGGER

LINGER = 1.0
"""Seconds for which records of a request are waited for once it was answered."""
MOST_RECORDS = 100
"""Records of one request that are told; more are counted."""
MOST_TEXT = 64 * 1024
"""Characters of them, likewise: a batch of requests stays below what collectors take."""
MOST_REQUESTS = 10_000
"""Requests that are kept while they run, and again of those that are over."""

Key = tuple[str, str]
"""Worker and request."""


class Found:
    """What was recorded of a request so far.

    Attributes:
        records: Those that its worker, its driver and the rig made.
        drivers: Those that tell how long the driver took; several if it was asked several times.
        left_out: How many records there are beside these.
        size: Characters of the records.
    """

    def __init__(self) -> None:
        self.records: list[Entry] = []
        self.drivers: list[Entry] = []
        self.left_out = self.size = 0

    def add(self, record: Entry) -> None:
        """Add a record, if there is room for it."""
        size = self.size + len(record.event) + len(record.exception or "")
        if len(self.records) < MOST_RECORDS and size <= MOST_TEXT:
            self.records.append(record)
            self.size = size
        else:
            self.left_out += 1


class Told(NamedTuple):
    """A request that is complete, or what came after that.

    Attributes:
        request: What the broker recorded of it.
        found: What belongs to it.
        is_late: Whether it was told before, and this is what its driver did past its time.
    """

    request: Entry
    found: Found
    is_late: bool = False

    @property
    def fields(self) -> dict[str, Any]:
        """What the broker knows of it."""
        return self.request.fields or {}


class Joiner:
    """Joins the records of each request."""

    def __init__(self) -> None:
        self._found: OrderedDict[Key, Found] = OrderedDict()
        self._answered: deque[tuple[float, Entry]] = deque()
        self._over: OrderedDict[Key, Entry] = OrderedDict()
        self._late: list[Told] = []

    def take(self, entry: Entry, now: float) -> None:
        """Take the next record of the log; `now` is any clock's, the same as that of `due`."""
        if entry.request is None or entry.logger == AUDIT_LOGGER:
            return
        key = entry.worker, entry.request
        if entry.logger != SPAN_LOGGER:
            self._of(key).add(entry)
        elif entry.event != DRIVER:
            self._answered.append((now + LINGER, entry))
        elif key in self._over:
            late = Found()
            late.drivers.append(entry)
            self._late.append(Told(self._over[key], late, is_late=True))
        else:
            self._of(key).drivers.append(entry)

    def due(self, now: float, *, all_of_them: bool = False) -> list[Told]:
        """The requests for which nothing is waited for any more, in the order of their answers."""
        told, self._late = self._late, []
        while self._answered and (all_of_them or self._answered[0][0] <= now):
            _, entry = self._answered.popleft()
            key = entry.worker, entry.request or ""
            told.append(Told(entry, self._found.pop(key) if key in self._found else Found()))
            self._over[key] = entry
            if len(self._over) > MOST_REQUESTS:
                self._over.popitem(last=False)
        return told

    def place(self, read: Cursor) -> Cursor:
        """Where another one would have to begin, so that no request is missed.

        Args:
            read: Up to where records were taken.
        """
        if not self._answered:
            return read
        first = Cursor.parse(self._answered[0][1].cursor)
        return Cursor(first.segment, first.seq - 1)

    def _of(self, key: Key) -> Found:
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = Found()
            if len(self._found) > MOST_REQUESTS:
                self._found.popitem(last=False)
        return found

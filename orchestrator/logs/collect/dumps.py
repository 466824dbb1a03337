"""Stacks that faulthandler writes, line by line: one record each, and a count where they recur."""

from __future__ import annotations

import re

import msgspec

from orchestrator.logs.store.records import Record
from workers.output.stacks import begins_dump, continues_dump, summary

QUIET = 0.1
"""Seconds without a further line, after which stacks are taken for complete."""
MOST_LINES = 2000
"""Lines of one record; processes with many threads write more."""
WITHIN = 60.0
"""Seconds in which the same stacks aren't stored again, only counted."""

_MOST_KNOWN = 256  # stacks that are remembered
_ADDRESS = re.compile(r"0x[0-9a-f]+")


class Dump:
    """Gathers the lines of stacks on a stream into one record, which leads with what they say.

    It is true while it holds some.
    """

    def __init__(self) -> None:
        self._lines: list[Record] = []

    def __bool__(self) -> bool:
        return bool(self._lines)

    def gather(self, records: list[Record]) -> list[Record]:
        """The records, but lines of stacks are held back until all have come."""
        if not self._lines and not any(begins_dump(record.event) for record in records):
            return records
        given: list[Record] = []
        for record in records:
            if self._lines and (not continues_dump(record.event) or len(self._lines) >= MOST_LINES):
                given += self.take()
            if self._lines or begins_dump(record.event):
                self._lines.append(record)
            else:
                given.append(record)
        return given

    def take(self) -> list[Record]:
        """What was gathered, as one record; none if nothing was."""
        lines, self._lines = self._lines, []
        if not lines:
            return []
        text = "\n".join(record.event for record in lines).rstrip("\n")
        return [msgspec.structs.replace(lines[0], event=summary(text), exception=text)]


class Repeats:
    """Knows which stacks were stored a short while ago: of a crash loop, or of a driver that hangs.

    They are told from others by worker, text and time alone.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[float, int]] = {}

    def fold(self, record: Record) -> Record:
        """The record, without its stacks but with a count if they were stored within a minute."""
        if record.exception is None or not record.has_stacks:
            return record
        key = record.worker, _ADDRESS.sub("", record.exception)
        since, count = self._known.get(key, (record.time, 0))
        if not 0 <= record.time - since < WITHIN:
            since, count = record.time, 0
        self._known.pop(key, None)
        self._known[key] = since, count + 1
        while len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        if not count:
            return record
        fields = {**(record.fields or {}), "times": count + 1}
        return msgspec.structs.replace(record, exception=None, fields=fields)

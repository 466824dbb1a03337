"""A bound for records that anybody can cause, so that they can't push out those of workers.

Who sends nonsense to a rig, or requests that it refuses, makes records of it: as many as he
likes. Segments go when all are too much, whatever is in them; so each has room for a share of such
records only. What comes beyond that is counted, and told of once a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from orchestrator.logs.store.records import Record
from orchestrator.words import counted
from transports.levels import LEVELS

SHARE = 0.25
"""Part of a segment that they may take."""
LONGEST = 1024
"""Characters of each text of theirs."""
NOTICE_EVERY = 60.0
"""Seconds between records of how many weren't kept."""

_FIXED = 200  # bytes that any record takes, with its places in indexes
_HEAVIEST = LEVELS["warning"]  # errors are the rig's own
_LIFE = LEVELS["info"]  # what a rig says of its own life


class Strangers:
    """Lets a share of the records through that strangers may have caused.

    Args:
        rig: Name on the records that are about no worker.
        room: Bytes that those of a segment may take.
        clock: A clock that is never set, in seconds.
    """

    def __init__(
        self, rig: str, room: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rig = rig
        self._room = room
        self._clock = clock
        self._segment = -1
        self._used = 0
        self._dropped = 0
        self._last: Record | None = None
        self._told = -NOTICE_EVERY

    def sift(self, records: Sequence[Record], segment: int) -> list[Record]:
        """The records that are to be written to a segment, those about strangers cut.

        Args:
            records: In order of time.
            segment: A number that changes with the segment: in the next one there is room again.
        """
        if segment != self._segment:
            self._segment, self._used = segment, 0
        kept: list[Record] = []
        for record in records:
            if not self.may_be_theirs(record):
                kept.append(record)
                continue
            short = _cut(record)
            size = _size(short)
            if self._used + size > self._room:
                self._dropped += 1
                self._last = short
                continue
            self._used += size
            kept.append(short)
        if self._clock() - self._told >= NOTICE_EVERY:
            kept += self.notice()
        return kept

    def may_be_theirs(self, record: Record) -> bool:
        """Whether somebody who is no part of the rig may have caused a record.

        It is what the rig says of no worker, and not of its own life.
        """
        return (
            record.worker == self._rig
            and record.logger == ""
            and record.incarnation == 0
            and record.weight <= _HEAVIEST
            and record.weight != _LIFE
        )

    def notice(self) -> list[Record]:
        """A record of how many weren't kept, with the last of them; none if all were."""
        dropped, last = self._dropped, self._last
        if last is None:
            return []
        self._dropped, self._last, self._told = 0, None, self._clock()
        fields = {"dropped": dropped, "such_as": last.event, **(last.fields or {})}
        what = counted(dropped, "record")
        text = f"dropped {what} about strangers: their share of the logs is used up"
        return [
            Record(last.time, "warning", self._rig, 0, "record", text, logger="logs", fields=fields)
        ]


def _cut(record: Record) -> Record:
    """The record, its texts of bounded length."""
    changes: dict[str, Any] = {}
    for name in ("event", "request", "member", "exception", "raised"):
        text = getattr(record, name)
        if text is not None and len(text) > LONGEST:
            changes[name] = _short(text)
    fields = record.fields
    if fields and len(msgspec.json.encode(fields)) > LONGEST:
        # What isn't text is small, or nothing that the rig has said.
        changes["fields"] = {
            _short(key): _short(value if isinstance(value, str) else repr(value))
            for key, value in list(fields.items())[:16]
        }
    return msgspec.structs.replace(record, **changes) if changes else record


def _short(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}… ({len(text) - LONGEST} more characters)"


def _size(record: Record) -> int:
    texts = (record.event, record.request, record.member, record.exception, record.raised)
    fields = 0 if record.fields is None else len(msgspec.json.encode(record.fields))
    return _FIXED + fields + sum(len(text.encode("utf-8", "replace")) for text in texts if text)

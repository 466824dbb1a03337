"""A stream of a worker: bytes in, records out, each with the request that it belongs to.

What the C code of a driver prints has no request on it. The worker therefore puts marks into its
standard streams, where a request of the queued lane begins and where it ends;
`workers.output.request_marks` has their form. They are taken out here.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from typing import Any

import msgspec

from orchestrator.logs.collect.dumps import QUIET, Dump
from orchestrator.logs.collect.line_splitter import Line, LineSplitter
from orchestrator.logs.store.records import Record, Source, parse_line
from workers.output.pipes import STATES_EVERY


class _Mark(msgspec.Struct, array_like=True, frozen=True):
    time: float
    request: str | None = None
    member: str | None = None


_decode_mark = msgspec.json.Decoder(_Mark).decode
_NOTHING = _Mark(0.0)
_UNMARKED: dict[str, Any] = {}
_BLANK = Line(b"")
_WHOLE = _BLANK[1:]
_STRING = rb'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
_REST_OF_MARK = rb"\[\d++(?:\.\d++)?(?:,%b,%b)?\]\n" % (_STRING, _STRING)
"""What stands behind a mark's begin: a time alone, or with a request and a member."""


class StreamReader:
    """Turns what one stream brings into records.

    Args:
        fd: Where it is read; belongs to the caller.
        source: Whose stream it is.
        mark_begin: What the marks of this stream begin with; None when it has none.
        last_mark: The last mark that another reader found here, for one that takes over.
        clock: A clock that is never set, in seconds.

    Attributes:
        last_mark: The last mark that was found; empty if none was.
        due: When `take_due` has something to give, by `clock`; None if it hasn't.
    """

    def __init__(
        self,
        fd: int,
        source: Source,
        mark_begin: bytes | None = None,
        last_mark: bytes = b"",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.fd = fd
        self.source = source
        self.last_mark = last_mark
        self.due: float | None = None
        self._clock = clock
        self._lines = LineSplitter(overwrites=source.stream != "record")
        self._dump = Dump() if source.stream == "stderr" else None
        self._dump_due: float | None = None
        self._state = b""  # of a line that is overwritten: the last one that was shown
        self._state_due: float | None = None
        self._mark_begin = mark_begin
        self._marks: re.Pattern[bytes] | None = None
        if mark_begin is not None:
            self._marks = re.compile(rb"(?:\n" + re.escape(mark_begin) + _REST_OF_MARK + rb")+")
        self._running = self._mark(last_mark) or _NOTHING
        self._blank = False
        self._time = 0.0

    def feed(self, data: bytes, now: float) -> list[Record]:
        """The records that `data` completes.

        Args:
            data: Bytes of the stream.
            now: Seconds since the epoch: the time of lines that don't tell theirs.
        """
        lines = self._lines.feed(self._pass_marks(data))
        if lines and self._state:
            if lines[0].data == self._state:
                del lines[0]  # it was shown, and has ended as it was
            self._state = b""
        records = self._records(lines, now)
        if self._dump is not None:
            records = self._dump.gather(records)
        self._look_ahead()
        return records

    def take_due(self, now: float, *, all_of_it: bool = False) -> list[Record]:
        """What has waited for more to come for long enough: the state of a line, or stacks.

        Args:
            now: Seconds since the epoch.
            all_of_it: Nothing waits any longer.
        """
        records: list[Record] = []
        clock = math.inf if all_of_it else self._clock()
        state = self._lines.state
        if state != self._state and self._state_due is not None and self._state_due <= clock:
            self._state, self._state_due = state, self._clock() + STATES_EVERY
            records.append(self._record(Line(state), self._at(now, now)))
        if self._dump is not None and self._dump_due is not None and self._dump_due <= clock:
            records += self._dump.take()
        self._look_ahead()
        return records

    def end(self, now: float) -> list[Record]:
        """What is left at the end of the stream."""
        records = self._records(self._lines.end(), now)
        if self._blank:
            self._blank = False
            records.append(self._record(_BLANK, self._at(now, now)))
        if self._dump is not None:
            records = self._dump.gather(records) + self._dump.take()
        self.due = None
        return records

    def _pass_marks(self, data: bytes) -> bytes:
        """Take marks that `data` begins with and nothing was printed between; what is left.

        A worker that prints nothing is asked thousands of times a second: the last mark counts.
        """
        if self._marks is None or self._blank or self._state or not self._lines.is_empty:
            return data
        found = self._marks.match(data)
        if found is None:
            return data
        last = data.rindex(b"\n", 0, found.end() - 1) + 1
        if (mark := self._mark(data[last : found.end() - 1])) is None:
            return data
        self._running = mark
        return data[found.end() :]

    def _look_ahead(self) -> None:
        """Find out when something is due."""
        state = self._lines.state
        if not state:
            self._state, self._state_due = b"", None
        elif self._state_due is None:
            self._state_due = self._clock() + STATES_EVERY
        self._dump_due = self._clock() + QUIET if self._dump is not None and self._dump else None
        times = [self._dump_due, None if state == self._state else self._state_due]
        self.due = min((each for each in times if each is not None), default=None)

    def _records(self, lines: list[Line], now: float) -> list[Record]:
        if self.source.stream == "record":
            return [
                parse_line(line.data, self.source, now, _UNMARKED)
                if line[1:] == _WHOLE
                else self._record(line, now)
                for line in lines
                if line.data or line.dropped
            ]
        # They were printed before the next mark was written, and that one has a time.
        records: list[Record] = []
        printed: list[Line] = []
        for line in lines:
            mark = self._mark(line.data)
            if mark is None:
                if self._blank:
                    printed.append(_BLANK)
                self._blank = line == _BLANK
                if not self._blank:
                    printed.append(line)
                continue
            if printed and not self._blank and printed[-1][1:] == _WHOLE:
                # It had no end of its own: each mark begins with a newline.
                printed[-1] = printed[-1]._replace(torn=True)
            self._blank = False  # it was that newline
            if printed:
                before = self._at(mark.time, now)
                records += [self._record(each, before) for each in printed]
                printed.clear()
            self._running = mark
        if printed:
            at = self._at(now, now)
            records += [self._record(each, at) for each in printed]
        return records

    def _at(self, time: float, now: float) -> float:
        """`time`, but neither in the future nor before lines that came earlier by this stream."""
        if self._time > now:
            self._time = 0.0  # the clock was set back
        self._time = max(min(time, now), self._time)
        return self._time

    def _mark(self, data: bytes) -> _Mark | None:
        begin = self._mark_begin
        if begin is None or not data.startswith(begin):
            return None
        try:
            mark = _decode_mark(data.removeprefix(begin))
        except ValueError:
            return None  # something printed by chance; shown as any other line
        self.last_mark = data
        return mark

    def _record(self, line: Line, now: float) -> Record:
        source, running = self.source, self._running
        if line.dropped:
            return Record(
                now,
                "warning",
                source.worker,
                source.incarnation,
                source.stream,
                f"dropped {line.dropped} bytes: the line above was too long",
                request=running.request,
                member=running.member,
                fields={"dropped_bytes": line.dropped},
            )
        marks: dict[str, Any] = {name: True for name in ("cut", "torn") if getattr(line, name)}
        return parse_line(
            line.data, source, now, marks, request=running.request, member=running.member
        )

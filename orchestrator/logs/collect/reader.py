"""A stream of a worker: bytes in, records out, each with the request that it belongs to.

What the C code of a driver prints has no request on it. The worker therefore puts marks into its
standard streams, where a request of the queued lane begins and where it ends;
`workers.output.request_marks` has their form. They are taken out here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator.logs.collect.line_splitter import Line, LineSplitter
from orchestrator.logs.store.records import Record, Source, parse_line


class _Mark(msgspec.Struct, array_like=True, frozen=True):
    time: float
    request: str | None = None
    member: str | None = None


_decode_mark = msgspec.json.Decoder(_Mark).decode
_NOTHING = _Mark(0.0)
_UNMARKED: dict[str, Any] = {}
_BLANK = Line(b"")
_WHOLE = _BLANK[1:]


class StreamReader:
    """Turns what one stream brings into records.

    Args:
        fd: Where it is read; belongs to the caller.
        source: Whose stream it is.
        mark_begin: What the marks of this stream begin with; None when it has none.
        last_mark: The last mark that another reader found here, for one that takes over.

    Attributes:
        last_mark: The last mark that was found; empty if none was.
    """

    def __init__(
        self,
        fd: int,
        source: Source,
        mark_begin: bytes | None = None,
        last_mark: bytes = b"",
    ) -> None:
        self.fd = fd
        self.source = source
        self.last_mark = last_mark
        self._lines = LineSplitter()
        self._mark_begin = mark_begin
        self._running = self._mark(last_mark) or _NOTHING
        self._blank = False
        self._time = 0.0

    def feed(self, data: bytes, now: float) -> list[Record]:
        """The records that `data` completes.

        Args:
            data: Bytes of the stream.
            now: Seconds since the epoch: the time of lines that don't tell theirs.
        """
        return self._records(self._lines.feed(data), now)

    def end(self, now: float) -> list[Record]:
        """What is left at the end of the stream."""
        records = self._records(self._lines.end(), now)
        if self._blank:
            self._blank = False
            records.append(self._record(_BLANK, self._at(now, now)))
        return records

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

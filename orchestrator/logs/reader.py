"""A stream of a worker: bytes in, records out, each with the request that it belongs to.

What the C code of a driver prints has no request on it. The worker therefore puts marks into its
standard streams, where a request of the queued lane begins and where it ends; `workers.marks`
has their form. They are taken out here.
"""

from __future__ import annotations

import msgspec

from orchestrator.logs.lines import Line, LineSplitter
from orchestrator.logs.records import Record, Source, parse_line

HELLO = b"\x1eorch-marks "
"""Begins the line by which a stream tells the key of its marks."""


class _Mark(msgspec.Struct, array_like=True, frozen=True):
    time: float
    request: str | None = None
    member: str | None = None


_decode_mark = msgspec.json.Decoder(_Mark).decode
_NOTHING = _Mark(0.0)
_UNMARKED: dict[str, bool] = {}
_WHOLE = Line(b"")[1:]


class StreamReader:
    """Turns what one stream brings into records.

    Args:
        fd: Where it is read; belongs to the caller.
        source: Whose stream it is.
    """

    def __init__(self, fd: int, source: Source) -> None:
        self.fd = fd
        self.source = source
        self._lines = LineSplitter()
        self._mark_begin: bytes | None = None
        self._running = _NOTHING
        self._blank = False

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
            records.append(self._record(Line(b""), now))
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
                    printed.append(Line(b""))
                self._blank = line == Line(b"")
                if not self._blank:
                    printed.append(line)
                continue
            self._blank = False  # it was the newline by which each mark begins
            before = min(now, mark.time) if mark.time else now
            records += [self._record(each, before) for each in printed]
            printed.clear()
            self._running = mark
        records += [self._record(each, now) for each in printed]
        return records

    def _mark(self, data: bytes) -> _Mark | None:
        if self._mark_begin is None:
            if not data.startswith(HELLO):
                return None
            self._mark_begin = b"\x1e" + data.removeprefix(HELLO)
            return _NOTHING
        if not data.startswith(self._mark_begin):
            return None
        try:
            return _decode_mark(data.removeprefix(self._mark_begin))
        except ValueError:
            return None  # something printed by chance; shown as any other line

    def _record(self, line: Line, now: float) -> Record:
        source = self.source
        if line.dropped:
            return Record(
                now,
                "warning",
                source.worker,
                source.incarnation,
                source.stream,
                f"dropped {line.dropped} bytes: the line above was too long",
                fields={"dropped_bytes": line.dropped},
            )
        marks = {name: True for name in ("cut", "torn") if getattr(line, name)}
        running = self._running
        return parse_line(
            line.data, source, now, marks, request=running.request, member=running.member
        )

"""What workers write, on its way to the rig: read from their pipes, and kept while that is away."""

from __future__ import annotations

import os
from collections.abc import Callable

from orchestrator.hosts.messages import Output
from orchestrator.hosts.whole_lines import WholeLines
from orchestrator.logs.collect.kernel import enlarge
from orchestrator.logs.collect.streams import Streams
from workers.output.request_marks import mark_begin

STREAMS = ("stdout", "stderr", "record")
CHUNK = 65536
"""Bytes that are read at a time."""
PIPE = 1 << 18
"""Bytes that a stream holds while nobody reads it, where the system lets us choose."""


class _End:
    """The read end of a stream."""

    def __init__(self, worker: str, incarnation: int, stream: str, mark: str) -> None:
        self.worker = worker
        self.incarnation = incarnation
        self.stream = stream
        self.mark = mark
        self.lost = 0
        self.lines = WholeLines()
        self.rest = b""  # of records: what isn't a whole one yet, as half of one can't be read


class Pipes:
    """The streams of workers.

    Args:
        send: Sends what was written.
        has_room: Whether what is sent now is kept for the rig; else it is counted as lost.

    Attributes:
        paused: Streams of which the rig has more than it can store.
    """

    def __init__(self, send: Callable[[Output, bytes], None], has_room: Callable[[], bool]) -> None:
        self._send = send
        self._has_room = has_room
        self._ends: dict[int, _End] = {}
        self.paused: set[tuple[str, int, str]] = set()

    @property
    def fds(self) -> list[int]:
        """What is readable when something was written."""
        return list(self._ends)

    def unpaused(self) -> list[int]:
        """Those of them for which the rig has room: who writes to others may wait."""
        return [
            fd
            for fd, end in self._ends.items()
            if (end.worker, end.incarnation, end.stream) not in self.paused
        ]

    def open_streams(self, worker: str, incarnation: int) -> Streams:
        """Make the three streams of an incarnation. Raises OSError: too many open files."""
        made: dict[int, _End] = {}
        writers: list[int] = []
        try:
            for stream in STREAMS:
                reader, writer = os.pipe()
                writers.append(writer)
                mark = "" if stream == "record" else mark_begin(reader).decode()
                made[reader] = _End(worker, incarnation, stream, mark)
                os.set_blocking(reader, False)
                enlarge(writer, PIPE)
        except OSError:
            for fd in (*made, *writers):
                os.close(fd)
            raise
        self._ends |= made
        return Streams(*writers)

    def forget(self, worker: str, incarnation: int, how: str | None = None) -> None:
        """An incarnation has ended: all that it wrote is sent."""
        for fd, end in list(self._ends.items()):
            if (end.worker, end.incarnation) == (worker, incarnation):
                while self.read(fd):
                    pass
                if fd in self._ends:  # somebody else still has the other end
                    self._close(fd)

    def unblock(self, worker: str, incarnation: int) -> bool:
        """As `processes.Collects.unblock`: what is written is always read, or counted as lost."""
        return False

    def read(self, fd: int) -> bool:
        """Send what a stream has; whether there was any. One that is over is closed."""
        end = self._ends.get(fd)
        if end is None:
            return False
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._close(fd)
            return False
        self._pass(end, data)
        return True

    def _pass(self, end: _End, data: bytes) -> None:
        if end.stream == "record":
            data = end.rest + data
            cut = data.rfind(b"\n") + 1 or (len(data) if len(data) > CHUNK else 0)
            data, end.rest = data[:cut], data[cut:]
        has_room = self._has_room()
        kept, lost = end.lines.keep(data, has_room=has_room)
        end.lost += lost
        if has_room:
            self._tell(end, kept)

    def _tell(self, end: _End, data: bytes) -> None:
        """Send what was kept, with how much was lost before it; nothing of neither."""
        if data or end.lost:
            self._send(Output(end.worker, end.incarnation, end.stream, end.mark, end.lost), data)
            end.lost = 0

    def _close(self, fd: int) -> None:
        end = self._ends.pop(fd)
        os.close(fd)
        self._tell(end, end.rest)

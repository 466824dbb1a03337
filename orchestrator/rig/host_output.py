"""What workers of other hosts wrote, on its way into the rig's log."""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Callable
from typing import Any

from orchestrator.hosts.channel import ROOM
from orchestrator.hosts.whole_lines import WholeLines
from orchestrator.logs.collect.streams import Streams
from orchestrator.rig.keeper import Waits
from orchestrator.rig.processes import Collects
from workers.output.request_marks import mark_begin

PAUSE = 1 << 20
"""Bytes of one stream that wait above which its worker is to wait too, and below half of which it
goes on."""
TELL_EVERY = 1.0
"""Seconds between records of what was lost."""

_Life = tuple[str, int]


class _Stream:
    """The write end of a stream, and what it had no room for."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.waiting: deque[bytes] = deque()
        self.size = 0
        self.lines = WholeLines()
        self._own = mark_begin(fd)
        self._rest = b""

    def translated(self, data: bytes, mark: bytes) -> bytes:
        """What is to be written: marks bear the number of the pipe that they were written to, and
        are to bear this one's. The begin of one that isn't whole yet waits for the rest."""
        if not mark:
            return data
        data = (self._rest + data).replace(mark, self._own)
        cut = data.rfind(mark[:1], -len(mark))
        is_begun = cut >= 0 and mark.startswith(data[cut:])
        self._rest = data[cut:] if is_begun else b""
        return data[:cut] if is_begun else data


class HostOutput:
    """Writes what came from hosts into streams that are collected.

    Args:
        logs: Collects.
        loop: Waits for room.
        record: Writes a record: level, text, fields.

    Attributes:
        paused: Streams of which more waits than is good: worker, incarnation, name.
        changed: Called when these are others.
    """

    def __init__(
        self,
        logs: Collects,
        loop: Waits,
        record: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self._logs = logs
        self._record = record
        self._call_later = loop.call_later
        self.paused: tuple[tuple[str, int, str], ...] = ()
        self.changed: Callable[[], None] = lambda: None
        self._lost: dict[tuple[str, int, str], int] = {}  # bytes, by life and reason
        self._lives: dict[_Life, Streams] = {}
        self._streams: dict[_Life, dict[str, _Stream]] = {}
        self._ending: set[_Life] = set()
        self._late: set[_Life] = set()  # of lives that were over when this came
        self._room = select.epoll()
        self._by_fd: dict[int, tuple[_Life, _Stream]] = {}
        loop.watch(self._room.fileno(), self._has_room)

    def expect(self, worker: str, incarnation: int, streams: Streams) -> None:
        """A worker is about to live whose streams these are."""
        life = (worker, incarnation)
        self._lives[life] = streams
        fds = {"stdout": streams.stdout, "stderr": streams.stderr, "record": streams.records}
        self._streams[life] = {name: _Stream(fd) for name, fd in fds.items()}
        for fd in fds.values():
            os.set_blocking(fd, False)

    def write(
        self, worker: str, incarnation: int, stream: str, data: bytes, mark: str = ""
    ) -> None:
        """A worker wrote something; also one whose life is over by now.

        Args:
            worker, incarnation: Whose life it was.
            stream: `stdout`, `stderr` or `record`.
            data: What was written.
            mark: What marks of requests in it begin with.
        """
        life = (worker, incarnation)
        if life not in self._streams:
            try:
                self.expect(worker, incarnation, self._logs.open_streams(worker, incarnation))
            except (OSError, ValueError) as error:
                self.lost(worker, incarnation, len(data), f"there is no stream for it: {error}")
                return
            self._late.add(life)
        found = self._streams[life].get(stream)
        if found is None or not (data := found.translated(data, mark.encode())):
            return
        has_room = found.size + len(data) <= ROOM
        data, lost = found.lines.keep(data, has_room=has_room)
        if lost:
            self.lost(worker, incarnation, lost, "the log collector is too slow")
        if found.waiting and data:
            found.waiting.append(data)
            found.size += len(data)
            self._look(life, stream, found)
        elif data:
            self._put(life, found, data)

    def _look(self, life: _Life, name: str, stream: _Stream) -> None:
        """Whether who writes to it is to wait, or may go on."""
        key = (*life, name)
        if key not in self.paused and stream.size > PAUSE:
            self.paused = (*self.paused, key)
        elif key in self.paused and stream.size < PAUSE // 2:
            self.paused = tuple(each for each in self.paused if each != key)
        else:
            return
        self.changed()

    def lost(self, worker: str, incarnation: int, size: int, why: str) -> None:
        """So many bytes of a worker's output won't be in the log."""
        key = (worker, incarnation, why)
        if not self._lost:
            self._call_later(TELL_EVERY, self._tell)
        self._lost[key] = self._lost.get(key, 0) + size

    def _tell(self) -> None:
        lost, self._lost = self._lost, {}
        for (worker, incarnation, why), size in lost.items():
            about = {"worker": worker, "incarnation": incarnation, "bytes": size}
            self._record("warning", f"output of another host is lost: {why}", about)

    def end(self, worker: str, incarnation: int) -> None:
        """A worker writes no more: its streams are closed once all of that is written."""
        life = (worker, incarnation)
        if life in self._streams:
            self._ending.add(life)
            self._close_if_done(life)

    def _put(self, life: _Life, stream: _Stream, data: bytes) -> None:
        """Write what there is room for; the rest waits."""
        try:
            written = os.write(stream.fd, data)
        except BlockingIOError:
            written = 0
        except BrokenPipeError:  # nobody collects it any more: the rig ends
            return
        if written < len(data):
            stream.waiting.appendleft(data[written:])
            stream.size = sum(map(len, stream.waiting))
            if stream.fd not in self._by_fd:
                self._by_fd[stream.fd] = (life, stream)
                self._room.register(stream.fd, select.EPOLLOUT)

    def _has_room(self) -> None:
        for fd, _ in self._room.poll(0):
            life, stream = self._by_fd[fd]
            self._put(life, stream, stream.waiting.popleft())
            stream.size = sum(map(len, stream.waiting))
            self._look(life, self._name(life, stream), stream)
            if not stream.waiting:
                self._room.unregister(fd)
                del self._by_fd[fd]
                self._close_if_done(life)

    def _name(self, life: _Life, stream: _Stream) -> str:
        return next(name for name, each in self._streams[life].items() if each is stream)

    def _close_if_done(self, life: _Life) -> None:
        if life not in self._ending or any(each.waiting for each in self._streams[life].values()):
            return
        self._ending.discard(life)
        self._lives.pop(life).close()
        del self._streams[life]
        if life in self._late:
            self._late.discard(life)
            self._logs.forget(*life)

    def close(self) -> None:
        """Let go of all streams."""
        self._tell()
        self._room.close()
        for streams in self._lives.values():
            streams.close()
        self._lives.clear()
        self._streams.clear()

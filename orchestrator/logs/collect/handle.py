"""The supervisor's side of log collection: makes the streams, and keeps a collector running."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from orchestrator.logs.collect import control
from orchestrator.logs.collect.kernel import ending, enlarge, is_full, unread
from orchestrator.logs.collect.news import NewsIn
from orchestrator.logs.collect.outbox import Outbox
from orchestrator.logs.collect.own_output import OwnOutput
from orchestrator.logs.collect.streams import Streams
from orchestrator.logs.store.segments import Run
from orchestrator.logs.store.shared import Shared
from orchestrator.version import version
from transports.levels import LEVELS
from workers.output.pipes import Stream
from workers.search_path import own_environment
from workers.stop_signals import held_back

PIPE_SIZES: dict[Stream, int] = {"stdout": 1 << 20, "stderr": 1 << 20, "record": 256 << 10}
"""Bytes that a stream holds while nobody reads it, where the system lets us choose. What C code
prints waits for room, and its driver with it; a record waits for nothing."""
GENEROUS = 16
"""Workers whose pipes are of these sizes; further ones have the system's. Who takes up a user's
share of pipe memory, 64 MiB, makes all of this user's new pipes tiny."""
_LAST_BREATH = 0.5  # seconds for a collector that closed its socket to end
STUCK = 1.0
"""Seconds without a turn after which a collector with much to read is taken for stuck."""


@dataclass(eq=False, slots=True)
class _ReadEnd:
    """Our copy of a stream's read end: without a reader, the worker's writes would fail."""

    fd: int
    stream: control.Collect
    ended: bool = False


class LogCollector:
    """A collector process, and the streams that it reads.

    The kernel keeps what was written and not yet read, so neither a worker's death nor the
    collector's loses it. Belongs to one thread, the supervisor's.

    Attributes:
        folder: Where the log store is.
        run: What is known of this life of the rig; its number is found when it is stored.
        records: File descriptor (non-blocking) for the supervisor's own records, in which each
            record names its worker.
    """

    records: int

    def __init__(
        self, folder: Path, run: Run, *, stderr: int, rig: str, options: list[str]
    ) -> None:
        self.folder = folder
        self.run = run
        self._stderr = stderr
        self._rig = rig
        about = {"run": run.id, "started": run.started, "pid": run.pid}
        about |= {"config": run.config, "release": run.version}
        given = [f"--{name}={value}" for name, value in about.items() if value is not None]
        self._options = [f"--folder={folder}", f"--rig={rig}", *given, *options]
        self._read_ends: list[_ReadEnd] = []
        self._shared = Shared()
        self._verdict: str | None = None
        self._own: OwnOutput | None = None
        self._closed = False
        self._lost = 0
        self._hidden: tuple[str, ...] = ()

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        rig: str,
        level: str = "info",
        stderr: int = 2,
        keep: int | None = None,
        keep_for: float | None = None,
        json_lines: bool = True,
        config: str | None = None,
    ) -> Self:
        """Start a collector process; it counts as the start of a run.

        Args:
            folder: The rig's log store, created with mode 0700.
            rig: Name of the rig.
            level: The lowest level of the records that are shown on `stderr`; the store gets all.
            stderr: File descriptor for people to look at.
            keep: Bytes of logs that are kept; None is the collector's own default.
            keep_for: Seconds for which they are; None is for ever.
            json_lines: Whether printed lines that are JSON are read as records.
            config: Path of the rig's config.

        Raises:
            ValueError: There is no such level.
            OSError: The folder can't be used, or the process not started.
            NotImplementedError: This system can't hand file descriptors to another process.
        """
        if not hasattr(socket, "send_fds"):
            raise NotImplementedError("log collection needs a system that can pass descriptors")
        if level not in LEVELS:
            raise ValueError(f"no level {level!r}: use one of {', '.join(LEVELS)}")
        folder = folder.absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        run = Run(
            number=0,
            id=secrets.token_hex(8),
            started=time.time(),
            pid=os.getpid(),
            config=config,
            version=version(),
        )
        given = {"level": level, "keep": keep, "keep-for": keep_for}
        options = [f"--{name}={value}" for name, value in given.items() if value is not None]
        options += [] if json_lines else ["--plain-lines"]
        collector = cls(folder, run, stderr=stderr, rig=rig, options=options)
        try:
            collector._spawn(None)
        except OSError:
            collector._shared.close()
            raise
        try:
            collector.records = collector._open_stream(
                control.Collect(rig, 0, "record", shared=True)
            )
        except OSError:
            collector._kill()
            collector._let_go()
            raise
        os.set_blocking(collector.records, False)
        return collector

    def hide(self, texts: Iterable[str]) -> None:
        """Have these texts masked too in whatever is collected from now on."""
        self._hidden = tuple(dict.fromkeys((*self._hidden, *texts)))
        for text in self._hidden:
            self._send(control.Hide(text), [])

    def collect_own_output(self) -> None:
        """Have what this process itself prints collected, until `close`, as the rig's output.

        `stderr`, for people to look at, stays what it was.

        Raises:
            OSError: Too many open files.
        """
        self._own = OwnOutput(
            lambda stream: self._open_stream(control.Collect(self._rig, 0, stream))
        )
        self._stderr = self._own.stderr

    @property
    def pid(self) -> int:
        """Process id of the present collector."""
        return self._process.pid

    @property
    def sentinel(self) -> int:
        """File descriptor that is readable when there may be `news`.

        New after `restart`; it is -1 when `restart` failed.
        """
        return self._socket.fileno()

    @property
    def returncode(self) -> int | None:
        """Exit status of the present collector, negative for a signal; None while it runs."""
        return self._process.poll()

    @property
    def unwritten(self) -> int:
        """How many records wait, or are lost, because the store can't be written; 0 while it can.

        After `close`: how many are lost.
        """
        if self._closed:
            return self._lost
        return self._shared.unsettled if self._shared.is_refused else 0

    def counts(self) -> dict[str, object]:
        """What became of records since the rig began: `written` by level, `lost`, `unwritten`."""
        written, lost = self._shared.sums()
        return {"written": written, "lost": lost, "unwritten": self.unwritten}

    def open_streams(self, worker: str, incarnation: int) -> Streams:
        """Make the three streams of a worker's incarnation, and have them collected.

        Raises:
            ValueError: This incarnation has its streams already.
            OSError: Too many open files.
        """
        self._sweep()
        if self._outbox.is_beyond(len(self._read_ends)):
            self._process.kill()  # as good as dead; the sentinel will tell
        if any(self._of(end, worker, incarnation) for end in self._read_ends):
            raise ValueError(f"{worker} {incarnation} has its streams already")
        made: list[int] = []
        try:
            for stream in ("stdout", "stderr", "record"):
                made.append(self._open_stream(control.Collect(worker, incarnation, stream)))  # noqa: PERF401  `made` is needed when the second fails
        except OSError:
            for fd in made:
                os.close(fd)
            self.forget(worker, incarnation)
            raise
        return Streams(*made)

    def forget(self, worker: str, incarnation: int, how: str | None = None) -> None:
        """The incarnation has ended: let go of its streams, as soon as all of them was read.

        What is still in them would be lost if the collector died now; they are kept for the next
        one until then.

        Args:
            worker: Its name.
            incarnation: Number of its life.
            how: How it died, in words; its last lines are stored beside them.
        """
        self._send(control.Ended(worker, incarnation, how), [])
        for end in self._read_ends:
            if self._of(end, worker, incarnation):
                end.ended = True
        self._sweep()

    def restart(self) -> None:
        """Start another collector, and hand it all live streams. Kills the present one if needed.

        Raises:
            OSError: The process can't be started; may be called again.
        """
        self._kill()
        self._outbox.close()
        self._socket.close()
        self._spawn(self._verdict or ending(self._process.returncode))
        self._verdict = None
        self._sweep()
        self.hide(self._hidden)
        for end in self._read_ends:
            self._hand_over(end)

    def unblock(self, worker: str, incarnation: int) -> bool:
        """Kill the collector if a worker can't get on because what it prints isn't read.

        To be called for a worker that takes too long. The sentinel becomes readable then, and
        `restart` tells why. A collector that reads is left alone, however much there is to read.

        Args:
            worker: Its name.
            incarnation: Number of its life.

        Returns:
            Whether the collector was killed.
        """
        idle = 0.0 if self._closed else self._shared.since_turn()
        if idle < STUCK or self._verdict is not None or self.returncode is not None:
            return False
        ends = [end for end in self._read_ends if self._of(end, worker, incarnation)]
        if not any(end.stream.stream != "record" and is_full(end.fd) for end in ends):
            return False
        self._verdict = (
            f"was killed: {worker} waited to print, and it had not read for {idle:.0f} s"
        )
        self._process.kill()
        return True

    def close(self, timeout: float) -> None:
        """Have all streams read to their end, and end the collector.

        All write ends should be closed before; a stream that isn't is left in time.

        Args:
            timeout: Seconds until it is killed.
        """
        if self._closed:
            return
        self._closed = True
        if self._own is not None:
            self._own.give_back()
            self._stderr = 2
        deadline = time.monotonic() + timeout
        os.close(self.records)
        if self.returncode is not None:
            try:
                self.restart()  # somebody has to read what is still in the streams
            except OSError:
                self._let_go()
                return
        self._send(control.Close(time.monotonic() + timeout * 0.8), [])
        with suppress(OSError):  # it has ended, which is waited for
            self._outbox.drain(deadline)
        try:
            self._process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            self._kill()
        self._let_go()

    def _let_go(self) -> None:
        self._outbox.close()
        self._socket.close()
        for end in self._read_ends:
            os.close(end.fd)
        self._read_ends.clear()
        if self._shared.fd >= 0:
            self._lost = self._shared.unsettled
        self._shared.close()

    def _spawn(self, after: str | None) -> None:
        self._shared.turn()  # it has time to start
        ours, theirs = socket.socketpair()
        arguments = [
            *(sys.executable, "-P", "-m", "orchestrator.logs.collect.collector"),
            f"--control={theirs.fileno()}",
            f"--shared={self._shared.fd}",
            *self._options,
        ]
        if after is not None:
            arguments.append(f"--after={after}")
        try:
            with theirs, held_back():
                self._process = subprocess.Popen(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._stderr,
                    env=own_environment(dict(os.environ)),
                    pass_fds=[theirs.fileno(), self._shared.fd],
                    start_new_session=True,
                )
        except OSError:
            ours.close()
            raise
        # A collector that doesn't read must not stop the supervisor.
        ours.setblocking(False)
        self._socket = ours
        self._outbox, self._inbox = Outbox(ours), NewsIn(ours)

    def _open_stream(self, stream: control.Collect) -> int:
        read_fd, write_fd = os.pipe()
        os.set_blocking(read_fd, False)
        if len(self._read_ends) < GENEROUS * len(PIPE_SIZES):
            enlarge(write_fd, PIPE_SIZES[stream.stream])
        stream = msgspec.structs.replace(stream, slot=self._shared.take_slot())
        end = _ReadEnd(read_fd, stream)
        self._read_ends.append(end)
        self._hand_over(end)
        return write_fd

    def _hand_over(self, end: _ReadEnd) -> None:
        self._send(end.stream, [end.fd])

    def _send(self, message: control.Message, fds: list[int]) -> None:
        # A dead one is told by the sentinel, and its successor gets every stream.
        with suppress(OSError):
            self._outbox.send(message, fds)

    def news(self) -> list[control.News] | None:
        """What the collector has told, when the sentinel is readable; None when it has died."""
        with suppress(OSError):  # it tells when it has read; of its death below
            self._outbox.flush()
        return self._inbox.take()

    def _kill(self) -> None:
        # It may just be ending by itself, and how it ends is worth telling.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_BREATH)
        self._process.kill()
        self._process.wait()

    def _sweep(self) -> None:
        """Close the read ends of ended incarnations that have been read."""
        kept = []
        for end in self._read_ends:
            if end.ended and not unread(end.fd):
                os.close(end.fd)
                self._shared.give_slot(end.stream.slot)
            else:
                kept.append(end)
        self._read_ends = kept

    def _of(self, end: _ReadEnd, worker: str, incarnation: int) -> bool:
        stream = end.stream
        return not stream.shared and (stream.worker, stream.incarnation) == (worker, incarnation)

"""The collector: a process that reads what all workers print and record, and writes it down.

It reads pipes whose bytes the kernel keeps when their writer dies, and lives in a session of its
own, so that Ctrl-C, which ends the others, leaves it to see their end. It ends when its
supervisor says so or is gone, after the streams have ended or a deadline is over.
"""

from __future__ import annotations

import argparse
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.logs import control
from orchestrator.logs.display import Display, wants_colour
from orchestrator.logs.lines import Line, LineSplitter
from orchestrator.logs.records import LEVELS, Record, Source, encode, parse_line
from orchestrator.logs.sinks import LogFile, Screen

CHUNK = 64 * 1024
"""Bytes read from a stream in one turn: no stream can keep the others waiting."""

ORPHAN_GRACE = 5.0
"""Seconds to go on reading after the supervisor died without a word."""

_FINAL_READS = 64  # chunks still taken from a stream that has not ended by the deadline
_SCREEN_GRACE = 0.5


class _Reader:
    """A stream and what was read of its last line."""

    def __init__(self, fd: int, source: Source) -> None:
        self.fd = fd
        self.source = source
        self.lines = LineSplitter()


class Collector:
    """Reads streams in fair turns; each turn's records go to the file and the screen.

    Args:
        supervisor: Socket that brings streams; owned from here on.
        file: Where records go.
        screen: Where people look.
        display: How records look there.
        level: The lowest level of a record that is shown; output lines always are, and the file
            gets everything.
        rig: Name on the collector's own records.
    """

    def __init__(
        self,
        supervisor: socket.socket,
        *,
        file: LogFile,
        screen: Screen,
        display: Display,
        level: str,
        rig: str,
    ) -> None:
        self._supervisor = supervisor
        self._file = file
        self._screen = screen
        self._display = display
        self._weight = LEVELS[level]
        self._rig = rig
        self._selector = selectors.DefaultSelector()
        self._readers: set[_Reader] = set()
        self._messages = b""
        self._fds: list[int] = []
        self._deadline: float | None = None
        self._shown: list[bytes] = []
        supervisor.setblocking(False)
        self._selector.register(supervisor, selectors.EVENT_READ)

    def run(self) -> None:
        """Collect until the supervisor is gone or said so, and the streams have ended."""
        while not self._done():
            for key, _ in self._selector.select(self._timeout()):
                if isinstance(key.data, _Reader):
                    self._read(key.data)
                else:
                    self._read_messages()
            self._write_down()
        for reader in sorted(self._readers, key=lambda reader: reader.source):
            self._give_up(reader)
        self._write_down(force=True)
        self._file.close()
        if self._file.dropped:
            lost = f"{self._file.dropped} records are lost: {self._file.path} can't be written"
            self._screen.show([self._display.render(self._own("error", lost)).encode()])
        self._screen.close(_SCREEN_GRACE)
        self._selector.close()

    def note(self, level: str, event: str, **fields: Any) -> None:
        """Add a record of the collector itself."""
        self._add(self._own(level, event, **fields))

    def _done(self) -> bool:
        return self._deadline is not None and (
            not self._readers or time.monotonic() >= self._deadline
        )

    def _timeout(self) -> float | None:
        now = time.monotonic()
        waits = [self._file.wait(now)]
        if self._deadline is not None:
            waits.append(max(self._deadline - now, 0.0))
        return min((wait for wait in waits if wait is not None), default=None)

    # --- streams

    def _read(self, reader: _Reader) -> bool:
        """Take one chunk. False when there is nothing more for now."""
        try:
            data = os.read(reader.fd, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._end(reader)
            return False
        self._take(reader, reader.lines.feed(data))
        return True

    def _end(self, reader: _Reader) -> None:
        self._take(reader, reader.lines.end())
        self._readers.discard(reader)
        self._selector.unregister(reader.fd)
        os.close(reader.fd)

    def _give_up(self, reader: _Reader) -> None:
        """Leave a stream that somebody still holds open, with what it brought so far."""
        for _ in range(_FINAL_READS):
            if not self._read(reader):
                break
        if reader in self._readers:
            self._end(reader)

    def _take(self, reader: _Reader, lines: list[Line]) -> None:
        now = time.time()
        source = reader.source
        for line in lines:
            if line.dropped:
                event = f"dropped {line.dropped} bytes: the line above was too long"
                self._add(
                    Record(
                        now,
                        "warning",
                        source.worker,
                        source.incarnation,
                        source.stream,
                        event,
                        fields={"dropped_bytes": line.dropped},
                    )
                )
            elif line.data or source.stream != "record":
                marks = {name: True for name in ("cut", "torn") if getattr(line, name)}
                self._add(parse_line(line.data, source, now, marks))

    # --- messages of the supervisor

    def _read_messages(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._supervisor, control.MAX_MESSAGE, 16)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []  # a dead supervisor, told in another way
        self._fds += fds
        if not data:
            self._selector.unregister(self._supervisor)
            self._supervisor.close()
            self._close_by(ORPHAN_GRACE)
            return
        *lines, self._messages = (self._messages + data).split(b"\n")
        for line in lines:
            message = control.decode(line)
            if isinstance(message, control.Close):
                self._close_by(message.timeout)
            elif self._fds:
                self._collect(self._fds.pop(0), message.source)
            else:
                # A descriptor comes with the first byte of its message, or not at all.
                source = message.source
                what = f"{source.stream} of {source.worker} {source.incarnation}"
                self.note("error", f"{what} is not collected: too many open files")

    def _collect(self, fd: int, source: Source) -> None:
        os.set_blocking(fd, False)
        reader = _Reader(fd, source)
        self._readers.add(reader)
        self._selector.register(fd, selectors.EVENT_READ, reader)

    def _close_by(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        if self._deadline is None or deadline < self._deadline:
            self._deadline = deadline

    # --- records

    def _own(self, level: str, event: str, **fields: Any) -> Record:
        return Record(
            time.time(), level, self._rig, 0, "record", event, logger="logs", fields=fields or None
        )

    def _add(self, record: Record) -> None:
        self._file.append(encode(record))
        if record.stream != "record" or record.weight >= self._weight:
            self._show(record)

    def _show(self, record: Record) -> None:
        self._shown.append(self._display.render(record).encode())

    def _write_down(self, *, force: bool = False) -> None:
        """Flush the file, tell once when that fails and once when it works again."""
        file = self._file
        before, dropped = file.failure, file.dropped
        file.flush(time.monotonic(), force=force)
        if file.failure is not None and before is None:
            self._show(self._own("error", f"{file.path} can't be written: {file.failure}"))
        elif file.failure is None and before is not None:
            file.dropped = 0
            event = f"{file.path} can be written again: dropped {dropped} records"
            self.note("warning", event, dropped=dropped)
            file.flush(time.monotonic())
        shown, self._shown = self._shown, []
        self._screen.show(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the collector; its arguments are the supervisor's business.

    Returns:
        The exit status, 0.
    """
    options = _parse(arguments)
    # The supervisor ends this process, by their socket. A signal that was meant for all processes
    # of the rig must not silence those that are still to end.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    _raise_file_limit()
    display = Display(colour=wants_colour(sys.stderr, os.environ))

    def notice(dropped: int) -> bytes:
        event = f"dropped {dropped} lines here, where nobody read them: see {options.file}"
        record = Record(time.time(), "warning", options.rig, 0, "record", event, logger="logs")
        return Display().render(record).encode()

    collector = Collector(
        socket.socket(fileno=options.control),
        file=LogFile(options.file),
        screen=Screen(2, notice),
        display=display,
        level=options.level,
        rig=options.rig,
    )
    if options.after:
        collector.note("warning", f"log collector started again: the last one {options.after}")
    collector.run()
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="orchestrator.logs.collector")
    parser.add_argument("--control", type=int, required=True, help="fd of the supervisor's socket")
    parser.add_argument("--file", type=Path, required=True, help="where records are appended")
    parser.add_argument("--rig", required=True, help="name on the collector's own records")
    parser.add_argument("--level", choices=LEVELS, default="info", help="lowest level shown")
    parser.add_argument("--after", help="how the collector before this one ended")
    return parser.parse_args(arguments)


def _raise_file_limit() -> None:
    """Allow as many open files as the system lets us: there are three a worker."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())

"""Where records go: a file, and a screen that may be slow, stuck or gone."""

from __future__ import annotations

import errno
import os
import select
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

# The file stays usable after these: it is the space that is missing.
_NO_SPACE = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


class LogFile:
    """Appends lines to a file, and outlasts a full disk.

    What can't be written is kept up to `limit` bytes and tried again; beyond that it is dropped
    and counted.

    Args:
        path: The file; it is created with mode 0600.
        limit: Bytes kept while the file can't be written.
        retry: Seconds between attempts.
    """

    def __init__(self, path: Path, *, limit: int = 4 * 1024 * 1024, retry: float = 0.5) -> None:
        self.path = path
        self.failure: str | None = None
        """Why the last attempt to write failed; None when it didn't."""
        self.dropped = 0
        """Lines lost since the file could last be written."""
        self._limit = limit
        self._retry = retry
        self._retry_at = 0.0
        self._fd: int | None = None
        self._pending = bytearray()

    def append(self, line: bytes) -> None:
        """Add a line, newline included; `flush` writes it."""
        if self.failure is not None and len(self._pending) + len(line) > self._limit:
            self.dropped += 1
        else:
            self._pending += line

    def wait(self, now: float) -> float | None:
        """Seconds until `flush` should be called again; None: not before there is a new line."""
        return None if self.failure is None else max(self._retry_at - now, 0.0)

    def flush(self, now: float, *, force: bool = False) -> None:
        """Write what was added, unless an attempt failed a moment ago.

        Args:
            now: Monotonic time in seconds.
            force: Try even then.
        """
        if self.failure is not None and now < self._retry_at and not force:
            return
        try:
            if self._fd is None:
                self._fd = self._open()
            while self._pending:
                written = os.write(self._fd, self._pending)
                del self._pending[:written]
        except OSError as error:
            self.failure = error.strerror or str(error)
            self._retry_at = now + self._retry
            if error.errno not in _NO_SPACE:
                self._close()
        else:
            self.failure = None

    def close(self) -> None:
        """Close the file. What couldn't be written is lost, and counted in `dropped`."""
        self.dropped += self._pending.count(b"\n")
        self._pending.clear()
        self._close()

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        fd = os.open(self.path, flags, 0o600)
        # A writer that was killed may have left half a line: ours begin on a line of their own.
        size = os.lseek(fd, 0, os.SEEK_END)
        if size:
            os.lseek(fd, size - 1, os.SEEK_SET)
            if os.read(fd, 1) != b"\n":
                self._pending[:0] = b"\n"
        return fd

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class Screen:
    """Shows lines on a file descriptor from a thread of its own, which alone may block there.

    The descriptor is shared with other processes, so it isn't made non-blocking. While it takes
    nothing, up to `limit` bytes wait; what comes then isn't shown, but counted.

    Args:
        fd: Where to write.
        notice: Makes the line that tells how many weren't shown.
        limit: Bytes that may wait.
    """

    def __init__(
        self, fd: int, notice: Callable[[int], bytes], *, limit: int = 1024 * 1024
    ) -> None:
        self._fd = fd
        self._notice = notice
        self._limit = limit
        self._changed = threading.Condition()
        self._waiting: list[bytes] = []
        self._size = 0
        self._dropped = 0
        self._closing = False
        self._gone = False
        # A daemon: it may be blocked in a write for ever, and must not keep the process.
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)
        self._thread.start()

    def show(self, lines: Sequence[bytes]) -> None:
        """Show lines as soon as the screen takes them. Returns at once."""
        if not lines or self._gone:
            return
        with self._changed:
            for line in lines:
                # After a loss nothing more is queued before the notice of it, to keep the order.
                if self._dropped or self._size + len(line) > self._limit:
                    self._dropped += 1
                else:
                    self._waiting.append(line)
                    self._size += len(line)
            self._changed.notify()

    def close(self, timeout: float) -> None:
        """Show what waits, for `timeout` seconds at the most."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._dropped or self._closing)
                lines, self._waiting = self._waiting, []
                dropped, self._dropped = self._dropped, 0
                self._size = 0
                if not lines and not dropped:
                    return
            if dropped:
                lines.append(self._notice(dropped))
            try:
                self._write(b"".join(lines))
            except OSError:
                self._gone = True  # a closed pipe or terminal: nobody looks any more
                return

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest[:65536]) :]
            except BlockingIOError:
                # Whoever shares the descriptor has made it non-blocking.
                if hasattr(select, "poll"):
                    poll = select.poll()
                    poll.register(self._fd, select.POLLOUT)
                    poll.poll(1000)
                else:
                    select.select([], [self._fd], [], 1)

"""The screen: where people look, which may be slow, stuck or gone."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Sequence

from orchestrator.logs.store.records import Record


class Screen:
    """Shows records on a file descriptor from a thread of its own, which alone may block there.

    The descriptor is shared with other processes, so it isn't made non-blocking. While it takes
    nothing, up to `limit` bytes wait; what comes then isn't shown, but counted.

    Args:
        fd: Where to write.
        render: Makes a record's line.
        notice: Makes the record that tells how many weren't shown.
        limit: Bytes that may wait.
    """

    def __init__(
        self,
        fd: int,
        render: Callable[[Record], str],
        notice: Callable[[int], Record],
        *,
        limit: int = 1024 * 1024,
    ) -> None:
        self._fd = fd
        self._render = render
        self._notice = notice
        self._limit = limit
        self._changed = threading.Condition()
        self._waiting: list[bytes] = []
        self._size = 0
        self._dropped = 0
        self._closing = False
        self.is_gone = _is_null(fd)
        """Nobody will ever look any more."""
        # A daemon: it may be blocked in a write for ever, and must not keep the process.
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)
        self._thread.start()

    def show(self, records: Sequence[Record]) -> None:
        """Show records as soon as the screen takes them. Returns at once."""
        if not records or self.is_gone:
            return
        with self._changed:
            for record in records:
                # After a loss nothing more is queued before the notice of it, to keep the order.
                if self._dropped or self._size >= self._limit:
                    self._dropped += 1
                else:
                    line = self._render(record).encode()
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
                with self._changed:
                    lines.append(self._render(self._notice(dropped)).encode())
            try:
                self._write(b"".join(lines))
            except OSError:
                self.is_gone = True  # a closed pipe or terminal: nobody looks any more
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


def _is_null(fd: int) -> bool:
    """Nobody can ever read what is written there."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(os.devnull))
    except OSError:
        return False

"""Has the thread that serves look at what has changed elsewhere."""

from __future__ import annotations

import contextlib
import socket


class Nudges:
    """A socket that wakes up whoever polls it; many nudges are as good as one."""

    def __init__(self) -> None:
        self._nudged, self._nudger = socket.socketpair()
        self._nudged.setblocking(False)
        self._nudger.setblocking(False)

    def fileno(self) -> int:
        """Readable when there was a nudge."""
        return self._nudged.fileno()

    def give(self) -> None:
        """Nudge; from any thread, and after the end too."""
        with contextlib.suppress(BlockingIOError, OSError):  # full of nudges, or closed
            self._nudger.send(b"\0")

    def take(self) -> None:
        """Take those that were given."""
        drain(self._nudged)

    def close(self) -> None:
        """Release the file descriptors."""
        self._nudged.close()
        self._nudger.close()


def drain(wake: socket.socket) -> None:
    """Read the bytes that only wake somebody up."""
    with contextlib.suppress(BlockingIOError):
        wake.recv(4096)

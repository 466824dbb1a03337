"""A file descriptor that another thread can make readable, on every system."""

from __future__ import annotations

import socket


class Wakeup:
    """Ends a poll from another thread.

    Attributes:
        fd: To be polled for input.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self.fd = self._reader.fileno()

    def wake(self) -> None:
        """Make `fd` readable. Does nothing after `close`."""
        try:
            self._writer.send(b"\0")
        except BlockingIOError:
            return  # full, so readable already
        except OSError:
            if self._writer.fileno() != -1:
                raise

    def clear(self) -> None:
        """Make `fd` unreadable again; what was queued before the call is to be looked at after."""
        try:
            self._reader.recv(4096)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close both ends."""
        self._writer.close()  # first: another thread may be about to wake
        self._reader.close()

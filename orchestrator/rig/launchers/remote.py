"""A worker on another host, as its rig sees it."""

from __future__ import annotations

import os
from collections.abc import Callable

from orchestrator.core.children import Exit


class RemoteHandle:
    """A worker's process on another host; see `launchers.handle.Handle`.

    Args:
        pid: Its process there.
        signal: Has it signalled there.
    """

    is_here = False
    has_streams = True

    def __init__(self, pid: int, signal: Callable[[str], None]) -> None:
        self.pid = pid
        self.sentinel = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._signal = signal
        self._exit: Exit | None = None

    def end(self, exit_: Exit) -> None:
        """It has ended, or counts as such: only the first word on it is taken."""
        if self._exit is None:
            self._exit = exit_
            os.eventfd_write(self.sentinel, 1)

    def ended(self) -> Exit | None:
        """How it ended; None if it lives."""
        return self._exit

    def signal(self, how: str) -> None:
        """As `Handle.signal`."""
        if self._exit is None:
            self._signal(how)

    def insist(self) -> str:
        """As `Handle.insist`; what is found comes later, by a message."""
        self.signal("insist")
        return ""

    def close(self) -> None:
        """Release what is held for it."""
        os.close(self.sentinel)

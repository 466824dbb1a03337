"""Signals that end programs, and helper processes that leave them to the supervisor.

They may come to all processes of a rig at once, also to one that has only just been started and
has no handlers yet: there they would end it, or leave a traceback. So they are held back by the
kernel while a helper process starts, and the helper takes them up when it has handlers.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@contextmanager
def held_back() -> Iterator[None]:
    """Start processes meanwhile in which stop signals wait until `take_up`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def take_up() -> None:
    """Have stop signals come from here on: this process has handlers for them."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

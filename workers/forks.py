"""A child that a driver forks is the driver's alone: it serves nobody, and ends as its code says.

Forked from a worker it has the worker's signal handlers and stands in the middle of its loop.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import traceback
from collections.abc import Collection

_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
"""Signals for which a worker or a supervisor may have a handler of its own."""
_lock = threading.Lock()
_guarded = False
_forked = False


def guard(blocked: Collection[int] = (), dumps: int | None = None) -> None:
    """Have what is forked from here on give up what it has of the worker.

    Args:
        blocked: Signals that its threads don't take.
        dumps: The signal at which stacks are written.
    """
    global _guarded
    with _lock:
        if _guarded:
            return
        _guarded = True

    masks = threading.local()

    def hold() -> None:
        # What comes before the child has let go of the handlers would be lost: Python drops it.
        masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)

    def go_on() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.before)

    def let_go() -> None:
        global _forked
        _forked = True
        signal.set_wakeup_fd(-1)
        for number in _HANDLED:
            if callable(signal.getsignal(number)):
                how = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
                signal.signal(number, how)
        if dumps is not None:
            faulthandler.unregister(dumps)
        go_on()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)

    os.register_at_fork(before=hold, after_in_parent=go_on, after_in_child=let_go)


def end_child(error: BaseException | None = None) -> None:
    """End this process if a driver has forked it and its code is over; else do nothing.

    Args:
        error: What the code ended with; as at the end of a program, SystemExit has the status.
    """
    if not _forked:
        return
    status = 0
    if isinstance(error, SystemExit):
        code = error.code
        if code is not None and not isinstance(code, int):
            sys.stderr.write(f"{code}\n")
        status = code if isinstance(code, int) else int(code is not None)
    elif error is not None:
        traceback.print_exception(error)
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status & 0xFF)

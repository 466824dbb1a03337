"""A worker process doesn't outlive its supervisor, nor do the processes that its driver started.

The supervisor holds the only write end of a pipe and never writes to it. When it is gone,
however it ended, the pipe has an end of file.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import Any

from workers.errors import EXIT_SUPERVISOR_LOST

STACKS: int | None = signal.SIGRTMIN + 6 if hasattr(signal, "SIGRTMIN") else None
"""Signal at which a worker's process writes all its stacks to stderr, without its cooperation:
also while a driver holds the interpreter lock. A real-time one, which hardly anybody uses."""
PR_SET_PDEATHSIG = 1  # prctl(2)


def lead_group() -> bool:
    """Make this process the leader of its own session and group; tell whether it is one."""
    if not hasattr(os, "setsid"):
        return False
    with contextlib.suppress(PermissionError):  # a leader already
        os.setsid()
    return os.getpgrp() == os.getpid()


def watch(alive: int, supervisor_pid: int) -> None:
    """End this process, and its group if it leads one, when the supervisor is gone.

    Args:
        alive: Read end of the supervisor's pipe.
        supervisor_pid: The supervisor, as it knows itself; 0 if it isn't known.
    """
    leads = hasattr(os, "getpgrp") and os.getpgrp() == os.getpid()
    if leads and _arm(alive):
        _die_with(supervisor_pid)
    threading.Thread(
        target=_wait, args=(alive, leads), name="supervisor-watch", daemon=True
    ).start()


def _wait(alive: int, leads: bool) -> None:
    if STACKS is not None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {STACKS})
    while True:
        try:
            if not os.read(alive, 4096):
                break
        except OSError:
            break
    if leads and hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(EXIT_SUPERVISOR_LOST)


def _arm(alive: int) -> bool:
    """Let the kernel kill the whole group at the end of file; tell whether it will.

    A thread that waits for it needs the interpreter lock, and a driver may hold that for ever.
    Linux sends the signal by itself when input, or its end, comes (fcntl(2), F_SETSIG).
    """
    try:
        import fcntl
    except ImportError:
        return False
    set_signal: int | None = getattr(fcntl, "F_SETSIG", None)
    if set_signal is None or not hasattr(os, "O_ASYNC"):
        return False
    try:
        fcntl.fcntl(alive, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(alive, set_signal, signal.SIGKILL)
        fcntl.fcntl(alive, fcntl.F_SETFL, fcntl.fcntl(alive, fcntl.F_GETFL) | os.O_ASYNC)
    except OSError:
        return False
    return True


def _die_with(parent: int) -> None:
    """Ask Linux to kill this process with its parent, where that is the supervisor.

    It is for the case that another process holds the write end of the pipe as well. Only where
    the pipe is armed: this signal is for one process alone, and were it the first to come, the
    driver's children would live on.
    """
    if not sys.platform.startswith("linux") or not parent or os.getppid() != parent:
        return
    import ctypes

    libc: Any = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it went before the kernel was asked
        os._exit(EXIT_SUPERVISOR_LOST)

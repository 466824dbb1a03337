"""The keeper: the parent of one worker, which outlives it and leaves nothing of it behind.

A process of its own between the supervisor and a worker. Whatever a driver starts stays below it,
in whatever session, group or environment: Linux gives it all orphans (PR_SET_CHILD_SUBREAPER). It
reaps them as they end, so that there are no zombies, and when the worker is over it kills what is
left. That the driver is told apart from its neighbours' needs no mark in its processes.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from typing import Any, NoReturn

from workers.process.lifeline import descendants, kill_each

PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36  # prctl(2)
SERVER, KEEPER, WORKER = NAMES = ("orch-forkserver", "orch-keeper", "orch-worker")
"""What `ps` shows of the processes that are forked from the fork server, and of itself."""
STATUS = struct.Struct("!iQ")
"""What a keeper writes at the end: the worker's exit status, negative for a signal, and the most
KiB of memory that it had."""


def adopt_orphans() -> bool:
    """Have orphans among this process's descendants become its children; whether that works."""
    if not sys.platform.startswith("linux"):
        return False
    libc: Any = ctypes.CDLL(None)
    return bool(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def name_process(name: str) -> None:
    """Have `ps -o comm` and `top` show a name, 15 characters of it."""
    if sys.platform.startswith("linux"):
        libc: Any = ctypes.CDLL(None)
        libc.prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def _has_children() -> bool:
    """Whether anything is below this process. To look for it in /proc takes milliseconds, which
    whoever waits for the worker's answer would wait too."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def keep(worker: int, status: int) -> NoReturn:
    """Reap until the worker and all that was below it are over, tell its status, and end.

    Args:
        worker: Its process, a child of this one.
        status: File descriptor for the worker's exit status, see `STATUS`.
    """
    code: int | None = None
    memory = 0
    while True:
        try:
            pid, how, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        if pid == worker:
            code, memory = os.waitstatus_to_exitcode(how), usage.ru_maxrss
        if code is not None and _has_children():
            kill_each(descendants(os.getpid()))
    os.write(status, STATUS.pack(code if code is not None else -9, memory))
    os._exit(0)

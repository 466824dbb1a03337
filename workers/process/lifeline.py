"""A worker process doesn't outlive its supervisor, nor do the processes that its driver started.

The supervisor holds the only write end of a pipe and never writes to it. When it is gone,
however it ended, the pipe has an end of file.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
from typing import Any

from workers import threads
from workers.errors import EXIT_SUPERVISOR_LOST

STACKS: int | None = signal.SIGRTMIN + 6 if hasattr(signal, "SIGRTMIN") else None
"""Signal at which a worker's process writes all its stacks to stderr. A real-time one, which hardly
anybody uses, and which queues: it is to be sent twice, see `write_stacks`."""
FORCED_STACKS: int | None = None if STACKS is None else STACKS + 1
"""The same without the interpreter lock, for a driver that holds it in C. While Python code runs
the stacks change under the eyes of who reads them, which may crash the process."""
TERMINATE: int = signal.SIGTERM if STACKS is None else STACKS + 2
"""Signal by which the supervisor ends a worker. One of our own, so that a SIGTERM to all processes
at once, as from `kill`, systemd or a job scheduler, is told apart: it is the supervisor's to act
on, which stops the workers in their order."""
HELD = "GIL held"
STOPPED = "stopped by a signal"
"""What keeps a process from running Python code."""
PR_SET_PDEATHSIG = 1  # prctl(2)


def lead_group() -> bool:
    """Make this process the leader of its own session and group; tell whether it is one."""
    if not hasattr(os, "setsid"):
        return False
    with contextlib.suppress(PermissionError):  # a leader already
        os.setsid()
    return os.getpgrp() == os.getpid()


def descendants(pid: int) -> list[int]:
    """The processes below a process, in whatever group or session; none where /proc is missing."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    # its own name comes before, in parentheses, and may hold anything
                    parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found: list[int] = []
    below = [pid]
    while below:
        below = [child for each in below for child in children.get(each, ())]
        found += below
    return found


def kill_each(pids: list[int]) -> None:
    """Kill processes; those that are gone already are fine."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def hold_stacks() -> None:
    """Keep `STACKS` from all threads, and serve `FORCED_STACKS` in this one, the only one yet.

    See `write_stacks`.
    """
    if STACKS is not None and FORCED_STACKS is not None and hasattr(signal, "sigtimedwait"):
        faulthandler.register(FORCED_STACKS, file=2, all_threads=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, {STACKS})  # threads inherit this


def write_stacks() -> None:
    """Serve `STACKS` and `FORCED_STACKS`, in threads of our own, from now on.

    No other thread takes these signals: they would cut short what a driver waits for in C. Those
    that it started before let FORCED_STACKS come through, which the system gives to any of them.
    """
    if STACKS is None or FORCED_STACKS is None or not hasattr(signal, "sigtimedwait"):
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {FORCED_STACKS})
    threads.Thread(_write_stacks, "stacks", (STACKS,)).start()


def _write_stacks(number: int) -> None:
    """Write the stacks once Python code can run, so that they stand still.

    Each request is the signal twice. The first ends the wait; that the second is gone shows the
    supervisor that this thread has the interpreter lock. A third means that it came too late, and
    the stacks of the moment have been written without the lock.
    """
    while True:
        signal.sigwait({number})
        further = 0
        # the second follows the first, but not in the same instant
        while signal.sigtimedwait({number}, 0 if further else 1) is not None:
            further += 1
        if further < 2:
            faulthandler.dump_traceback(file=2, all_threads=True)


def ask_for_stacks(pid: int) -> None:
    """Ask a worker's process for its stacks."""
    if STACKS is not None:
        os.kill(pid, STACKS)
        os.kill(pid, STACKS)


def terminate(pid: int) -> None:
    """End a worker's process as its supervisor does: the driver is interrupted and closed."""
    os.kill(pid, TERMINATE)


def force_stacks(pid: int) -> str:
    """Have a process that was asked a while ago, and can't run Python code, write its stacks.

    Returns:
        What keeps it from that, `HELD` or `STOPPED`; empty if nothing does, or none can tell.
    """
    if STACKS is None or FORCED_STACKS is None:
        return ""
    hold = _hold_of(pid, STACKS)
    if hold == HELD:
        os.kill(pid, STACKS)
        os.kill(pid, FORCED_STACKS)
    return hold


def _hold_of(pid: int, number: int) -> str:
    """Why a process doesn't take a signal that was sent to it."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            status = dict(line.split(b":", 1) for line in file.read().splitlines())
    except OSError:
        return ""
    if status.get(b"State", b"").split()[:1] == [b"T"]:
        return STOPPED
    return HELD if int(status.get(b"ShdPnd", b"0"), 16) >> (number - 1) & 1 else ""


def tie(alive: int) -> None:
    """Have the system end this process' group when the supervisor is gone, where it can.

    Args:
        alive: Read end of the supervisor's pipe.
    """
    if _leads() and _arm(alive):
        _die_with_parent()


def watch(alive: int) -> None:
    """End this process, and its group if it leads one, when the supervisor is gone.

    Args:
        alive: Read end of the supervisor's pipe.
    """
    threads.Thread(_wait, "supervisor-watch", (alive, _leads())).start()


def _leads() -> bool:
    return hasattr(os, "getpgrp") and os.getpgrp() == os.getpid()


def _wait(alive: int, leads: bool) -> None:
    if FORCED_STACKS is not None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {FORCED_STACKS})
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


def _die_with_parent() -> None:
    """Ask Linux to kill this process with its parent: its keeper, or the supervisor itself.

    It is for the case that another process holds the write end of the pipe as well, and for that
    of a keeper that is killed. Only where the pipe is armed: this signal is for one process alone,
    and were it the first to come, the driver's children would live on.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    libc: Any = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

"""The dead that others left to the supervisor: it adopts all orphans below it, and reaps them."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path


def reap(keepers: set[int], own: Collection[int], *, shares: bool) -> None:
    """Reap adopted children that have ended, and nobody else's.

    What workers leave has another session than this process, and so has what reaches the first
    process of a container. What somebody here started and waits for is in this session, or `own`.

    Args:
        keepers: Of workers; those that were reaped are taken out.
        own: Processes of the supervisor's that somebody waits for.
        shares: Whether drivers run as threads here: they may wait for any session's processes.
    """
    session = os.getsid(0)
    for pid in _dead_children():
        if pid in own:
            continue
        if pid not in keepers and (_session(pid) == session or (shares and os.getpid() != 1)):
            continue
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        keepers.discard(pid)


def _dead_children() -> list[int]:
    found = []
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found += [int(pid) for pid in path.read_text().split()]
    return [pid for pid in found if _stat(pid)[:1] == ["Z"]]


def _session(pid: int) -> int:
    stat = _stat(pid)
    return int(stat[3]) if stat else 0


def _stat(pid: int) -> list[str]:
    """State, parent, group, session and more of a process; empty if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()

"""The dead that others left to the supervisor: it adopts all orphans below it, and reaps them."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from workers.process.keeper import NAMES


class _Dead(NamedTuple):
    pid: int
    name: str
    session: int


def reap(own: Collection[int], *, shares: bool) -> None:
    """Reap adopted children that have ended, and nobody else's.

    What workers leave has another session than this process, and so has what reaches the first
    process of a container. What somebody here started and waits for is in this session, or `own`.

    Args:
        own: Processes of the supervisor's that somebody waits for.
        shares: Whether drivers run as threads here: they may wait for any session's processes, but
            for those that are ours by their names.
    """
    session = os.getsid(0)
    for dead in _dead_children():
        drivers = dead.session == session or (shares and os.getpid() != 1)
        if dead.pid in own or (drivers and dead.name not in NAMES):
            continue
        with suppress(ChildProcessError):
            os.waitpid(dead.pid, os.WNOHANG)


def _dead_children() -> list[_Dead]:
    found = []
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found += [_dead(pid) for pid in path.read_text().split()]
    return [each for each in found if each is not None]


def _dead(pid: str) -> _Dead | None:
    """What is known of a process if it is a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    state, _, _, session, *_ = rest.split()
    return _Dead(int(pid), name, int(session)) if state == "Z" else None

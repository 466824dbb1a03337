"""Memory that no core sees: what libzmq keeps of messages that aren't whole, or can't be read.

A message is handed over when its last frame is there, so one that never ends grows unseen. What
strangers send faster than it is read grows too, since nothing may stop at a receive mark. Who
sends the most then is cut off, which frees what it sent.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

from orchestrator.rig.connections import Connection, Connections

PERIOD = 0.25
"""Seconds between looks, while anybody is connected."""
ALLOWANCE = 768 * 1024 * 1024
"""Bytes by which the process may grow beyond what the core and the backlog know of."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


class MemoryGuard:
    """Cuts off who makes the rig's process grow.

    Args:
        connections: Who is connected.
        known: Bytes of requests and answers that the rig holds and bounds itself.
        told: Called with a connection that was cut off, and bytes of the process.
        allowance: Bytes that there may be beside what is known.
    """

    def __init__(
        self,
        connections: Connections,
        known: Callable[[], int],
        told: Callable[[Connection, int], None],
        allowance: int = ALLOWANCE,
    ) -> None:
        self._connections = connections
        self._known = known
        self._told = told
        self._limit = resident() + allowance
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def look(self) -> None:
        """Cut one connection off if there is too much; the next one at the next look."""
        size = resident()
        if size - self._known() <= self._limit:
            return
        if self._trim is not None:
            self._trim(0)  # what was freed isn't given back by itself
            size = resident()
            if size - self._known() <= self._limit:
                return
        connection = self._connections.cut_busiest()
        if connection is not None:
            self._told(connection, size)


def resident() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE

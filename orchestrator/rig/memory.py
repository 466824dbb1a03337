"""Memory that no core sees: what libzmq keeps of messages that aren't whole, or can't be read.

A message is handed over when its last frame is there, so one that never ends grows unseen. What
strangers send faster than it is read grows too, since nothing may stop at a receive mark. Who
sends the most then is cut off, which frees what it sent.

Of a connection whose identity is another one's, libzmq reads all and hands over nothing, and keeps
it when that connection is gone, until the socket is closed. So where there was one that nothing
was received by, or when cutting off doesn't help, the clients' socket is made anew.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable

from orchestrator.rig.connections import Connection, Connections

PERIOD = 0.25
"""Seconds between looks, while anybody is connected."""
ALLOWANCE = 768 * 1024 * 1024
"""Bytes by which the process may grow beyond what the core and the backlog know of."""
KEPT = 32 * 1024 * 1024
"""... of them where libzmq may keep what nobody receives; twice as much after each time that the
clients' socket was made anew, so that strangers can't have that done all the time."""
CALM = 240
"""Looks after which it is `KEPT` again."""
LOOKS = 4
"""Looks in a row at too large a process until its clients' socket is made anew."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


class MemoryGuard:
    """Cuts off who makes the rig's process grow.

    Args:
        connections: Who is connected.
        known: Bytes of requests and answers that the rig holds and bounds itself.
        told: Called with a connection that was cut off, and bytes of the process.
        is_keeping: Whether libzmq may keep what nobody receives.
        renew: Makes the clients' socket anew; called with bytes of the process.
        allowance: Bytes that there may be beside what is known.
    """

    def __init__(
        self,
        connections: Connections,
        known: Callable[[], int],
        told: Callable[[Connection, int], None],
        is_keeping: Callable[[], bool],
        renew: Callable[[int], None],
        allowance: int = ALLOWANCE,
    ) -> None:
        self._connections = connections
        self._known = known
        self._told = told
        self._is_keeping = is_keeping
        self._renew = renew
        self._allowance = allowance
        self._limit = resident() + allowance
        self._kept = KEPT
        self._looks = 0  # in a row at too much
        self._calm = 0  # looks since the socket was made anew
        self._renewed = False  # and nobody was cut off since
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def look(self) -> None:
        """Cut one connection off if there is too much; the next one at the next look."""
        self._calm += 1
        if self._calm == CALM:
            self._kept = KEPT
        limit = self._limit
        if self._is_keeping():
            limit -= max(0, self._allowance - self._kept)
        size = self._beyond_known()
        has_freed = self._calm == LOOKS  # by now the old socket is gone
        if (size > limit or has_freed) and self._trim is not None:
            self._trim(0)  # what was freed isn't given back by itself
            size = self._beyond_known()
        if size <= limit:
            self._looks, self._renewed = 0, False
            return
        self._looks += 1
        connection = self._connections.cut_busiest(unheard=size <= self._limit)
        if connection is not None:
            self._renewed = False
            self._told(connection, resident())
        if self._looks < LOOKS:
            return
        self._looks = 0
        if self._renewed and size > self._limit:
            # No connection's, since all are gone: an INPROC driver's.
            self._limit = size + self._allowance
        else:
            self._renewed = True
            self._calm = 0
            self._kept = min(2 * self._kept, self._allowance)
            self._renew(resident())

    def _beyond_known(self) -> int:
        return resident() - self._known()


def resident() -> int:
    """Resident bytes of this process."""
    return int(os.pread(_statm(), 256, 0).split()[1]) * _PAGE


@functools.cache
def _statm() -> int:
    """Opened once: when descriptors run out is no time to be blind."""
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)

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
KEPT = 24 * 1024 * 1024
"""... of them where libzmq may keep what nobody receives."""
SUSPECTS = 8
"""Connections by which nothing was received, from which on that may be what has grown."""
LOOKS = 4
"""Looks in a row at too large a process until its clients' socket is made anew; and looks after
which the old one is gone."""
PAUSE = 20
"""Looks until that may be done again for `KEPT`: strangers can't have it done all the time. The
least size meanwhile is what the process comes to without them."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


class MemoryGuard:
    """Cuts off who makes the rig's process grow.

    Args:
        connections: Who is connected.
        known: Bytes of requests and answers that the rig holds and bounds itself.
        told: Called with a connection that was cut off, and bytes of the process.
        unheard: How many connections there were by which nothing was received.
        emptied: How often all was received. What hasn't been is what may have grown, and is lost
            with the socket.
        renew: Makes the clients' socket anew; called with bytes of the process.
        allowance: Bytes that there may be beside what is known.
    """

    def __init__(
        self,
        connections: Connections,
        known: Callable[[], int],
        told: Callable[[Connection, int], None],
        unheard: Callable[[], int],
        emptied: Callable[[], int],
        renew: Callable[[int], None],
        allowance: int = ALLOWANCE,
    ) -> None:
        self._connections = connections
        self._known = known
        self._told = told
        self._unheard = unheard
        self._emptied = emptied
        self._renew = renew
        self._allowance = allowance
        self._floor = resident()
        self._least = self._floor  # since the socket was made anew
        self._limit = self._floor + allowance
        self._looks = 0  # in a row at too much
        self._times = 0  # that all was received, until the last look
        self._rested = PAUSE  # looks since the socket was made anew
        self._renewed = False  # and nobody was cut off since
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def look(self) -> None:
        """Cut one connection off if there is too much; the next one at the next look."""
        self._settle()
        has_read, self._times = self._emptied() > self._times, self._emptied()
        unheard = self._unheard()
        may_keep = has_read and unheard >= SUSPECTS  # libzmq what has grown
        limit = min(self._floor + KEPT, self._limit) if unheard else self._limit
        size = self._size(limit)
        if size <= limit:
            self._looks, self._renewed = 0, False
            return
        self._looks += 1
        is_early = size <= self._limit
        connection = self._connections.cut_busiest(unheard=is_early)
        if connection is not None:
            self._renewed = False
            self._told(connection, resident())
        if self._looks < LOOKS or (is_early and not (may_keep and self._rested == PAUSE)):
            return
        self._looks = 0
        if self._renewed and not is_early:
            # No connection's, since all are gone: an INPROC driver's.
            self._limit = size + self._allowance
        else:
            self._renewed = True
            self._rested = 0
            self._least = self._limit
            self._renew(resident())

    def _settle(self) -> None:
        """Learn what the process comes to once the old socket is gone.

        One look doesn't tell: strangers are back at once, and what they send isn't read yet.
        """
        if self._rested == PAUSE:
            return
        self._rested += 1
        if self._rested >= LOOKS:
            self._least = min(self._least, self._size(-1))
        if self._rested == PAUSE:
            self._floor = self._least

    def _size(self, limit: int) -> int:
        """Bytes beyond what is known, without what was freed if they are more than `limit`."""
        size = resident() - self._known()
        if size > limit and self._trim is not None:
            self._trim(0)
            size = resident() - self._known()
        return size


def resident() -> int:
    """Resident bytes of this process alone: files and frames that others have too don't count."""
    size, shared = os.pread(_statm(), 256, 0).split()[1:3]
    return (int(size) - int(shared)) * _PAGE


@functools.cache
def _statm() -> int:
    """Opened once: when descriptors run out is no time to be blind."""
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)

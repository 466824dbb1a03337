"""Waits for all that a rig listens to, at the price of the two sockets that requests go through.

What else there is, monitors, subscribers, ended processes and more, is seldom ready. It stands
behind one descriptor of the kernel's (epoll), so that a request costs the same in a rig of one
worker and of a hundred.
"""

from __future__ import annotations

import select
from collections.abc import Sequence
from typing import Any

import zmq

_POLLIN = int(zmq.POLLIN)


class Poller:
    """Polls some sockets, and others behind one descriptor.

    ZeroMQ tells by a socket's descriptor only that something has changed, and whatever is done
    with the socket takes that back. So the others are polled themselves after each turn that may
    have touched them: see `look`.
    """

    def __init__(self) -> None:
        self._all: list[tuple[Any, int]] = []
        self._others: list[tuple[Any, int]] = []
        self._first_and_epoll: list[tuple[Any, int]] = []
        self._epoll = select.epoll()
        self._is_touched = True

    def watch(
        self, first: Sequence[zmq.Socket[Any]], others: Sequence[zmq.Socket[Any] | int]
    ) -> None:
        """Listen to these, in place of those so far.

        Args:
            first: The sockets that are polled each time.
            others: Sockets and file descriptors that are seldom ready.
        """
        self._epoll.close()
        self._epoll = select.epoll()
        for source in others:
            fd = source if isinstance(source, int) else int(source.get(zmq.FD))
            self._epoll.register(fd, select.EPOLLIN)
        self._others = [(source, _POLLIN) for source in others]
        polled = [(source, _POLLIN) for source in first]
        self._all = polled + self._others
        self._first_and_epoll = [*polled, (self._epoll.fileno(), _POLLIN)]
        self._is_touched = True

    def look(self) -> None:
        """Have the others polled themselves next time: one of them was used meanwhile."""
        self._is_touched = True

    def wait(self, timeout: int) -> list[Any]:
        """What can be read.

        Args:
            timeout: Milliseconds to wait at most; -1 for as long as it takes.
        """
        if self._is_touched:
            ready = zmq.zmq_poll(self._all, timeout)
            self._is_touched = False
            return [source for source, _ in ready]
        found = [source for source, _ in zmq.zmq_poll(self._first_and_epoll, timeout)]
        if found and isinstance(found[-1], int):  # the epoll's, which is the last
            found[-1:] = [source for source, _ in zmq.zmq_poll(self._others, 0)]
        return found

"""Waits for all that a rig listens to, at the price of what requests go through.

What else there is, monitors, subscribers, ended processes and more, is seldom ready. It stands
behind one descriptor of the kernel's (epoll), so that a request costs the same in a rig of one
worker and of a hundred. So do lanes (`transports.lane`), behind one of their own; and while
nothing else is used, a third one has all of it, and costs a single call.
"""

from __future__ import annotations

import contextlib
import select
from collections.abc import Sequence
from typing import Any

import zmq

_POLLIN = int(zmq.POLLIN)
_IN = select.EPOLLIN
_IN_OUT = select.EPOLLIN | select.EPOLLOUT
_AT_A_TIME = 64
"""Lanes that are told of at once; the others come next."""


class Poller:
    """Polls some sockets, and others behind descriptors.

    ZeroMQ tells by a socket's descriptor only that something has changed, and whatever is done
    with the socket takes that back. So its sockets are polled themselves after each turn that may
    have touched them: see `look` and `wait`.
    """

    def __init__(self) -> None:
        self._all: list[tuple[Any, int]] = []
        self._others: list[tuple[Any, int]] = []
        self._first_and_epolls: list[tuple[Any, int]] = []
        self._epoll = select.epoll()
        self._is_touched = True
        self._lanes: dict[int, Any] = {}  # whose each is, by descriptor
        self._of_lanes = select.epoll()
        self._of_all = select.epoll()
        self._in_all: set[int] = set()  # besides lanes

    def watch(
        self, first: Sequence[zmq.Socket[Any]], others: Sequence[zmq.Socket[Any] | int]
    ) -> None:
        """Listen to these, in place of those so far.

        Args:
            first: The sockets that are polled each time.
            others: Sockets and file descriptors that are seldom ready.
        """
        for fd in self._in_all:
            with contextlib.suppress(OSError):  # its socket was closed
                self._of_all.unregister(fd)
        self._epoll.close()
        self._epoll = select.epoll()
        for source in others:
            fd = source if isinstance(source, int) else int(source.get(zmq.FD))
            self._epoll.register(fd, _IN)
        self._in_all = {self._epoll.fileno(), *(int(each.get(zmq.FD)) for each in first)}
        for fd in self._in_all:
            self._of_all.register(fd, _IN)
        self._others = [(source, _POLLIN) for source in others]
        polled = [(source, _POLLIN) for source in first]
        lanes = (self._of_lanes.fileno(), _POLLIN)
        self._all = [*polled, *self._others, lanes]
        self._first_and_epolls = [*polled, (self._epoll.fileno(), _POLLIN), lanes]
        self._is_touched = True

    def look(self) -> None:
        """Have the others polled themselves next time: one of them was used meanwhile."""
        self._is_touched = True

    def wait(self, timeout: int, *, is_used: bool = True) -> list[Any]:
        """What can be read.

        Args:
            timeout: Milliseconds to wait at most; -1 for as long as it takes.
            is_used: Whether one of the sockets that are polled each time was used since.
        """
        if self._lanes and not self._is_touched and not is_used:
            found = self._of_all.poll(-1 if timeout < 0 else timeout / 1000, _AT_A_TIME)
            ready = [self._lanes[fd] for fd, _ in found if fd in self._lanes]
            if len(ready) == len(found):
                return ready
            timeout = 0
        return self._wait_for_all(timeout)

    def _wait_for_all(self, timeout: int) -> list[Any]:
        polled = self._all if self._is_touched else self._first_and_epolls
        found = [source for source, _ in zmq.zmq_poll(polled, timeout)]
        self._is_touched = False
        if found and found[-1] == self._of_lanes.fileno():  # it is the last
            found[-1:] = [self._lanes[fd] for fd, _ in self._of_lanes.poll(0, _AT_A_TIME)]
        if self._epoll.fileno() in found:
            found.remove(self._epoll.fileno())
            found += [source for source, _ in zmq.zmq_poll(self._others, 0)]
        return found

    # -- lanes ----------------------------------------------------------------------------

    def enter(self, fd: int, guest: object) -> None:
        """Listen to a lane as well; `wait` gives `guest` when it is ready."""
        self._lanes[fd] = guest
        self._of_lanes.register(fd, _IN)
        self._of_all.register(fd, _IN)

    def leave(self, fd: int) -> None:
        """Listen to a lane no longer, before it is closed."""
        del self._lanes[fd]
        self._of_lanes.unregister(fd)
        self._of_all.unregister(fd)

    def want_room(self, fd: int, *, wanted: bool) -> None:
        """Tell also when something can be sent by a lane, or no longer."""
        events = _IN_OUT if wanted else _IN
        self._of_lanes.modify(fd, events)
        self._of_all.modify(fd, events)

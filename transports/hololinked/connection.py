"""A client's one connection to its server, lost and renewed in the open.

ZeroMQ reconnects by itself and tells nobody, so that an answer that went down with a server is
waited for without end; its monitor tells, but freezes a whole context if it is left unread. Here
the socket is set not to reconnect, and to refuse what it can't deliver. Then it shows by itself
when the server goes, on every transport, keeps showing it until we look, and hands nothing that
was meant for one server process to its successor.
"""

from __future__ import annotations

import time
from contextlib import suppress
from enum import Enum, auto
from typing import Any

import zmq

from transports.endpoints import parse_endpoint
from transports.frames import InterruptibleReader, TooManyFrames, send
from transports.headers import FRAMES, ZMQ_TRANSPORTS
from transports.serializers import Buffer

NEVER = 10**9
"""Milliseconds until ZeroMQ reconnects by itself: eleven days, and then anew.

-1 would switch it off, but would also drop answers that have arrived when the server goes.
"""
OPTIONS = {
    zmq.ROUTER_MANDATORY: 1,
    zmq.IMMEDIATE: 1,
    zmq.RECONNECT_IVL: NEVER,
}
"""What a client's ROUTER needs before it connects."""


class Sent(Enum):
    """What became of a message."""

    YES = auto()
    FULL = auto()
    """The server doesn't read: its queue is full."""
    UNREACHABLE = auto()


class Connection:
    """Frames in and out of a client's ROUTER, and whether its server is there.

    Args:
        socket: Made with `OPTIONS`, and connected.
        address: Where.

    Attributes:
        renewed_at: When the last attempt to connect was made, in monotonic seconds.
    """

    def __init__(self, socket: zmq.Socket[Any], address: str) -> None:
        self._socket = socket
        self._reader = InterruptibleReader(socket, FRAMES)
        self._address = address
        self.transport = parse_endpoint(address).transport
        self.renewed_at = time.monotonic()
        self._pending = self._inproc
        """An inproc connection to a name that nobody has bound yet."""

    @property
    def _inproc(self) -> bool:
        return self.transport is ZMQ_TRANSPORTS.INPROC

    def state(self) -> tuple[bool, bool]:
        """Whether messages wait to be received, and whether a peer is there to take one."""
        events = socket_events(self._socket)
        present = bool(events & zmq.POLLOUT)
        if present:
            self._pending = False
        return bool(events & zmq.POLLIN), present

    def send(self, frames: list[Buffer]) -> Sent:
        """Send one message now, or say why not."""
        try:
            send(self._socket, frames)
        except zmq.Again:
            return Sent.FULL
        except zmq.ZMQError as error:
            if error.errno == zmq.EHOSTUNREACH:
                return Sent.UNREACHABLE
            raise
        return Sent.YES

    def receive(self) -> list[Buffer] | TooManyFrames | None:
        """One message if there is one."""
        return self._reader.next()

    def renew(self) -> None:
        """Connect anew; where a connection stands, take it down, so that the next call does.

        A ROUTER ignores a second connection to a peer that it still knows, and for good.
        """
        self.renewed_at = time.monotonic()
        _, present = self.state()
        if self._inproc:
            # A standing connection goes when its server's socket does. A pending one can't be
            # taken back, libzmq aborts the process: it waits until the name is bound.
            if not present and not self._pending:
                self._pending = True
                self._socket.connect(self._address)
                self.state()
            return
        with suppress(zmq.ZMQError):  # ENOENT: it was never established
            self._socket.disconnect(self._address)
        if not present:
            self._socket.connect(self._address)


def socket_events(socket: zmq.Socket[Any]) -> int:
    """The events of a socket, POLLIN and POLLOUT."""
    events = socket.get(zmq.EVENTS)
    assert isinstance(events, int)
    return events

"""How a worker's lane reaches the rig: by a lane of packets where there is one, else by ZeroMQ.

Both do the same for who serves: one thread at a time waits, receives and sends.
"""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Sequence
from typing import Any, Protocol, Self

import zmq
from zmq.backend import Socket as BackendSocket

from transports import frames, lane
from transports.errors import ProtocolError
from transports.lane import PacketLane
from transports.link import CONTROL, encode_control, routing_id
from transports.serializers import Buffer
from workers.serving.keys import show_key
from workers.spec import Curve, WorkerSpec

log = logging.getLogger("workers")

LINGER = 500
"""Milliseconds that last messages may take to leave at the end."""

_recv = BackendSocket.recv
_IN = select.POLLIN
_OUT = select.POLLOUT

Request = Sequence[Any]
"""Number, header, payload, raw frame."""


class Link(Protocol):
    """A worker's lane, connected."""

    def watch(self, *fds: int) -> None:
        """Have `wait` look at these as well, and no others."""

    def wait(self, timeout: int) -> list[Self | int]:
        """Which of these can be read, the link itself among them.

        Args:
            timeout: Milliseconds at most; -1 for as long as it takes.
        """

    def receive(self) -> Request | None:
        """One message: its four frames, the last one uncopied; None if it isn't whole yet.

        To be called when `wait` has given the link. The frames are counted by the broker, which
        composed them.
        """

    def send(self, message: Sequence[Buffer]) -> None:
        """Send a message of four frames. Raises zmq.ZMQError if there is no room at all."""

    def close(self) -> None:
        """Let the last messages leave."""


class SocketLink:
    """By a DEALER of ZeroMQ, which any worker can."""

    def __init__(
        self,
        context: zmq.Context[Any],
        address: str,
        identity: bytes,
        curve: Curve | None = None,
    ) -> None:
        self._dealer: zmq.Socket[Any] = context.socket(zmq.DEALER)
        self._dealer.setsockopt(zmq.ROUTING_ID, identity)
        self._dealer.setsockopt(zmq.LINGER, LINGER)
        self._dealer.setsockopt(zmq.RCVHWM, 0)  # bounded by the lane's credit
        show_key(self._dealer, curve)
        self._dealer.connect(address)
        self.watch()

    def watch(self, *fds: int) -> None:
        """See `Link`."""
        self._watched: list[Any] = [(each, zmq.POLLIN) for each in (self._dealer, *fds)]

    def wait(self, timeout: int) -> list[Self | int]:
        """See `Link`."""
        found = zmq.zmq_poll(self._watched, timeout)
        return [self if ready is self._dealer else ready for ready, _ in found]

    def receive(self) -> Request:
        """See `Link`."""
        dealer = self._dealer
        number = _recv(dealer)
        header = _recv(dealer)
        payload = _recv(dealer)
        raw = _recv(dealer, 0, False)
        return number, header, payload, raw.buffer if len(raw) else b""

    def send(self, message: Sequence[Buffer]) -> None:
        """See `Link`."""
        frames.send(self._dealer, message)

    def close(self) -> None:
        """See `Link`."""
        self._dealer.close(linger=LINGER)


class LaneLink:
    """By packets, within one machine.

    Once the rig is gone nothing comes, and what is sent goes nowhere, as by ZeroMQ: who serves
    learns of it by the process's lifeline.
    """

    def __init__(self, own: PacketLane) -> None:
        self._lane = own
        self._poll = select.poll()
        self._poll.register(own.fd, _IN)
        self._fds: tuple[int, ...] = ()
        self._wants_room = False

    def watch(self, *fds: int) -> None:
        """See `Link`."""
        for fd in self._fds:
            self._poll.unregister(fd)
        for fd in fds:
            self._poll.register(fd, _IN)
        self._fds = fds

    def wait(self, timeout: int) -> list[Self | int]:
        """See `Link`."""
        own = self._lane
        if own.is_full is not self._wants_room:
            self._wants_room = own.is_full
            self._poll.modify(own.fd, _IN | _OUT if own.is_full else _IN)
        found: list[Self | int] = []
        for fd, events in self._poll.poll(timeout if timeout >= 0 else None):
            if fd != own.fd:
                found.append(fd)
                continue
            if events & _OUT:
                self._flush()
            if events & ~_OUT:
                found.append(self)
        return found

    def receive(self) -> Request | None:
        """See `Link`."""
        try:
            return self._lane.receive()
        except (EOFError, ProtocolError) as error:
            self._end(error)
            return None

    def send(self, message: Sequence[Buffer]) -> None:
        """See `Link`."""
        try:
            self._lane.post(message)
        except OSError as error:
            log.debug("the rig has gone: %s", error)

    def _flush(self) -> None:
        try:
            self._lane.flush()
        except OSError as error:
            self._end(error)

    def _end(self, reason: Exception) -> None:
        log.debug("the rig has ended a lane: %r", reason)
        self._poll = select.poll()
        for fd in self._fds:
            self._poll.register(fd, _IN)
        self._lane.close()
        self._wants_room = self._lane.is_full = False

    def close(self) -> None:
        """See `Link`."""
        deadline = time.monotonic() + LINGER / 1000
        self.watch()
        while self._lane.is_full and (left := deadline - time.monotonic()) > 0:
            self.wait(int(left * 1000) + 1)
        self._lane.close()


def open_link(context: zmq.Context[Any], spec: WorkerSpec, name: str) -> Link:
    """Connect a lane of a worker; the broker hears of it with `send_control(link, LaneOpen())`."""
    identity = routing_id(spec.token, name)
    if spec.lanes and lane.is_wanted():
        try:
            return LaneLink(lane.connect(spec.lanes, identity))
        except OSError as error:
            log.debug("no lane of packets to the rig: %s", error)
    return SocketLink(context, spec.link, identity, spec.curve)


def send_control(link: Link, control: Any, payload: bytes = b"") -> None:
    """Send a control message. Raises zmq.ZMQError if there is no room for it."""
    link.send([CONTROL, encode_control(control), payload, b""])

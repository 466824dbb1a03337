"""What a channel is plugged into: a lane of packets to a rig of this machine, else ZeroMQ's socket.

Both do the same for the channel. Nothing here waits but `poll`, which is polled by the channel.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import zmq

from orchestrator.client.framing import FramedReader, sender_of
from orchestrator.client.handshakes import HandshakeWatch
from orchestrator.client.interrupts import uninterrupted
from orchestrator.client.plug import prepare
from orchestrator.client.slots import OWN
from orchestrator.errors import RigNotReachable
from transports import lane
from transports.errors import ProtocolError
from transports.frames import events_of
from transports.headers import FRAMES
from transports.lane import PacketLane

if TYPE_CHECKING:
    from orchestrator.access.keys import ClientKey
    from orchestrator.client.exchange import Exchange
    from transports.serializers import Buffer

Announces = Callable[[bytes], bool]
"""Whether something is in a message's raw frame, by the header; asked once a message."""
_REPLY_FRAMES = FRAMES - 1  # the first one, the identity, is for the ROUTER
_IN = int(zmq.POLLIN)
_OUT = int(zmq.POLLOUT)
_IN_OUT = _IN | _OUT


class Plug(Protocol):
    """A connection to a rig, that there is or that is being made.

    Attributes:
        poll: Has the descriptor that tells when to look again, and others that its user adds.
        fd: That descriptor.
        moved: Changes when the other end takes or sends a part of what is on its way; a socket of
            ZeroMQ's doesn't tell.
    """

    poll: select.poll
    fd: int

    @property
    def moved(self) -> int:
        """See above."""

    @property
    def malformed(self) -> int:
        """How many messages weren't as they should be."""

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""

    @property
    def is_full(self) -> bool:
        """Whether it took no more, and its descriptor won't tell when it does."""

    def has_room(self) -> bool:
        """Whether a request would be taken now."""

    def has_input(self) -> bool:
        """Whether there may be a message."""

    def is_ready(self, *, wants_room: bool) -> bool:
        """Whether there is something to do, without that `poll` is waited for."""

    def send(self, exchange: Exchange) -> bool:
        """Send a request; whether it was taken. Its `sent` tells so too, if this is interrupted."""

    def next(self) -> list[Buffer] | None:
        """The next message without waiting, or None. `done()` says that it was taken.

        Raises:
            EOFError: The rig has ended the connection, and doesn't take it up again.
        """

    def done(self) -> None:
        """Forget the message that `next()` gave; without this it is given again."""

    def close(self) -> None:
        """Close it; what it still holds is dropped."""


class SocketPlug:
    """A DEALER of ZeroMQ, connected or about to be; see `Plug`."""

    is_full = False
    moved = 0

    def __init__(self, socket: zmq.Socket[Any], announces: Announces) -> None:
        self._socket = socket
        self._reader = reader = FramedReader(socket, _REPLY_FRAMES, announces)
        self.fd = socket.fileno()
        self.send = sender_of(socket)
        self.next = reader.next
        self.done = reader.done
        self.poll = select.poll()
        self.poll.register(self.fd, select.POLLIN)

    @property
    def malformed(self) -> int:
        """See `Plug`."""
        return self._reader.malformed

    @property
    def closed(self) -> bool:
        """See `Plug`."""
        return self._socket.closed

    def has_room(self) -> bool:
        """See `Plug`."""
        return bool(events_of(self._socket) & _OUT)

    def has_input(self) -> bool:
        """See `Plug`."""
        return bool(events_of(self._socket) & _IN)

    def is_ready(self, *, wants_room: bool) -> bool:
        """See `Plug`. Its descriptor tells changes only, and sending may have taken note of one."""
        return bool(events_of(self._socket) & (_IN_OUT if wants_room else _IN))

    def close(self) -> None:
        """See `Plug`."""
        self._socket.close(0)


class LanePlug:
    """A lane that the rig has welcomed; see `Plug`."""

    malformed = 0
    """None: what isn't as it should be ends a lane."""

    def __init__(self, own: PacketLane, announces: Announces) -> None:
        self._lane = own
        self._announces = announces
        self._frames: list[Buffer] | None = None
        self._is_gone = False
        self._wants_room = False
        self.closed = False
        self.fd = own.fd
        self.poll = select.poll()
        self.poll.register(own.fd, select.POLLIN)
        self._room = select.poll()
        self._room.register(own.fd, select.POLLOUT)

    @property
    def is_full(self) -> bool:
        """See `Plug`."""
        return self._lane.is_full

    @property
    def moved(self) -> int:
        """See `Plug`."""
        return self._lane.moved

    def has_room(self) -> bool:
        """See `Plug`."""
        if not self._lane.is_full:
            return not self._is_gone
        if not self._room.poll(0):
            return False
        try:
            return uninterrupted(PacketLane.flush, self._lane)
        except OSError:
            self._is_gone = True
            return False

    def has_input(self) -> bool:
        """See `Plug`."""
        return True  # to ask costs as much as to take one

    def is_ready(self, *, wants_room: bool) -> bool:
        """See `Plug`."""
        is_full = self._lane.is_full
        if is_full and self.has_room():
            is_full = False
        if is_full is not self._wants_room:
            self._wants_room = is_full
            events = select.POLLIN | select.POLLOUT if is_full else select.POLLIN
            self.poll.modify(self.fd, events)
        return self._is_gone or (wants_room and not is_full)

    def send(self, exchange: Exchange) -> bool:
        """See `Plug`."""
        taken: list[bool] = []
        try:
            exchange.sent = True
            uninterrupted(lambda frames: taken.append(self._lane.send(frames)), exchange.frames)
        except OSError:  # it has gone, which is told when all that it sent is read
            self._is_gone = True
        finally:
            exchange.sent = bool(taken and taken[0])
        return exchange.sent

    def next(self) -> list[Buffer] | None:
        """See `Plug`."""
        if self._frames is None:
            uninterrupted(LanePlug._take, self)
        return self._frames

    def _take(self) -> None:
        try:
            frames = self._lane.receive()
        except ProtocolError as error:
            raise EOFError from error
        if frames is not None:
            self._announces(bytes(frames[1]))
            self._frames = frames

    def done(self) -> None:
        """See `Plug`."""
        self._frames = None

    def close(self) -> None:
        """See `Plug`."""
        self.closed = True
        self._lane.close()


def lane_to(address: str, identity: str, announces: Announces) -> LanePlug | None:
    """A lane to the rig that takes requests at an address; None if there is none."""
    front = Path(address.removeprefix("ipc://"))
    if not address.startswith("ipc://") or front.name != OWN or not lane.is_wanted():
        return None
    try:
        own = lane.connect(str(front.with_name(lane.CLIENTS_FILE)), identity.encode())
    except OSError:  # it isn't up yet, is an older one, or wants none
        return None
    return LanePlug(own, announces)


def socket_to(
    address: str,
    identity: str,
    context: zmq.Context[Any],
    key: ClientKey | None,
    announces: Announces,
) -> tuple[SocketPlug, HandshakeWatch | None]:
    """A socket that connects to an address, and what watches its first handshake by tcp.

    Raises:
        RigNotReachable: The address can't be connected to at all.
    """
    socket: zmq.Socket[Any] = context.socket(zmq.DEALER)
    hands: HandshakeWatch | None = None
    try:
        prepare(socket, identity, address, key)
        if address.startswith("tcp://"):
            hands = HandshakeWatch(socket, context, key)
        socket.connect(address)
    except zmq.ZMQError as error:
        if hands is not None:
            hands.close()
        socket.close(0)
        raise RigNotReachable(f"{address}: {error.strerror}") from error
    return SocketPlug(socket, announces), hands

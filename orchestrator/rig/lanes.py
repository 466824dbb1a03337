"""The rig's ends of lanes: who came in by one, and what is sent to whom by it.

See `transports.lane`. What is decided is decided by the core, which knows identities only.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any, Protocol

from orchestrator.core.access import Visitor
from orchestrator.core.own_ids import is_own
from orchestrator.rig.connections import Connection, Connections
from orchestrator.rig.poller import Poller
from orchestrator.rig.sockets import ROOT
from transports import lane as lanes
from transports.errors import AddressError, ProtocolError
from transports.lane import PACKET, PacketLane
from transports.serializers import LARGEST

_CLIENTS, _WORKERS = f"lane://{lanes.CLIENTS_FILE}", f"lane://{lanes.WORKERS_FILE}"
"""How the two sockets are called."""
ANY = 1 << 32
"""Bytes of a worker's message at most: as many as a lane can tell."""
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
REST = 1.0
"""Seconds in which nobody is accepted when there were no descriptors."""
GREETED = 5.0
"""Seconds in which who comes must have said who it is."""
BACKLOG = 512
"""Connections that wait to be accepted."""


class Waits(Protocol):
    """What this needs of the loop."""

    poller: Poller

    def watch(self, source: int, callback: Callable[[], None]) -> None:
        """Call back whenever a file descriptor is readable."""

    def unwatch(self, fd: int) -> None:
        """Stop watching a file descriptor."""

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something called once, after so many seconds."""


class Guest:
    """Who came in by a lane.

    Attributes:
        lane: By which.
        identity: Who it is; empty until it has said so.
        is_client: Whether it is a client, else a worker.
        visitor: Whose its messages are, of a client.
        barrier: The last one that it was sent, of a worker.
    """

    __slots__ = ("barrier", "identity", "is_client", "lane", "visitor")

    def __init__(self, lane: PacketLane, visitor: Visitor | None) -> None:
        self.lane = lane
        self.identity = b""
        self.is_client = visitor is not None
        self.visitor = visitor
        self.barrier = 0


class Lanes:
    """Workers' and clients' lanes.

    Args:
        tokens: Those of the lives of workers that aren't over.
        connections: Who is connected otherwise, and how many may be.
        tell: Has a record written of what strangers do: text, where it was, why.

    Attributes:
        workers: Those that are here, by the routing ids of their lanes.
        clients: Those that are here, by their identities.
        left: Called with the identity of a client that has gone.
        most: Bytes that a client's message may have.
    """

    def __init__(
        self,
        tokens: Container[bytes],
        connections: Connections,
        tell: Callable[[str, str, str], None],
    ) -> None:
        self.workers: dict[bytes, Guest] = {}
        self.clients: dict[bytes, Guest] = {}
        self.left: Callable[[bytes], None] = lambda identity: None
        self.most = LARGEST
        self._tokens = tokens
        self._connections = connections
        self._tell = tell
        self._guests: set[Guest] = set()
        self._buffer = bytearray(PACKET)
        self._listeners: dict[Path, socket.socket] = {}
        self._loop: Waits

    # -- the socket -----------------------------------------------------------------------

    def open(self, folder: Path, loop: Waits, *, clients: bool) -> str:
        """Listen in a folder, if lanes are wanted and there can be any.

        Args:
            folder: Of the rig's sockets.
            loop: Waits for who comes, and for what they send.
            clients: Whether clients may come in so as well.

        Returns:
            The path of the socket for workers; empty for none.

        Raises:
            AddressError: One can't be bound.
        """
        if not lanes.is_wanted():
            return ""
        self._loop = loop
        self._connections.cut_lane = self.cut_largest
        self._listen(folder / lanes.WORKERS_FILE)
        if clients:
            self._listen(folder / lanes.CLIENTS_FILE)
        return str(folder / lanes.WORKERS_FILE)

    def restore(self) -> list[str]:
        """Make the sockets' files anew that somebody removed; who is connected stays so.

        Returns:
            Their names.

        Raises:
            AddressError: One can't be bound.
        """
        gone = [path for path in self._listeners if not path.exists()]
        for path in gone:
            self._unlisten(path)
            self._listen(path)
        return [path.name for path in gone]

    def _listen(self, path: Path) -> None:
        path.unlink(missing_ok=True)  # of a rig that was killed: the folder is this one's alone
        try:
            listener = lanes.listen(str(path), BACKLOG)
        except OSError as error:
            raise AddressError(f"{path} can't be bound: {error.strerror}") from error
        self._listeners[path] = listener
        is_client = path.name == lanes.CLIENTS_FILE
        self._loop.watch(listener.fileno(), lambda: self._accept(listener, is_client=is_client))

    def _unlisten(self, path: Path) -> None:
        listener = self._listeners.pop(path)
        self._loop.unwatch(listener.fileno())
        listener.close()

    def close(self) -> None:
        """Let nobody in, and send nobody anything any more."""
        for guest in list(self._guests):
            self.leave(guest)
        for path in list(self._listeners):
            self._unlisten(path)
            path.unlink(missing_ok=True)

    # -- who comes and goes ---------------------------------------------------------------

    def _accept(self, listener: socket.socket, *, is_client: bool) -> None:
        try:
            connection, _ = listener.accept()
        except OSError as error:
            if error.errno in _SHORTAGES:
                self._rest(listener, is_client=is_client)
            return  # else it has gone again
        lane = PacketLane(connection, self._buffer, self.most if is_client else ANY)
        _, uid, _ = lane.peer()
        if uid not in (os.getuid(), ROOT):
            lane.close()
            return
        if not self._connections.enter(_CLIENTS if is_client else _WORKERS, is_client=is_client):
            lane.close()
            return
        visitor = self._connections.gate.user(uid) if is_client else None
        guest = Guest(lane, visitor)
        self._guests.add(guest)
        self._loop.poller.enter(lane.fd, guest)
        self._loop.call_later(GREETED, lambda: self._give_up(guest))

    def _rest(self, listener: socket.socket, *, is_client: bool) -> None:
        """Accept nobody for a while: there is no descriptor for who waits."""
        fd = listener.fileno()
        self._loop.unwatch(fd)

        def go_on() -> None:
            if listener.fileno() == fd:  # else it was closed meanwhile
                self._loop.watch(fd, lambda: self._accept(listener, is_client=is_client))

        self._loop.call_later(REST, go_on)

    def _give_up(self, guest: Guest) -> None:
        if not guest.identity:
            self.leave(guest)

    @property
    def servers(self) -> list[Guest]:
        """Workers' lanes, some of which may not have said whose they are."""
        return [each for each in self._guests if not each.is_client]

    def greet(self, guest: Guest) -> bool:
        """Hear who has come, if that was said; who may not is sent away. Whether it is here now."""
        try:
            identity = guest.lane.greeting()
            if identity is None:
                return False
            self._check(guest, identity)
            guest.lane.welcome()
        except (EOFError, OSError):
            self.leave(guest)
        except ProtocolError as error:
            self.turn_out(guest, error)
        else:
            guest.identity = identity
            if guest.is_client:
                self.clients[identity] = guest
                pid, uid, gid = guest.lane.peer()
                self._connections.callers.came(identity, f"localhost:{uid}:{gid}:{pid}")
            else:
                self.workers[identity] = guest
        return bool(guest.identity)

    def _check(self, guest: Guest, identity: bytes) -> None:
        """Raise ProtocolError for who says to be another."""
        if not guest.is_client:
            if identity in self.workers or identity.rpartition(b".")[0] not in self._tokens:
                raise ProtocolError("it is no worker of this rig")
        elif is_own(identity) or identity in self.clients or identity in self._connections.heard:
            raise ProtocolError("another client has the same id")

    def turn_out(self, guest: Guest, reason: Exception) -> None:
        """End a lane whose other end doesn't keep to the rules."""
        self._tell("connection cut off", _CLIENTS if guest.is_client else _WORKERS, str(reason))
        self.leave(guest)

    def leave(self, guest: Guest) -> None:
        """A lane has ended."""
        if guest not in self._guests:
            return
        self._guests.discard(guest)
        self._loop.poller.leave(guest.lane.fd)
        guest.lane.close()
        self._connections.leave(is_client=guest.is_client)
        if not guest.identity:
            return
        if guest.is_client:
            del self.clients[guest.identity]
            self._connections.callers.left(guest.identity)
            self.left(guest.identity)
        else:
            del self.workers[guest.identity]

    def ended(self) -> None:
        """Forget those whose lives are over: what they left behind may hold their lanes open."""
        for identity, guest in list(self.workers.items()):
            if identity.rpartition(b".")[0] not in self._tokens:
                self.leave(guest)

    def cut_largest(self, least: int) -> Connection | None:
        """End the lane by which the most has come of a message that isn't whole yet.

        Args:
            least: Bytes; only if it is more than that.
        """
        begun = [(each.lane.received, each) for each in self._guests if each.is_client]
        size, guest = max(begun, key=lambda each: each[0], default=(0, None))
        if guest is None or size <= least:
            return None
        self.leave(guest)
        return Connection(_CLIENTS)

    # -- messages -------------------------------------------------------------------------

    def to_client(self, guest: Guest, frames: list[Any]) -> bool:
        """Send a client an answer.

        Returns:
            Whether there was room for it.

        Raises:
            OSError: It has gone.
        """
        lane = guest.lane
        is_sent = lane.send(frames)
        if lane.is_full:
            self._loop.poller.want_room(lane.fd, wanted=True)
        return is_sent

    def to_worker(self, guest: Guest, frames: list[Any]) -> bool:
        """Send a worker a message; what waits for it is bounded by its credit.

        Returns:
            Whether it can still take one.
        """
        lane = guest.lane
        try:
            lane.post(frames)
        except OSError:
            return False  # what it sent is still to be read: the end comes after that
        if lane.is_full:
            self._loop.poller.want_room(lane.fd, wanted=True)
        return True

    def receive(self, guest: Guest) -> list[Any] | None:
        """A message of a guest that has been greeted, and room for what it didn't take before."""
        lane = guest.lane
        try:
            if lane.is_full:
                self._flush(lane)
            return lane.receive()
        except EOFError:
            self.leave(guest)
        except ProtocolError as error:
            self.turn_out(guest, error)
        return None

    def _flush(self, lane: PacketLane) -> None:
        try:
            if lane.flush():
                self._loop.poller.want_room(lane.fd, wanted=False)
        except OSError:  # it has gone, which is seen when all is read
            self._loop.poller.want_room(lane.fd, wanted=False)

"""The rig's ends of lanes: who came in by one, and what is sent to whom by it.

See `transports.lane`. What is decided is decided by the core, which knows identities only.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any, Protocol

from orchestrator.rig.poller import Poller
from orchestrator.rig.sockets import ROOT
from transports import lane as lanes
from transports.errors import AddressError, ProtocolError
from transports.lane import PACKET, PacketLane

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
    """

    __slots__ = ("identity", "lane")

    def __init__(self, lane: PacketLane) -> None:
        self.lane = lane
        self.identity = b""


class Lanes:
    """Workers' lanes.

    Args:
        tokens: Those of the lives of workers that aren't over.
        cap: Connections at most.
        record: Writes a record: level, text, fields.

    Attributes:
        workers: Those that are here, by the routing ids of their lanes.
    """

    def __init__(
        self,
        tokens: Container[bytes],
        cap: int,
        record: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self.workers: dict[bytes, Guest] = {}
        self._tokens = tokens
        self._cap = cap
        self._record = record
        self._guests: set[Guest] = set()
        self._buffer = bytearray(PACKET)
        self._listener: socket.socket | None = None
        self._path = ""
        self._loop: Waits

    # -- the socket -----------------------------------------------------------------------

    def open(self, folder: Path, loop: Waits) -> str:
        """Listen in a folder, if lanes are wanted and there can be any.

        Args:
            folder: Of the rig's sockets.
            loop: Waits for who comes, and for what they send.

        Returns:
            The socket's path; empty for none.

        Raises:
            AddressError: It can't be bound.
        """
        if not lanes.is_wanted():
            return ""
        self._path, self._loop = str(folder / lanes.WORKERS_FILE), loop
        self._listen()
        return self._path

    def restore(self) -> list[str]:
        """Make the socket's file anew if somebody removed it; who is connected stays so.

        Returns:
            Its name, or nothing.

        Raises:
            AddressError: It can't be bound.
        """
        if self._listener is None or Path(self._path).exists():
            return []
        self._unlisten()
        self._listen()
        return [Path(self._path).name]

    def _listen(self) -> None:
        path = Path(self._path)
        path.unlink(missing_ok=True)  # of a rig that was killed: the folder is this one's alone
        try:
            self._listener = lanes.listen(self._path, BACKLOG)
        except OSError as error:
            raise AddressError(f"{path} can't be bound: {error.strerror}") from error
        self._loop.watch(self._listener.fileno(), self._accept)

    def _unlisten(self) -> None:
        if self._listener is not None:
            self._loop.unwatch(self._listener.fileno())
            self._listener.close()
            self._listener = None

    def close(self) -> None:
        """Let nobody in, and send nobody anything any more."""
        for guest in list(self._guests):
            self.leave(guest)
        self._unlisten()
        if self._path:
            Path(self._path).unlink(missing_ok=True)

    # -- who comes and goes ---------------------------------------------------------------

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # it has gone again, or there are no descriptors: it tries another way in
        if len(self._guests) >= self._cap:
            connection.close()
            return
        lane = PacketLane(connection, self._buffer)
        _, uid, _ = lane.peer()
        if uid not in (os.getuid(), ROOT):
            lane.close()
            return
        guest = Guest(lane)
        self._guests.add(guest)
        self._loop.poller.enter(lane.fd, guest)
        self._loop.call_later(GREETED, lambda: self._give_up(guest))

    def _give_up(self, guest: Guest) -> None:
        if not guest.identity and guest in self._guests:
            self.leave(guest)

    @property
    def guests(self) -> list[Guest]:
        """All who are here, some of which may not have said who they are."""
        return list(self._guests)

    def greet(self, guest: Guest) -> bool:
        """Hear who has come, if that was said; who may not is sent away. Whether it is here now."""
        try:
            identity = guest.lane.greeting()
            if identity is None:
                return False
            if identity in self.workers or identity.rpartition(b".")[0] not in self._tokens:
                raise ProtocolError("who came by a lane is no worker of this rig")
            guest.lane.welcome()
        except (EOFError, OSError):
            self.leave(guest)
        except ProtocolError as error:
            self.turn_out(guest, error)
        else:
            guest.identity = identity
            self.workers[identity] = guest
        return bool(guest.identity)

    def turn_out(self, guest: Guest, reason: Exception) -> None:
        """End a lane whose other end doesn't keep to the rules."""
        self._record("warning", "a lane is ended", {"reason": str(reason)})
        self.leave(guest)

    def leave(self, guest: Guest) -> None:
        """A lane has ended."""
        self._guests.discard(guest)
        self.workers.pop(guest.identity, None)
        self._loop.poller.leave(guest.lane.fd)
        guest.lane.close()

    def ended(self) -> None:
        """Forget those whose lives are over: what they left behind may hold their lanes open."""
        for identity, guest in list(self.workers.items()):
            if identity.rpartition(b".")[0] not in self._tokens:
                self.leave(guest)

    # -- messages -------------------------------------------------------------------------

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

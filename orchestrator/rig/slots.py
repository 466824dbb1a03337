"""The rig's socket for shared memory: keeps the descriptors of slots, and hands them over.

What is decided is decided by the core (`orchestrator.core.slots`); see docs/shared-memory.md.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any, Protocol

from orchestrator.core.effects import DropSlot, FreeSlot, HandSlot
from orchestrator.core.slots import Slots
from orchestrator.rig.sockets import ROOT
from transports.errors import AddressError, ProtocolError
from transports.lane import peer_of
from transports.references import Reference
from transports.shm import packets
from transports.shm.memory import PAGE, SLOTS_FILE, is_slot

PEERS = 512
"""Connections for slots at most, of which a client has up to two; all others have all inline."""
PACKETS = 64
"""Packets read of one peer before others have their turn."""


class Watcher(Protocol):
    """What this needs of the loop."""

    def watch(self, source: int, callback: Callable[[], None]) -> None:
        """Call back whenever a file descriptor is readable."""

    def unwatch(self, fd: int) -> None:
        """Stop watching a file descriptor."""


class SlotKeeper:
    """Has the descriptors of the slots that the core knows.

    Args:
        slots: The core's book of them.
        tokens: Those of the lives of workers that aren't over.
        record: Writes a record: level, text, fields.
    """

    def __init__(
        self,
        slots: Slots,
        tokens: Container[bytes],
        record: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self._slots = slots
        self._tokens = tokens
        self._record = record
        self._listener: socket.socket | None = None
        self._path = ""
        self._connections: dict[socket.socket, bytes] = {}  # b"" until it has joined
        self._peers: dict[bytes, socket.socket] = {}
        self._descriptors: dict[int, int] = {}  # by slot

    def open(self, folder: Path, loop: Watcher) -> str:
        """Listen in a folder, if there is to be shared memory at all.

        Args:
            folder: Of the rig's sockets.
            loop: Watches the connections.

        Returns:
            The socket's path; empty for none.

        Raises:
            AddressError: It can't be bound.
        """
        if not self._slots.limit:
            return ""
        self._path, self._loop = str(folder / SLOTS_FILE), loop
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
        return [SLOTS_FILE]

    def _listen(self) -> None:
        path = Path(self._path)
        path.unlink(missing_ok=True)  # of a rig that was killed: the folder is this one's alone
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            listener.setblocking(False)
            listener.bind(self._path)
            os.chmod(path, 0o600)
            listener.listen(PEERS)
        except OSError as error:
            listener.close()
            raise AddressError(f"{path} can't be bound: {error.strerror}") from error
        self._listener = listener
        self._loop.watch(listener.fileno(), self._accept)

    def _unlisten(self) -> None:
        if self._listener is not None:
            self._loop.unwatch(self._listener.fileno())
            self._listener.close()
            self._listener = None

    def close(self) -> None:
        """Forget all; what is mapped stays with those who have mapped it."""
        for connection in list(self._connections):
            self._disconnect(connection)
        self._unlisten()
        if self._path:
            Path(self._path).unlink(missing_ok=True)
        for fd in self._descriptors.values():
            os.close(fd)
        self._descriptors.clear()

    # -- effects of the core ------------------------------------------------------------------

    def hand(self, effect: HandSlot) -> None:
        """Send a client the descriptor of a slot; the core is told if that can't be."""
        packet = packets.Handed(effect.slot)
        if not self._tell(effect.peer, packet, self._descriptors[effect.slot]):
            self._slots.unhanded(effect.peer, effect.slot)

    def free(self, effect: FreeSlot) -> None:
        """Tell an owner that it may fill a slot again."""
        self._tell(effect.owner, packets.Freed(effect.slot, effect.generation))

    def drop(self, effect: DropSlot) -> None:
        """Let go of a slot."""
        os.close(self._descriptors.pop(effect.slot))
        for peer in effect.peers:
            self._tell(peer, packets.Gone(effect.slot))

    def raw(self, reader: bytes, reference: Reference) -> bytes:
        """What is sent to somebody in place of a reference: its bytes, or the frame's."""
        if self._slots.can_read(reader, reference):
            return reference.pack()
        fd = self._descriptors[reference.slot]
        frame = os.pread(fd, reference.size, PAGE)
        while len(frame) < reference.size:  # more than the kernel reads at once
            frame += os.pread(fd, reference.size - len(frame), PAGE + len(frame))
        return frame

    def answer(self, client: bytes, reference: Reference) -> bytes:
        """As `raw`, for who holds the frame: whoever is sent its bytes is done with it."""
        raw = self.raw(client, reference)
        if len(raw) == reference.size:
            self._slots.returned(client, reference.slot, reference.generation)
        return raw

    def _tell(self, peer: bytes, packet: packets.FromRig, fd: int | None = None) -> bool:
        """Send a peer a packet; whether it could be."""
        connection = self._peers.get(peer)
        if connection is None:
            return False
        try:
            packets.send(connection, packet, fd)
        except OSError as error:  # it reads nothing, has gone, or may be sent no descriptors
            kind = type(packet).__name__.lower()
            self._record("debug", f"a peer for slots wasn't told: {kind}", {"error": str(error)})
            return False
        return True

    # -- connections --------------------------------------------------------------------------

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        _, uid, _ = peer_of(connection)
        if uid not in (os.getuid(), ROOT) or len(self._connections) >= PEERS:
            connection.close()
            return
        connection.setblocking(False)
        self._connections[connection] = b""
        self._loop.watch(connection.fileno(), lambda: self._read(connection))

    def _read(self, connection: socket.socket) -> None:
        for _ in range(PACKETS):
            try:
                packet, fd = packets.receive_from_peer(connection)
            except BlockingIOError:
                return
            except (EOFError, OSError):
                self._disconnect(connection)
                return
            except ProtocolError as error:
                self._turn_out(connection, str(error))
                return
            try:
                refusal = self._take(connection, packet, fd)
            finally:
                if fd is not None:
                    os.close(fd)
            if refusal:
                self._turn_out(connection, refusal)
                return

    def _take(self, connection: socket.socket, packet: packets.FromPeer, fd: int | None) -> str:
        """Do what a peer says; why it is to be disconnected, if it is."""
        peer = self._connections[connection]
        if isinstance(packet, packets.Join):
            if peer or not packet.peer or not self._slots.joined(packet.peer):
                return "its name is taken"
            self._connections[connection] = packet.peer
            self._peers[packet.peer] = connection
        elif not peer:
            return "it hasn't said who it is"
        elif isinstance(packet, packets.Offer):
            if fd is None or not is_slot(fd, packet.capacity):
                return "what it offers is no slot"
            number = self._slots.offered(peer, packet.capacity)
            if number:
                self._descriptors[number] = os.dup(fd)
            self._tell(peer, packets.Adopted(packet.key, number))
        elif isinstance(packet, packets.Withdraw):
            self._slots.withdrawn(peer, packet.slot)
        else:
            self._slots.returned(peer, packet.slot, packet.generation)
        return ""

    def _turn_out(self, connection: socket.socket, reason: str) -> None:
        self._record("warning", "a peer for slots is disconnected", {"reason": reason})
        self._disconnect(connection)

    def _disconnect(self, connection: socket.socket) -> None:
        peer = self._connections.pop(connection)
        self._peers.pop(peer, None)
        self._loop.unwatch(connection.fileno())
        connection.close()
        # What a worker sent before it ended is still to be read: the core is told of its end.
        if peer and peer not in self._tokens:
            self._slots.left(peer)

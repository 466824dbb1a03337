"""Who is connected: counted, capped, and cut off where it must be.

libzmq aborts the process when it can't accept a connection for lack of descriptors. So there are
far fewer connections than descriptors, and one too many is closed as soon as it is there. Its own
thread accepts them; when that is too far ahead of us, it waits for room in its monitor.
"""

from __future__ import annotations

import fcntl
import functools
import os
import socket as sockets
import struct
import termios
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import uuid4

import zmq

from orchestrator.rig.callers import Callers
from orchestrator.rig.gate import Gate, user_of
from orchestrator.rig.unlocked import stop_monitor
from transports.frames import has_more
from transports.monitors import EVENT

T = TypeVar("T")

_EVENTS = int(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED)
_REFUSALS = int(
    zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL  # it left first: it ended, or saw what is asked for
)
"""By which a socket with a door (see `orchestrator.rig.door`) tells whom it didn't let in."""
TCP, IPC, WORKERS = "tcp", "ipc", "workers"
"""What connections share a cap."""
BUSY = 64 * 1024
"""Bytes that a connection sends between two looks, or has sent and aren't read, if it is busy."""
HELD = 1001
"""Events that a monitor holds, the least that libzmq can be told: no more connections than that are
accepted behind our back."""


class Connection:
    """A connection of a stranger.

    Attributes:
        endpoint: The address that it came to.
        identity: Whose messages were received by it; None if none was yet.
        topics: What it is subscribed to.
        user: What libzmq was told of who it is, once something came by it.
        received: Bytes that it had sent at the last look; only of tcp.
    """

    __slots__ = ("endpoint", "identity", "received", "topics", "user")

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.identity: bytes | None = None
        self.topics: set[bytes] = set()
        self.user = ""
        self.received = 0

    @property
    def is_tcp(self) -> bool:
        """Whether it came by tcp."""
        return self.endpoint.startswith("tcp:")

    @property
    def place(self) -> str:
        """The port or the path that it came to."""
        return self.endpoint.rpartition(":" if self.is_tcp else "://")[2]


class Connections:
    """The connections of sockets that strangers can reach.

    A monitor's events are always read, as libzmq's thread waits for one that is full. Who binds a
    socket or stops its monitor waits for that thread: such is done by `meanwhile`.

    Args:
        context: Where the monitors' sockets are made.
        watched: The sockets that strangers are meant to come to, not bound yet.
        cap: How many there may be by tcp, and how many by ipc.
        refused: Called with the address and the cap for each that was one too many.
        workers: The sockets that workers come to, not bound yet. By tcp it is other hosts that do,
            and strangers.
        worker_cap: How many there may be of these.

    Attributes:
        cap: As given.
        came: Called whenever a stranger has come.
        turned_away: Called for each that the door of a socket didn't let in: whether it left first.
        cut_lane: Cuts the lane off by which the most of a message that isn't whole has come, if it
            is more than so many bytes.
        left: Called with each connection that is gone.
        changes: How often one of `monitors` has been replaced.
        heard: The identities of connections by which messages were received.
        living: The connections by socket and file descriptor.
        callers: Who is at the other end, as far as the kernel tells.
        gate: Knows who was let in.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        watched: tuple[zmq.Socket[Any], ...],
        cap: int,
        refused: Callable[[str, int], None],
        workers: tuple[zmq.Socket[Any], ...] = (),
        worker_cap: int = 0,
    ) -> None:
        self.cap = cap
        self.changes = 0
        self.heard: set[bytes] = set()
        self.callers = Callers()
        self.gate = Gate({})
        # By socket, since the same number may come anew at one before it is told gone at another.
        self.living: dict[zmq.Socket[Any], dict[int, Connection]] = {
            each: {} for each in (*watched, *workers)
        }
        self.came: Callable[[], None] = lambda: None
        self.turned_away: Callable[[bool], None] = lambda left: None
        self.left: Callable[[Connection], None] = lambda connection: None
        self.cut_lane: Callable[[int], Connection | None] = lambda least: None
        self._workers = workers
        self._caps = {TCP: cap, IPC: cap, WORKERS: worker_cap}
        self._refused = refused
        self._context = context
        self._counts: Counter[str] = Counter()
        self._unheard: Counter[zmq.Socket[Any]] = Counter()  # of those that are gone
        # There from the start: threads and descriptors may have run out when they are needed.
        self._helper = ThreadPoolExecutor(1, "binder")
        self._done = os.eventfd(0, os.EFD_CLOEXEC)
        self._monitor_of = {socket: self._monitor(socket) for socket in self.living}

    def _monitor(self, socket: zmq.Socket[Any]) -> zmq.Socket[Any]:
        address = f"inproc://monitor-{uuid4()}"
        socket.monitor(address, _EVENTS | (_REFUSALS if socket.get(zmq.PLAIN_SERVER) else 0))
        monitor: zmq.Socket[Any] = self._context.socket(zmq.PAIR)
        monitor.set(zmq.RCVHWM, 1)  # besides the 1000 of libzmq's end
        monitor.set(zmq.LINGER, 0)
        monitor.connect(address)
        return monitor

    def replace(self, old: zmq.Socket[Any], new: zmq.Socket[Any]) -> None:
        """Watch another socket, not bound yet, in place of one that is about to be closed."""
        self.meanwhile(functools.partial(stop_monitor, old))
        self._read(old)
        for fd in list(self.living[old]):
            self._gone(old, fd)
        self._monitor_of.pop(old).close()
        self._monitor_of[new] = self._monitor(new)
        del self.living[old], self._unheard[old]
        self.living[new] = {}
        self.changes += 1

    @property
    def monitors(self) -> list[zmq.Socket[Any]]:
        """What becomes readable when there is something to `update`."""
        return list(self._monitor_of.values())

    def __len__(self) -> int:
        return self._counts[TCP] + self._counts[IPC]

    def count(self, share: str) -> int:
        """How many strangers there are by `tcp` or by `ipc`, or connections of `workers`."""
        return self._counts[share]

    def update(self) -> None:
        """Take note of who has come and gone."""
        for socket in self._monitor_of:
            self._read(socket)

    def meanwhile(self, call: Callable[[], T]) -> T:
        """Have something done that waits for libzmq's thread, and read the monitors meanwhile.

        Args:
            call: What is done, in another thread, without holding Python's lock while it waits.

        Returns:
            What it returned.

        Raises:
            Exception: What it raised.
        """
        outcome = self._helper.submit(call)
        outcome.add_done_callback(lambda _: os.eventfd_write(self._done, 1))
        items: list[Any] = [(each, int(zmq.POLLIN)) for each in (self._done, *self.monitors)]
        while not outcome.done():
            self.update()
            zmq.zmq_poll(items, -1)
        os.eventfd_read(self._done)
        return outcome.result()

    def _read(self, socket: zmq.Socket[Any]) -> None:
        monitor = self._monitor_of[socket]
        for _ in range(HELD):
            if not has_more(monitor):
                break
            # pyzmq's own reading of it takes a hundred times as long, as it makes the value an enum
            numbers, endpoint = monitor.recv_multipart(zmq.DONTWAIT)
            event, fd = EVENT.unpack(numbers)
            if event == zmq.EVENT_ACCEPTED:
                self._accepted(socket, fd, endpoint.decode("utf-8", "replace"))
            elif event == zmq.EVENT_DISCONNECTED:
                self._gone(socket, fd)
            elif event & _REFUSALS:
                self.turned_away(event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)

    def _share(self, socket: zmq.Socket[Any], connection: Connection) -> str:
        if socket in self._workers and not connection.is_tcp:
            return WORKERS
        return TCP if connection.is_tcp else IPC

    def _accepted(self, socket: zmq.Socket[Any], fd: int, endpoint: str) -> None:
        self._gone(socket, fd)
        connection = self.living[socket][fd] = Connection(endpoint)
        share = self._share(socket, connection)
        self._counts[share] += 1
        if share != WORKERS:
            self.came()
        if self._counts[share] > self._caps[share]:
            self._refused(endpoint, self._caps[share])
            _shut(fd, connection)

    def _gone(self, socket: zmq.Socket[Any], fd: int) -> None:
        connection = self.living[socket].pop(fd, None)
        if connection is not None:
            self._counts[self._share(socket, connection)] -= 1
            if connection.identity is None:
                self._unheard[socket] += 1
            else:
                self.heard.discard(connection.identity)
                self.callers.left(connection.identity)
            self.left(connection)

    def hear(self, socket: zmq.Socket[Any], identity: bytes, frame: Any) -> None:
        """Take note of whose message came by a connection, if that is still there."""
        connection = self.of(socket, frame)
        if connection is not None:
            connection.identity = identity
            self.heard.add(identity)
            connection.user = user_of(frame)
            self.callers.came(identity, _address(frame), self.gate.name_of(connection.user))

    def unheard(self, socket: zmq.Socket[Any]) -> int:
        """How many connections there are or were by which a socket received no message."""
        living = self.living[socket].values()
        return self._unheard[socket] + sum(each.identity is None for each in living)

    def enter(self, endpoint: str, *, is_client: bool) -> bool:
        """Count one that comes by a lane (`orchestrator.rig.lanes`); whether there is room for it.

        Who leaves again is counted out by `leave`.
        """
        share = IPC if is_client else WORKERS
        if self._counts[share] >= self._caps[share]:
            self._refused(endpoint, self._caps[share])
            return False
        self._counts[share] += 1
        if is_client:
            self.came()
        return True

    def leave(self, *, is_client: bool) -> None:
        """One that came by a lane is gone."""
        self._counts[IPC if is_client else WORKERS] -= 1

    # -- one of them -----------------------------------------------------------------------

    def of(self, socket: zmq.Socket[Any], frame: Any) -> Connection | None:
        """The connection that a socket's frame came by, if it is still there."""
        # Its coming may not have been read yet, nor that an older one of the same number has gone.
        self._read(socket)
        return self.living[socket].get(_descriptor(frame))

    def cut(self, socket: zmq.Socket[Any], frame: Any) -> bool:
        """Close the connection that a socket's frame came by; whether it was still there."""
        self._read(socket)
        fd = _descriptor(frame)
        connection = self.living[socket].get(fd)
        return connection is not None and _shut(fd, connection)

    def cut_those(self, is_unwanted: Callable[[str], bool]) -> int:
        """Close the connections of such users; returns how many there were."""
        self.update()
        return sum(
            _shut(fd, connection)
            for living in self.living.values()
            for fd, connection in list(living.items())
            if connection.user and is_unwanted(connection.user)
        )

    def send_away(self, socket: zmq.Socket[Any]) -> int:
        """Tell all peers of a socket that no more comes; how many there still were.

        They close their ends then, as ZeroMQ does, and what they sent before comes in full.
        """
        self._read(socket)
        for fd, connection in self.living[socket].items():
            _shut(fd, connection, sockets.SHUT_WR)
        return len(self.living[socket])

    def cut_busiest(self, *, unheard: bool = False) -> Connection | None:
        """Close the connection that sends the most just now, if one sends much.

        Args:
            unheard: Only one by which no message was received.
        """
        self.update()
        busiest: tuple[int, Connection] | None = None
        most = BUSY
        for socket, living in self.living.items():
            if socket in self._workers:
                continue
            for fd, connection in living.items():
                amount = _arriving(fd, connection)
                if amount > most and not (unheard and connection.identity is not None):
                    busiest, most = (fd, connection), amount
        if not unheard and (cut := self.cut_lane(most)) is not None:
            return cut
        return busiest[1] if busiest is not None and _shut(*busiest) else None

    def close(self) -> None:
        """Stop watching."""
        self.gate.close()
        for socket in self._monitor_of:
            self.meanwhile(functools.partial(stop_monitor, socket))
        for monitor in self.monitors:
            monitor.close()
        self._helper.shutdown()
        os.close(self._done)


def _shut(fd: int, connection: Connection, how: int = sockets.SHUT_RDWR) -> bool:
    """Shut a connection down; libzmq sees that it has ended and closes it.

    The descriptor may be another's by now. One that isn't a connection to the same address is
    left alone.
    """
    try:
        with sockets.socket(fileno=os.dup(fd)) as own:
            if own.getsockopt(sockets.SOL_SOCKET, sockets.SO_ACCEPTCONN):
                return False
            if _place(own) != connection.place:
                return False
            own.shutdown(how)
    except OSError:
        return False  # it has ended by itself
    return True


def _descriptor(frame: Any) -> int:
    try:
        return int(frame.get(zmq.SRCFD))
    except (zmq.ZMQError, AttributeError):
        return -1  # of inproc


def _address(frame: Any) -> str:
    """Where a frame came from: see `callers.Callers.came`."""
    try:
        return str(frame.get("Peer-Address"))
    except (zmq.ZMQError, AttributeError):
        return ""  # of inproc


def _place(own: sockets.socket) -> str:
    """The port of tcp, or the path of ipc: an address of tcp may stand for several."""
    name = own.getsockname()
    return str(name[1]) if isinstance(name, tuple) else os.fsdecode(name)


_TCP_INFO_RECEIVED = 128
"""Where tcpi_bytes_received stands in the kernel's struct tcp_info."""


def _arriving(fd: int, connection: Connection) -> int:
    """Bytes that came by a connection since the last look; of ipc, those that wait to be read."""
    try:
        if not connection.is_tcp:
            return int(struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0])
        with sockets.socket(fileno=os.dup(fd)) as own:
            info = own.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, _TCP_INFO_RECEIVED + 8)
    except OSError:
        return 0
    if len(info) < _TCP_INFO_RECEIVED + 8:
        return 0
    received = int(struct.unpack_from("Q", info, _TCP_INFO_RECEIVED)[0])
    change, connection.received = received - connection.received, received
    return change

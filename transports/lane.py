"""Messages between processes of one machine, a packet of the kernel's each: beside ZeroMQ.

A message is one `send` and one `recv`, in the threads that want it: no thread of libzmq's stands
between them, which is half of what a small request costs. It is a socket of AF_UNIX and
SOCK_SEQPACKET (unix(7)), connected, in order, and its end is seen as such.

Each end sends messages of four frames::

    lengths of the frames, 4 x 4 bytes | the frames

What is longer than a packet goes in several that nothing comes between, the first of which tells
how much there is. A connection begins with one packet each way: `GREETING` with the identity of
who comes, and `WELCOME`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from transports.errors import ProtocolError
from transports.serializers import Buffer

VARIABLE = "ORCH_LANE"
"""Set to 0 in a rig's, a worker's or a client's environment: it does without."""
CLIENTS_FILE = "lane.sock"
"""Where clients come in, in the folder of a rig's sockets."""
WORKERS_FILE = "link.sock"
"""Where its workers do."""
GREETING = b"orch lane 1\n"
WELCOME = b"welcome"
PACKET = 65536
"""Bytes of a packet at most."""
PATIENCE = 0.2
"""Seconds in which a rig that isn't held up welcomes who comes."""
ROOM = 4 * PACKET
"""Bytes that are under way at most before a sender has to wait, as far as the system allows it."""
AT_ONCE = 16
"""Packets of a long message that are taken before whoever takes them turns to something else."""
_HEAD = struct.Struct("=4I")
_FIRST = _HEAD.size
_FLAGS = int(getattr(socket, "MSG_DONTWAIT", 0) | getattr(socket, "MSG_NOSIGNAL", 0))
_FULL = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM)
_CREDENTIALS = struct.Struct("3i")
_pack = _HEAD.pack
_unpack = _HEAD.unpack_from
_join = b"".join
_all: weakref.WeakSet[PacketLane] = weakref.WeakSet()
_is_guarded = False


def is_wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is to use lanes, and its system has them."""
    return environ.get(VARIABLE, "") != "0" and hasattr(socket, "SO_PEERCRED")


class PacketLane:
    """One end of a connection. Nothing here waits; one thread at a time uses it.

    A child that this process forks gives its copy up: it would take messages away, and hide the
    end of this process from the other side.

    Args:
        own: A connected socket, which this owns from now on.
        buffer: Where packets are received, for several lanes of one thread; its own if left out.
        most: Bytes that a message may have.

    Attributes:
        fd: To be polled.
        is_full: The socket took no more: what waits is sent by `flush`, when it can be written to.
        moved: Counts packets that came, and those that were taken after it was full: who is at the
            other end lives.
    """

    def __init__(
        self,
        own: socket.socket,
        buffer: bytearray | None = None,
        most: int = 1 << 32,
    ) -> None:
        own.setblocking(False)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
        self.fd = own.fileno()
        self.is_full = False
        self.moved = 0
        self._socket = own
        self._buffer = bytearray(PACKET) if buffer is None else buffer
        self._view = memoryview(self._buffer)
        self._recv_into = own.recv_into
        self._send = own.send
        self._most = most
        self._waiting: deque[Sequence[Buffer]] = deque()  # messages that are sent after what goes
        self._rest: Iterator[bytes] | None = None  # packets of the message that is being sent
        self._next = b""  # the packet of these that is tried again
        self._partial: bytearray | None = None  # of the message that is being received
        self._lengths: tuple[int, ...] = ()
        self._missing = 0
        _guard_forks()
        _all.add(self)

    # -- messages -------------------------------------------------------------------------

    def send(self, frames: Sequence[Buffer]) -> bool:
        """Send a message of four frames, all of it soon, or none of it.

        Returns:
            Whether it is sent, or what is left of it is by `flush`; False if there is no room.

        Raises:
            OSError: The other side has gone.
        """
        if self.is_full and not self.flush():
            return False
        first, second, third, last = frames
        lengths = len(first), len(second), len(third), len(last)
        if sum(lengths) + _FIRST > PACKET:
            return self._send_in_parts(frames, lengths)
        try:
            self._send(_join((_pack(*lengths), first, second, third, last)), _FLAGS)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self.is_full = True
            return False
        return True

    def _send_in_parts(self, frames: Sequence[Buffer], lengths: tuple[int, ...]) -> bool:
        rest = _packets(frames, lengths)
        first = next(rest)
        try:
            self._send(first, _FLAGS)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self.is_full = True
            return False
        self._rest, self._next = rest, next(rest)
        self.is_full = True
        self.flush()
        return True

    def post(self, frames: Sequence[Buffer]) -> None:
        """Send a message, or keep it until there is room: who sends it bounds what waits.

        Raises:
            OSError: The other side has gone.
        """
        if self._waiting or not self.send(frames):
            self._waiting.append(frames)

    def flush(self) -> bool:
        """Send what waits, as far as there is room; whether all of it went.

        Raises:
            OSError: The other side has gone.
        """
        try:
            while self._rest is not None:
                self._send(self._next, _FLAGS)
                self.moved += 1
                self._next = next(self._rest, b"")
                if not self._next:
                    self._rest = None
        except OSError as error:
            if error.errno not in _FULL:
                raise
            return False
        self.is_full = False
        while self._waiting:
            frames = self._waiting.popleft()  # first: what is sent in parts flushes as well
            if not self.send(frames):
                self._waiting.appendleft(frames)
                return False
        return not self.is_full

    def receive(self) -> list[Any] | None:
        """Take one message: its four frames; None if none is there, or not all of it is taken yet.

        Raises:
            EOFError: The other side has gone, and all that it sent was taken.
            ProtocolError: It isn't as it should be; nothing that follows can be understood.
        """
        for _ in range(AT_ONCE):
            try:
                count = self._recv_into(self._buffer)
            except BlockingIOError:
                return None
            except ConnectionResetError:
                continue  # it left something unread; what it sent before that is still there
            except OSError as error:
                raise EOFError from error
            if not count:
                raise EOFError
            self.moved += 1
            if self._partial is None:
                if count < _FIRST:
                    raise ProtocolError(f"a packet of {count} bytes on a lane")
                lengths = _unpack(self._buffer)
                size = sum(lengths) + _FIRST
                if size == count:
                    return _cut(self._view[:count].tobytes(), _FIRST, lengths)
                self._begin(lengths, size, count)
            elif self._go_on(count):
                return self._whole()
        return None

    def _begin(self, lengths: tuple[int, ...], size: int, count: int) -> None:
        if count != PACKET or size < count:
            raise ProtocolError(f"a packet of {count} bytes for a message of {size} on a lane")
        if size > self._most:
            raise ProtocolError(f"a message of {size} bytes on a lane; it may have {self._most}")
        self._lengths, self._missing = lengths, size - count
        self._partial = bytearray(self._view[_FIRST:count])

    def _go_on(self, count: int) -> bool:
        """Take another packet of a message; whether it was the last."""
        assert self._partial is not None
        if count > self._missing:
            raise ProtocolError(f"{count} bytes on a lane where {self._missing} were missing")
        self._partial += self._view[:count]
        self._missing -= count
        return not self._missing

    def _whole(self) -> list[Any]:
        assert self._partial is not None
        whole, self._partial = memoryview(self._partial), None
        frames: list[Any] = _cut(whole, 0, self._lengths)
        # what is small is kept by itself: it may be needed for longer
        return [each if len(each) >= PACKET // 2 else bytes(each) for each in frames]

    @property
    def received(self) -> int:
        """Bytes of a message that isn't whole yet."""
        return 0 if self._partial is None else len(self._partial)

    # -- the first packets ----------------------------------------------------------------

    def greet(self, identity: bytes) -> None:
        """Say who comes. Raises OSError if nobody hears it."""
        self._send(GREETING + identity, _FLAGS)

    def greeting(self) -> bytes | None:
        """Who comes; None while it hasn't said so. Raises as `receive`."""
        packet = self._packet()
        if packet is None:
            return None
        if not packet.startswith(GREETING) or not 0 < len(packet) - len(GREETING) < 256:
            raise ProtocolError("who came by a lane didn't say who it is")
        return packet[len(GREETING) :]

    def welcome(self) -> None:
        """Let who comes know that it is heard. Raises OSError if it has gone."""
        self._send(WELCOME, _FLAGS)

    def is_welcome(self) -> bool:
        """Whether the rig has said so. Raises as `receive`."""
        packet = self._packet()
        if packet not in (None, WELCOME):
            raise ProtocolError("this is no lane of a rig")
        return packet is not None

    def _packet(self) -> bytes | None:
        try:
            count = self._recv_into(self._buffer)
        except BlockingIOError:
            return None
        except OSError as error:
            raise EOFError from error
        if not count:
            raise EOFError
        return self._view[:count].tobytes()

    def peer(self) -> tuple[int, int, int]:
        """Process, user and group at the other end, as they were when it connected."""
        return peer_of(self._socket)

    def shut(self) -> None:
        """Let no more come or go: the end is seen by whoever polls this end, as by the other."""
        with contextlib.suppress(OSError):  # it has gone by itself
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close this end; what was sent can still be received."""
        _all.discard(self)
        self._waiting.clear()
        self._rest = None
        self._socket.close()


def connect(path: str, identity: bytes, buffer: bytearray | None = None) -> PacketLane:
    """Connect to a rig's socket for lanes and be welcomed.

    Args:
        path: The socket's.
        identity: Who comes.
        buffer: As `PacketLane` takes it.

    Raises:
        OSError: Nobody listens there, or answers in time, or wants to hear from who comes.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        made.setblocking(False)
        made.connect(path)
        lane = PacketLane(made, buffer)
    except BaseException:
        made.close()
        raise
    try:
        lane.greet(identity)
        poll = select.poll()
        poll.register(lane.fd, select.POLLIN)
        if not poll.poll(int(PATIENCE * 1000)):
            raise TimeoutError(errno.ETIMEDOUT, f"{path}: nobody answers")
        if not lane.is_welcome():
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"{path}: nobody is welcome")
    except BaseException as error:
        lane.close()
        if isinstance(error, EOFError | ProtocolError):
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"{path}: not let in") from error
        raise
    return lane


def listen(path: str, room: int) -> socket.socket:
    """Listen for lanes at a path, that nothing is at, for this user alone.

    Args:
        path: Of the socket's file.
        room: Connections that may wait to be accepted.

    Raises:
        OSError: It can't be bound.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.setblocking(False)
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(room)
    except BaseException:
        listener.close()
        raise
    return listener


def peer_of(own: socket.socket) -> tuple[int, int, int]:
    """Process, user and group at the other end of a socket of AF_UNIX, when it connected."""
    found = own.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(found)
    return pid, uid, gid


def _packets(frames: Sequence[Buffer], lengths: tuple[int, ...]) -> Iterator[bytes]:
    """A long message in packets, all of them full but the last."""
    parts: list[Buffer] = [_pack(*lengths)]
    room = PACKET - _FIRST
    for frame in frames:
        view, start = memoryview(frame), 0
        while len(view) - start >= room:
            parts.append(view[start : start + room])
            yield _join(parts)
            start, room, parts = start + room, PACKET, []
        if start < len(view):
            parts.append(view[start:])
            room -= len(view) - start
    if parts:
        yield _join(parts)


def _cut(whole: Any, start: int, lengths: tuple[int, ...]) -> list[Any]:
    first, second, third, _ = lengths
    a = start + first
    b = a + second
    c = b + third
    return [whole[start:a], whole[a:b], whole[b:c], whole[c:]]


def _guard_forks() -> None:
    global _is_guarded
    if not _is_guarded:
        _is_guarded = True
        os.register_at_fork(after_in_child=_give_up)


def _give_up() -> None:
    """In a child: these are the parent's."""
    for lane in list(_all):
        lane.close()

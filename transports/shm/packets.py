"""What is said on the rig's socket for slots, each in one packet; some with a descriptor."""

from __future__ import annotations

import os
import socket
from array import array
from collections.abc import Callable
from typing import TypeVar

import msgspec

from transports.errors import ProtocolError

Packet = TypeVar("Packet")
LARGEST = 1024
"""Bytes of a packet; a longer one is cut, and can't be read."""


_ONE_FD = socket.CMSG_LEN(array("i").itemsize)
"""Room for one descriptor: the kernel closes any other."""


class Join(msgspec.Struct, frozen=True, array_like=True, tag="join"):
    """From a peer, first of all: who it is.

    Attributes:
        peer: The routing id of a client's requests, or the token of a worker's life.
    """

    peer: bytes


class Offer(msgspec.Struct, frozen=True, array_like=True, tag="offer"):
    """From an owner, with a descriptor: a slot that it has made.

    Attributes:
        key: The owner's own number of it, which the answer repeats.
        capacity: Bytes that a frame in it may have.
    """

    key: int
    capacity: int


class Adopted(msgspec.Struct, frozen=True, array_like=True, tag="adopted"):
    """To an owner: a slot may be used; not if `slot`, the rig's number of it, is 0."""

    key: int
    slot: int


class Withdraw(msgspec.Struct, frozen=True, array_like=True, tag="withdraw"):
    """From an owner: it doesn't fill a slot any more."""

    slot: int


class Freed(msgspec.Struct, frozen=True, array_like=True, tag="freed"):
    """To an owner: nobody holds that generation any more."""

    slot: int
    generation: int


class Handed(msgspec.Struct, frozen=True, array_like=True, tag="handed"):
    """To a client, with a descriptor: a slot that a reference is about to name."""

    slot: int


class Returned(msgspec.Struct, frozen=True, array_like=True, tag="returned"):
    """From a client: it is done with a frame."""

    slot: int
    generation: int


class Gone(msgspec.Struct, frozen=True, array_like=True, tag="gone"):
    """To who was handed a slot: no reference will name it any more."""

    slot: int


FromPeer = Join | Offer | Withdraw | Returned
FromRig = Adopted | Freed | Handed | Gone

_encode = msgspec.msgpack.Encoder().encode
_decode_from_peer = msgspec.msgpack.Decoder(FromPeer).decode
_decode_from_rig = msgspec.msgpack.Decoder(FromRig).decode


def connect(path: str) -> socket.socket:
    """Connect to a rig's socket for slots. Raises OSError if it isn't there."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        made.setblocking(False)
        made.connect(path)
    except BaseException:
        made.close()
        raise
    return made


def send(to: socket.socket, packet: FromPeer | FromRig, fd: int | None = None) -> None:
    """Send a packet without waiting.

    Raises:
        BlockingIOError: There is no room for it now.
        OSError: The other side has gone, or too many descriptors are under way.
    """
    if fd is None:
        to.send(_encode(packet))
    else:
        socket.send_fds(to, [_encode(packet)], [fd])


def _receive(source: socket.socket) -> tuple[bytes, int | None]:
    # not by socket.recv_fds, which drops the flag: a program started just now would inherit it
    data, ancillary, _, _ = source.recvmsg(LARGEST, _ONE_FD, socket.MSG_CMSG_CLOEXEC)
    fds = array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content)
    if not data:
        for fd in fds:
            os.close(fd)
        raise EOFError
    return data, fds[0] if fds else None


def receive_from_peer(source: socket.socket) -> tuple[FromPeer, int | None]:
    """A packet that is there, and the descriptor that came with it, which is the caller's to close.

    Raises:
        BlockingIOError: None is there.
        EOFError: The other side has gone.
        OSError: The same, in another way.
        ProtocolError: It can't be read.
    """
    return _decoded(_decode_from_peer, *_receive(source))


def receive_from_rig(source: socket.socket) -> tuple[FromRig, int | None]:
    """As `receive_from_peer`, of the rig's packets."""
    return _decoded(_decode_from_rig, *_receive(source))


def _decoded(
    decode: Callable[[bytes], Packet], data: bytes, fd: int | None
) -> tuple[Packet, int | None]:
    try:
        return decode(data), fd
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if fd is not None:
            os.close(fd)
        raise ProtocolError(f"a packet for slots: {error}") from error

"""Peers in raw bytes, which do what no socket of ZeroMQ does: such as a message that never ends."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

MIB = 1 << 20


PING = b"\x04\x07\x04PING\x00\x00"
"""A heartbeat of ZMTP 3.1, to be answered."""


def frame(content: bytes, *, more: bool = False) -> bytes:
    """A frame as it is on the wire."""
    if len(content) < 256:
        return bytes([more, len(content)]) + content
    return bytes([more | 2]) + struct.pack(">Q", len(content)) + content


@contextlib.contextmanager
def raw_peer(address: str, kind: str, identity: bytes = b"") -> Iterator[socket.socket]:
    """A connection that has shaken hands as a socket of ZeroMQ of that kind, and sends bytes."""
    scheme, place = address.split("://")
    if scheme == "tcp":
        host, port = place.split(":")
        raw = socket.create_connection((host, int(port)))
    else:
        raw = socket.socket(socket.AF_UNIX)
        raw.connect(place)
    with raw:
        raw.settimeout(10)
        raw.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48))
        ready = b"\x05READY" + _property(b"Socket-Type", kind.encode())
        if identity:
            ready += _property(b"Identity", identity)
        raw.sendall(b"\x04" + bytes([len(ready)]) + ready)
        # libzmq takes what comes before it has said READY itself for a part of the handshake
        _, size = _receive(raw, 64 + 2)[64:]
        _receive(raw, size)
        yield raw


def _property(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value


def _receive(raw: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = raw.recv(size - len(received))
        if not part:
            raise ConnectionError("the other side has closed the connection")
        received += part
    return received


def reset(raw: socket.socket) -> None:
    """Leave without a goodbye: what was sent and isn't read is dropped."""
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


@contextlib.contextmanager
def endless_message(address: str, stop: threading.Event) -> Iterator[None]:
    """Send frames of 1 MiB, each with more to come, until stopped or cut off."""
    with raw_peer(address, "DEALER") as raw:
        raw.settimeout(5)  # who is cut off in the middle may not be told so

        def run() -> None:
            part = frame(bytes(MIB), more=True)
            with contextlib.suppress(OSError):
                while not stop.is_set():
                    raw.sendall(part)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

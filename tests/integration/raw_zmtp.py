"""Peers in raw bytes, which do what no socket of ZeroMQ does: such as a message that never ends."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

MIB = 1 << 20


@contextlib.contextmanager
def raw_peer(address: str, kind: str) -> Iterator[socket.socket]:
    """A connection that has shaken hands as a socket of ZeroMQ of that kind, and sends bytes."""
    scheme, place = address.split("://")
    if scheme == "tcp":
        host, port = place.split(":")
        raw = socket.create_connection((host, int(port)))
    else:
        raw = socket.socket(socket.AF_UNIX)
        raw.connect(place)
    with raw:
        raw.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48))
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind.encode()
        raw.sendall(b"\x04" + bytes([len(ready)]) + ready)
        yield raw


@contextlib.contextmanager
def endless_message(address: str, stop: threading.Event) -> Iterator[None]:
    """Send frames of 1 MiB, each with more to come, until stopped or cut off."""
    with raw_peer(address, "DEALER") as raw:
        raw.settimeout(5)  # who is cut off in the middle may not be told so

        def run() -> None:
            frame = b"\x03" + struct.pack(">Q", MIB) + bytes(MIB)
            with contextlib.suppress(OSError):
                while not stop.is_set():
                    raw.sendall(frame)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

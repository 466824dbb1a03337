"""Sockets that say what the test wants them to say, in place of real ones."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
import zmq

from transports.frames import TooManyFrames

FULL, GONE, BROKEN = zmq.EAGAIN, zmq.EHOSTUNREACH, zmq.ENOTSOCK


class FakeSocket:
    """Keeps what is sent, and gives what was put in.

    Attributes:
        sent: The messages that found room.
        errno: What each send fails with; 0 if none does.
        room: How many messages there still is room for; None if for any number.
        inbox: What can be received.
    """

    def __init__(self) -> None:
        self.sent: list[list[Any]] = []
        self.errno = 0
        self.room: int | None = None
        self.inbox: deque[list[zmq.Frame] | TooManyFrames] = deque()

    def put(self, *frames: bytes) -> None:
        """Let a message be received."""
        self.inbox.append([zmq.Frame(frame) for frame in frames])

    def put_too_many(self) -> None:
        """Let a message be received of more frames than are read."""
        self.inbox.append(TooManyFrames([zmq.Frame(b"x")], 99))


def send(socket: FakeSocket, frames: list[Any]) -> None:
    """As `transports.frames.send`."""
    if socket.errno:
        raise zmq.ZMQError(socket.errno) if socket.errno != FULL else zmq.Again()
    if socket.room is not None:
        if not socket.room:
            raise zmq.Again
        socket.room -= 1
    socket.sent.append([bytes(getattr(frame, "bytes", frame)) for frame in frames])


def receive(socket: FakeSocket, most: int) -> list[zmq.Frame] | TooManyFrames:
    """As `transports.frames.receive`."""
    if not socket.inbox:
        raise zmq.Again
    return socket.inbox.popleft()


def has_more(socket: FakeSocket) -> bool:
    """As `transports.frames.has_more`."""
    return bool(socket.inbox)


def fake_frames(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    """Have a module use fake sockets: frames go through compiled methods, not the socket's own."""
    for name, function in (("send", send), ("receive", receive), ("has_more", has_more)):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, function)

"""Frames in and out of a socket, at the speed of the compiled calls.

`recv_multipart` and `send_multipart` cost more than the broker's own work per message, so the
loops use the backend's methods on each frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import zmq
from zmq.backend import Socket as BackendSocket

if TYPE_CHECKING:
    from transports.serializers import Buffer

_recv = BackendSocket.recv
_send = BackendSocket.send
_get = BackendSocket.get
_EVENTS = int(zmq.EVENTS)
_POLLIN = int(zmq.POLLIN)
_DONTWAIT = int(zmq.DONTWAIT)
_SNDMORE = int(zmq.SNDMORE)
_MORE_DONTWAIT = _SNDMORE | _DONTWAIT
COPY_THRESHOLD = 65536
"""Bytes above which handing a frame over costs less than copying it."""


class TooManyFrames:
    """In place of the frames of a message that had more of them than allowed.

    Attributes:
        first: The frames that were kept.
        count: How many there were.
    """

    __slots__ = ("count", "first")

    def __init__(self, first: list[zmq.Frame], count: int) -> None:
        self.first = first
        self.count = count


def receive(socket: zmq.Socket[Any], most: int) -> list[zmq.Frame] | TooManyFrames:
    """Receive one message without waiting, its frames uncopied.

    Args:
        socket: Where from.
        most: How many frames are kept; further ones are read and dropped.

    Raises:
        zmq.Again: Nothing is there.
    """
    frame: Any = _recv(socket, _DONTWAIT, False)
    frames = [frame]
    while frame.more:
        frame = _recv(socket, _DONTWAIT, False)
        frames.append(frame)
        if len(frames) > most:
            return _drain(socket, frames[:most], frame, len(frames))
    return frames


def has_more(socket: zmq.Socket[Any]) -> bool:
    """Whether a message can be received now; a third of the cost of a `zmq.Again`."""
    events: Any = _get(socket, _EVENTS)
    return bool(events & _POLLIN)


def _drain(
    socket: zmq.Socket[Any], first: list[zmq.Frame], frame: Any, count: int
) -> TooManyFrames:
    while frame.more:
        frame = _recv(socket, _DONTWAIT, False)
        count += 1
    return TooManyFrames(first, count)


def send(socket: zmq.Socket[Any], frames: Sequence[Buffer | zmq.Frame]) -> None:
    """Send one message without waiting; large frames are not copied.

    Raises:
        zmq.Again: The peer's queue is full; nothing was sent.
        zmq.ZMQError: EHOSTUNREACH if a mandatory ROUTER doesn't know the peer.
    """
    last = len(frames) - 1
    for index, frame in enumerate(frames):
        flags = _MORE_DONTWAIT if index < last else _DONTWAIT
        if isinstance(frame, zmq.Frame) or len(frame) < COPY_THRESHOLD:
            _send(socket, frame, flags)
        else:
            _send(socket, frame, flags, False)

"""Frames in and out of a socket, at the speed of the compiled calls.

`recv_multipart` and `send_multipart` cost more than the broker's own work per message, so the
loops use the backend's methods on each frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
import zmq
from zmq.backend import Socket as BackendSocket

from transports.serializers import TEXT

if TYPE_CHECKING:
    from transports.serializers import Buffer

_recv = BackendSocket.recv
_send = BackendSocket.send
_get = BackendSocket.get
_EVENTS = int(zmq.EVENTS)
_RCVMORE = int(zmq.RCVMORE)
_POLLIN = int(zmq.POLLIN)
_DONTWAIT = int(zmq.DONTWAIT)
_SNDMORE = int(zmq.SNDMORE)
_MORE_DONTWAIT = _SNDMORE | _DONTWAIT
COPY_THRESHOLD = 65536
"""Bytes above which handing a frame over costs less than copying it."""


class TooManyFrames:
    """In place of the frames of a message that had more of them than allowed.

    Attributes:
        first: The frames that were kept, as the function gives them that received them.
        count: How many there were, or were read so far.
        has_rest: Whether there are more, to be dropped with `drop_rest`.
    """

    __slots__ = ("count", "first", "has_rest")

    def __init__(self, first: list[Any], count: int, *, has_rest: bool = False) -> None:
        self.first = first
        self.count = count
        self.has_rest = has_rest


def receive(
    socket: zmq.Socket[Any], most: int, piece: int | None = None
) -> list[zmq.Frame] | TooManyFrames:
    """Receive one message without waiting, its frames uncopied. Never raises `zmq.Again`.

    Args:
        socket: Where from.
        most: How many frames are kept; further ones are read and dropped.
        piece: How many are read at most, more than `most`; None for all.

    Returns:
        No frames when nothing is there. Of a message whose rest doesn't follow, which a peer can
        bring about at some sockets, those that came: whoever knows how many there should be
        counts them.
    """
    return _receive_rest(socket, [], most, piece)


def receive_routed(
    socket: zmq.Socket[Any], most: int, piece: int | None = None
) -> list[Any] | TooManyFrames:
    """The same of a ROUTER: the first frame, its peer's id, is bytes.

    The socket itself put it there, and has received all that follows.
    """
    try:
        frames: list[Any] = [_recv(socket, _DONTWAIT)]
    except zmq.Again:
        return []
    return _receive_rest(socket, frames, most, piece)


def _receive_rest(
    socket: zmq.Socket[Any], frames: list[Any], most: int, piece: int | None
) -> list[Any] | TooManyFrames:
    try:
        while len(frames) < most:
            frame: Any = _recv(socket, _DONTWAIT, False)
            frames.append(frame)
            if not frame.more:
                return frames
    except zmq.Again:
        return frames  # empty, or torn: said by the number of frames
    return _drop_more(socket, frames, piece)


def _drop_more(
    socket: zmq.Socket[Any], frames: list[Any], piece: int | None
) -> list[Any] | TooManyFrames:
    """The rest of a message of which as many frames as are kept were received."""
    count = len(frames)
    while (frame := receive_frame(socket)) is not None:
        count += 1
        if not frame.more or count == piece:
            return TooManyFrames(frames, count, has_rest=frame.more)
    return frames if count == len(frames) else TooManyFrames(frames, count)


def drop_rest(socket: zmq.Socket[Any], piece: int) -> bool:
    """Drop so many frames of the rest of a message; whether there are more."""
    for _ in range(piece):
        frame = receive_frame(socket)
        if frame is None or not frame.more:
            return False
    return True


def receive_frame(socket: zmq.Socket[Any]) -> zmq.Frame | None:
    """Receive one frame without waiting, whatever message it is of; None when nothing is there."""
    try:
        frame: zmq.Frame = _recv(socket, _DONTWAIT, False)
    except zmq.Again:
        return None
    return frame


class _Raw(msgspec.Struct):
    preencodedPayloadContentType: str | None = None


UNUSED = (None, "", TEXT)
"""What a header says of a raw frame that nothing is in."""
_decode_raw = msgspec.json.Decoder(_Raw).decode


def is_used(header: bytes) -> bool:
    """Whether something is in the raw frame that this header announces; an empty one is text."""
    try:
        return _decode_raw(header).preencodedPayloadContentType not in UNUSED
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def receive_interruptibly(
    socket: zmq.Socket[Any], count: int, announces: Callable[[bytes], bool] = is_used
) -> list[Buffer] | TooManyFrames | None:
    """Receive one message if there is one, in a thread that an interrupt may reach.

    pyzmq looks for signals whenever a `zmq.Frame` is freed, where a KeyboardInterrupt is printed
    and lost. So frames are copied, which takes no Frame; only the last one, if the header two
    before it tells that it is used, stays where it lies. An interrupt costs the message that it
    strikes; what is left of that comes as a message with fewer frames.

    Args:
        socket: Where from.
        count: How many frames are kept; further ones are read and dropped. The last of them is
            the raw one.
        announces: Whether something is in the raw frame, by the header; asked once a message.
    """
    try:  # to ask first is worse: a look at the events may drop a message that libzmq prefetched
        frames: list[Any] = [_recv(socket, _DONTWAIT)]
    except zmq.Again:
        return None
    last = count - 1
    while _get(socket, _RCVMORE):
        if len(frames) == last and announces(frames[-2]):
            raw = _recv(socket, _DONTWAIT, False)
            frames.append(raw.buffer if len(raw) >= COPY_THRESHOLD else raw.bytes)
        elif len(frames) == count:
            return _drop_rest(socket, frames)
        else:
            frames.append(_recv(socket, _DONTWAIT))
    return frames


def _drop_rest(socket: zmq.Socket[Any], first: list[Any]) -> TooManyFrames:
    count = len(first)
    while _get(socket, _RCVMORE):
        _recv(socket, _DONTWAIT)
        count += 1
    return TooManyFrames(first, count)


class InterruptibleReader:
    """As `receive_interruptibly`, without what is left of a message that an interrupt struck.

    Its peer is not to be blamed for that.

    Args:
        socket: Where from.
        count: How many frames a message has.
    """

    def __init__(self, socket: zmq.Socket[Any], count: int) -> None:
        self._socket = socket
        self._count = count
        self._receiving = False  # stays True if an interrupt strikes

    def next(self) -> list[Buffer] | TooManyFrames | None:
        """One message if there is one."""
        while True:
            struck, self._receiving = self._receiving, True
            frames = receive_interruptibly(self._socket, self._count)
            self._receiving = False
            if not struck or not isinstance(frames, list) or len(frames) == self._count:
                return frames


def has_more(socket: zmq.Socket[Any]) -> bool:
    """Whether a message can be received now; a third of the cost of a `zmq.Again`."""
    return bool(events_of(socket) & _POLLIN)


def events_of(socket: zmq.Socket[Any]) -> int:
    """What a socket is ready for: POLLIN, POLLOUT. Its descriptor tells when to look again."""
    events: Any = _get(socket, _EVENTS)
    return int(events)


def send(socket: zmq.Socket[Any], frames: Sequence[Buffer | zmq.Frame]) -> None:
    """Send one message without waiting; large frames are not copied.

    Raises:
        zmq.Again: The peer's queue is full; nothing was sent.
        zmq.ZMQError: EHOSTUNREACH if a mandatory ROUTER doesn't know the peer.
    """
    rest = iter(frames)
    try:
        for frame in islice(rest, len(frames) - 1):
            if len(frame) < COPY_THRESHOLD:
                _send(socket, frame, _MORE_DONTWAIT)
            else:
                _send(socket, frame, _MORE_DONTWAIT, False)
        last = frames[-1]
        if len(last) < COPY_THRESHOLD:
            _send(socket, last, _DONTWAIT)
        else:
            _send(socket, last, _DONTWAIT, False)
    except zmq.ZMQError:
        raise
    except BaseException:
        # An interrupt, most likely after this frame was sent. The rest is sent as well, or the
        # next message would be taken for it. The last frame may go twice, which spoils nothing.
        *more, last = rest
        for frame in more:
            with suppress(zmq.ZMQError):
                _send(socket, frame, _MORE_DONTWAIT)
        with suppress(zmq.ZMQError):
            _send(socket, last, _DONTWAIT)
        raise

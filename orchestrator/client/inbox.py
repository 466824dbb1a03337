"""Messages in and out of a socket so that an interrupt can't tear the stream apart.

A KeyboardInterrupt can strike between the frames of a message. All frames are moved within one
call into C, where that can only happen at pyzmq's own look for signals, after each frame; what is
left of the message is moved before the interrupt goes on, so that the next one begins where a
message begins. At most the message that was struck is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import zmq
from zmq.backend import Socket as BackendSocket

from transports.frames import COPY_THRESHOLD

if TYPE_CHECKING:
    from orchestrator.client.exchange import Exchange
    from transports.serializers import Buffer

_DONTWAIT = int(zmq.DONTWAIT)


def own_memory(frame: zmq.Frame) -> Buffer:
    """The writable memory of a received frame.

    A large one is used where it lies. A small one is copied: it would keep a whole batch of
    messages alive, and may lie at an odd address.
    """
    memory = frame.buffer
    return memory if len(memory) >= COPY_THRESHOLD else bytearray(memory)


class Inbox:
    """Whole messages of a known number of frames; others are dropped.

    Args:
        socket: Where from.
        count: How many frames a message has.
    """

    def __init__(self, socket: zmq.Socket[Any], count: int) -> None:
        self._socket = socket
        self._receive = BackendSocket.recv.__get__(socket)
        self._flags = (_DONTWAIT,) * count
        self._copies = (False,) * count
        self._count = count
        self._frames: list[zmq.Frame] = []
        self.malformed = 0

    def next(self) -> list[zmq.Frame] | None:
        """The next message without waiting, or None. `done()` says that it was taken."""
        frames = self._frames
        while True:
            if not frames:
                try:
                    frames.extend(map(self._receive, self._flags, self._copies))
                except zmq.Again:
                    if not frames:
                        return None
            if len(frames) == self._count and self._is_whole(frames):
                return frames
            self._resynchronise(frames)

    def done(self) -> None:
        """Forget the message that `next()` gave; without this it is given again."""
        self._frames = []

    def _is_whole(self, frames: list[zmq.Frame]) -> bool:
        if frames[-1].more:
            return False
        return all(frame.more for frame in frames[:-1])

    def _resynchronise(self, frames: list[zmq.Frame]) -> None:
        """Drop the first message, which is of another length or lacks what an interrupt took."""
        while self._socket.get(zmq.RCVMORE):
            frames.append(self._receive(_DONTWAIT, False))
        end = next((index for index, frame in enumerate(frames) if not frame.more), len(frames))
        del frames[: end + 1]
        self.malformed += 1


def sender_of(socket: zmq.Socket[Any]) -> Callable[[Exchange], bool]:
    """A function that sends an exchange's request without waiting.

    It returns False if the socket takes nothing now: no connection is up, or its queue is full.
    """
    send = BackendSocket.send.__get__(socket)

    def send_request(exchange: Exchange) -> bool:
        done: list[None] = []
        parts = map(send, exchange.frames, exchange.flags, exchange.copies)
        exchange.sent = True  # before the call that sends: an interrupt can't come in between
        try:
            done.extend(parts)
        except zmq.Again:
            if not done:
                exchange.sent = False
                return False
            # The connection went between two frames. libzmq drops the message, but only if the
            # rest of it is handed over as well; otherwise it would swallow the next one.
            _finish(send, exchange, len(done) + 1)
        except BaseException:
            # The frame at which it struck was probably sent. If not, the message is too short
            # and the rig refuses it; the last one is sent again, because a message that lacks
            # it would go on with the next one. Either way the caller has given up on it.
            last = len(exchange.frames) - 1
            if len(done) <= last:
                _finish(send, exchange, min(len(done) + 1, last))
            raise
        return True

    return send_request


def _finish(send: Callable[..., None], exchange: Exchange, index: int) -> None:
    """Send the rest of a message that was begun."""
    for frame, flag in zip(exchange.frames[index:], exchange.flags[index:], strict=True):
        with suppress(zmq.Again):  # the connection went; what follows is dropped
            send(frame, flag)

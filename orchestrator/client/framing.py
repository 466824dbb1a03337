"""Messages in and out of a socket so that an interrupt can't tear the stream apart.

A KeyboardInterrupt can strike between the frames of a message. One that is received is given up
then: what is left of it has fewer frames and is dropped. One that is sent goes as a whole before
the interrupt goes on. At most the message that was struck is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from operator import length_hint
from typing import TYPE_CHECKING, Any

import zmq
from zmq.backend import Socket as BackendSocket

from orchestrator.client.interrupts import uninterrupted
from transports.frames import TooManyFrames, is_used, receive_interruptibly

if TYPE_CHECKING:
    from orchestrator.client.exchange import Exchange
    from transports.serializers import Buffer


def own_memory(raw: Buffer) -> Buffer:
    """The writable memory of a raw frame: where it lies if it is large, else a copy."""
    return raw if isinstance(raw, memoryview) else bytearray(raw)


class FramedReader:
    """Whole messages of a known number of frames; others are dropped.

    Args:
        socket: Where from.
        count: How many frames a message has; the last one is the raw one.
        announces: Whether something is in the raw frame, by the header; asked once a message.
    """

    def __init__(
        self,
        socket: zmq.Socket[Any],
        count: int,
        announces: Callable[[bytes], bool] = is_used,
    ) -> None:
        self._socket = socket
        self._count = count
        self._announces = announces
        self._frames: list[Buffer] | None = None
        self.malformed = 0

    def next(self) -> list[Buffer] | None:
        """The next message without waiting, or None. `done()` says that it was taken."""
        while self._frames is None:
            frames = receive_interruptibly(self._socket, self._count, self._announces)
            if frames is None:
                return None
            if isinstance(frames, TooManyFrames) or len(frames) != self._count:
                self.malformed += 1
            else:
                self._frames = frames
        return self._frames

    def done(self) -> None:
        """Forget the message that `next()` gave; without this it is given again."""
        self._frames = None


def sender_of(socket: zmq.Socket[Any]) -> Callable[[Exchange], bool]:
    """A function that sends an exchange's request without waiting.

    It returns False if the socket takes nothing now: no connection is up, or its queue is full.
    """
    send = BackendSocket.send.__get__(socket)

    def send_request(exchange: Exchange) -> bool:
        done: list[None] = []
        frames = iter(exchange.frames)
        parts = map(send, frames, exchange.flags, exchange.copies)
        exchange.sent = True  # before the call that sends: an interrupt can't come in between
        try:
            uninterrupted(done.extend, parts)
        except zmq.Again:
            if not done:
                exchange.sent = False
                return False
            # The connection went between two frames. libzmq drops the message, but only if the
            # rest of it is handed over as well; otherwise it would swallow the next one.
            _finish(send, exchange, len(done) + 1)
        except BaseException as error:
            last = len(exchange.frames) - 1
            untried = length_hint(frames) > last
            if untried or (not done and isinstance(error.__context__, zmq.Again)):
                exchange.sent = False  # an interrupt before or after, and nothing went
            elif len(done) <= last:
                # Another signal than Ctrl-C's raised, most likely after this frame was sent. If
                # not, the message is too short and the rig refuses it; the last one is sent again,
                # as a message that lacks it would go on with the next one.
                _finish(send, exchange, min(len(done) + 1, last))
            raise
        return True

    return send_request


def _finish(send: Callable[..., None], exchange: Exchange, index: int) -> None:
    """Send the rest of a message that was begun."""
    for frame, flag in zip(exchange.frames[index:], exchange.flags[index:], strict=True):
        with suppress(zmq.Again):  # the connection went; what follows is dropped
            send(frame, flag)

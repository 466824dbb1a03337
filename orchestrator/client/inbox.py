"""Messages in and out of a socket so that an interrupt can't tear one apart.

Python runs signal handlers between its own instructions, never inside a C function. All frames
of a message are therefore moved within one call into C: a KeyboardInterrupt strikes before or
after it, and what was received stays in the inbox for whoever comes next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from operator import length_hint
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
        """Drop the first message of another length; keep what was read of the next one."""
        end = next((index for index, frame in enumerate(frames) if not frame.more), None)
        if end is None:
            while frames[-1].more:
                frames[:] = [self._receive(_DONTWAIT, False)]
            frames.clear()
        else:
            del frames[: end + 1]
            while frames and len(frames) < self._count and frames[-1].more:
                frames.append(self._receive(_DONTWAIT, False))
        self.malformed += 1


def sender_of(socket: zmq.Socket[Any]) -> Callable[[Exchange], bool]:
    """A function that sends an exchange's request without waiting.

    It returns False if the socket takes nothing now: no connection is up, or its queue is full.
    """
    send = BackendSocket.send.__get__(socket)

    def send_request(exchange: Exchange) -> bool:
        frames = iter(exchange.frames)
        parts = map(send, frames, exchange.flags, exchange.copies)
        exchange.sent = True  # before the call that sends: an interrupt can't come in between
        try:
            deque(parts, 0)
        except zmq.Again:
            left = length_hint(frames)
            if left == len(exchange.frames) - 1:
                exchange.sent = False
                return False
            # The connection went between two frames. libzmq drops the message, but only if the
            # rest of it is handed over as well; otherwise it would swallow the next one.
            for index in range(len(exchange.frames) - left, len(exchange.frames)):
                send(exchange.frames[index], exchange.flags[index])
        return True

    return send_request

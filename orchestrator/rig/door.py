"""The door for publishers of events: who comes in shows the token of a worker's present life.

A socket with a receive mark has to be kept from strangers: what they send behind more than is
read, and leave, ends the process (see `transports.keepalive`). So libzmq asks here, by its own
protocol for that (ZAP), before it takes a connection's first message.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import zmq

from transports.frames import TooManyFrames, receive, send

ADDRESS = "inproc://zeromq.zap.01"
"""Where libzmq asks, fixed by its protocol."""
_VERSION = b"1.0"
_FRAMES = 10
_NUMBER, _TOKEN = 3, 9
"""Where the question's number and the password stand, behind routing id and delimiter."""
_YES, _NO = (b"200", b"OK"), (b"400", b"no worker of this rig")


class Door:
    """Answers whether a connection is a worker's.

    Args:
        context: The one of the rig's sockets.
        tokens: Those of the incarnations that live.

    Attributes:
        socket: Readable when there is something to `answer`.
    """

    def __init__(self, context: zmq.Context[Any], tokens: Container[bytes]) -> None:
        self.socket: zmq.Socket[Any] = context.socket(zmq.ROUTER)
        self.socket.set(zmq.LINGER, 0)
        self.socket.set(zmq.RCVHWM, 0)
        self.socket.bind(ADDRESS)
        self._tokens = tokens

    def answer(self) -> None:
        """Answer one question, if there is one."""
        frames = receive(self.socket, _FRAMES)
        if isinstance(frames, TooManyFrames) or len(frames) != _FRAMES:
            return  # libzmq asks in no other form
        code, text = _YES if frames[_TOKEN].bytes in self._tokens else _NO
        number = frames[_NUMBER].bytes
        send(self.socket, [frames[0], b"", _VERSION, number, code, text, b"", b""])

    def close(self) -> None:
        """Let nobody in any more."""
        self.socket.close()

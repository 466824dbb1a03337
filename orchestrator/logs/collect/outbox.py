"""Messages to a collector that may be slow: those that find no room wait, in order.

A collector takes seconds to start on a busy machine, and a rig may hand it hundreds of streams
meanwhile, more than a socket holds.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections import deque

from orchestrator.logs.collect import control

MOST = 2000
"""Messages that may wait, if there aren't even more streams."""


class Outbox:
    """What goes to one collector.

    Args:
        socket: To the collector, non-blocking.
    """

    def __init__(self, socket: socket.socket) -> None:
        self._socket = socket
        self._waiting: deque[tuple[bytes, list[int]]] = deque()

    def send(self, message: control.Message, fds: list[int]) -> None:
        """Send a message now, or when there is room.

        Args:
            message: The message.
            fds: Descriptors that go with it; they stay the caller's.

        Raises:
            OSError: The collector has died; or too many open files.
        """
        self._waiting.append((control.encode(message), [os.dup(fd) for fd in fds]))
        self.flush()

    def flush(self) -> None:
        """Send what there is room for. Raises OSError: the collector has died."""
        while self._waiting:
            data, fds = self._waiting[0]
            try:
                socket.send_fds(self._socket, [data], fds)
            except BlockingIOError:
                return  # the collector tells when it has read
            self._let_go(self._waiting.popleft()[1])

    def is_beyond(self, streams: int) -> bool:
        """Whether more waits than starting could explain, of so many streams that there are."""
        return len(self._waiting) > max(MOST, 2 * streams)

    def drain(self, deadline: float) -> None:
        """Wait until all is sent, or for the deadline (monotonic). Raises as `flush` does."""
        room = select.poll()
        room.register(self._socket, select.POLLOUT)
        self.flush()
        while self._waiting and (left := deadline - time.monotonic()) > 0:
            room.poll(left * 1000)
            self.flush()

    def close(self) -> None:
        """Forget what waits."""
        while self._waiting:
            self._let_go(self._waiting.popleft()[1])

    @staticmethod
    def _let_go(fds: list[int]) -> None:
        for fd in fds:
            os.close(fd)

"""Waiting, apart from what is waited for.

What a client does is written once, as *steps*: a generator that yields a `Pause` where it has to
wait. `Threads` runs steps for code that blocks, `transports.tasks.Tasks` for asyncio.
"""

from __future__ import annotations

import math
import select
import socket as network
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import zmq

T = TypeVar("T")
Key = str | int | None


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing can be done now.

    Attributes:
        key: What news is waited for; None for that of the connection itself.
        seconds: How long at most; None without end.
    """

    key: Key = None
    seconds: float | None = None


Steps = Generator[Pause, None, T]


class Waiting(Protocol):
    """What steps may use of what runs them."""

    def pump(self) -> None:
        """Take what has come from the socket."""

    def notify(self, key: Key) -> None:
        """There is news for who waits for `key`; None means everybody."""


class Threads:
    """Runs steps in any number of threads over one socket.

    Steps run under one lock, so that only one thread at a time touches the socket. Of those that
    wait, one waits on the socket for all.

    Args:
        socket: What is waited on.
        pump: Takes what has come from the socket; returns whether there may be more.
    """

    def __init__(self, socket: zmq.Socket[Any], pump: Callable[[], bool]) -> None:
        self._condition = threading.Condition()
        self._readiness = _Readiness(_fd(socket))
        self._take = pump
        self._more = False
        self._leading = False

    def run(self, steps: Steps[T]) -> T:
        """Run steps to their end, in the caller's thread."""
        with self._condition:
            try:
                pause = next(steps)
                while True:
                    self._wait(pause.seconds)
                    pause = next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                steps.close()
                self._condition.notify_all()  # another one has to wait on the socket now

    def locked(self) -> AbstractContextManager[object]:
        """The lock under which the socket is used."""
        return self._condition

    def _wait(self, seconds: float | None) -> None:
        if self._more:
            self.pump()
        elif self._leading:
            self._condition.wait(seconds)
        else:
            self._leading = True
            self._condition.release()
            try:
                self._readiness.wait(seconds)
            finally:
                self._condition.acquire()
                self._leading = False
            self.pump()

    def pump(self) -> None:
        """Take what has come from the socket. The lock is held."""
        self._more = self._take()
        if self._more and self._leading:
            self._readiness.wake()

    def notify(self, key: Key) -> None:
        """Let everybody look again. The lock is held."""
        self._condition.notify_all()
        if self._leading:
            self._readiness.wake()

    def wake(self) -> None:
        """Let everybody look again; from any thread."""
        with self._condition:
            self.notify(None)

    def close(self) -> None:
        """Give the file descriptors back, once nobody waits on them."""
        with self._condition:
            self.notify(None)
            self._condition.wait_for(lambda: not self._leading, 1.0)
            self._readiness.close()


class _Readiness:
    """Waits for a file descriptor, or to be woken."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._reader, self._writer = network.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(fd, select.POLLIN)
            self._poll.register(self._reader.fileno(), select.POLLIN)

    def wait(self, seconds: float | None) -> None:
        if self._poll is not None:
            self._poll.poll(None if seconds is None else math.ceil(max(0.0, seconds) * 1000))
        else:
            select.select([self._fd, self._reader.fileno()], [], [], seconds)
        with suppress(OSError):  # nothing to read, or closed meanwhile
            self._reader.recv(4096)

    def wake(self) -> None:
        with suppress(OSError):  # full: then it is woken already
            self._writer.send(b"\0")

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


def _fd(socket: zmq.Socket[Any]) -> int:
    fd = socket.get(zmq.FD)
    assert isinstance(fd, int)
    return fd

"""Waiting, apart from what is waited for.

What a client does is written once, as *steps*: a generator that yields a `Pause` where it has to
wait. `Threads` runs steps for code that blocks, `transports.hololinked.tasks.Tasks` for asyncio.
"""

from __future__ import annotations

import math
import queue
import select
import socket as network
import threading
import time
import weakref
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import zmq

T = TypeVar("T")
Key = str | int | None
BATCH = 256
"""Messages taken at once, before others have their turn."""
WATCH = 1.0
"""Seconds that nobody waits for longer than at a time."""
_PATIENCE = 1.0  # seconds for who leads to notice that the socket is closed


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


class _Turn:
    """One run of steps. It leads, waiting on the socket for all, or waits at its gate for news."""

    __slots__ = ("gate", "leading", "thread")

    def __init__(self) -> None:
        self.leading = False
        self.thread = threading.get_ident()
        self.gate: queue.SimpleQueue[None] = queue.SimpleQueue()  # a signal handler may use it

    def rouse(self) -> None:
        if self.gate.empty():
            self.gate.put(None)

    def wait(self, seconds: float) -> None:
        with suppress(queue.Empty):
            self.gate.get(timeout=seconds)


class Threads:
    """Runs steps in any number of threads over one socket.

    Steps run under one lock, so that only one thread at a time touches the socket. Of those that
    wait, one leads: it waits on the socket for all.

    A KeyboardInterrupt may strike at any place. So the lock is held by `with` only, which none
    can split, and whether somebody leads is told by a flag of its own, which its end clears
    first. Nobody waits for longer than `WATCH` without another look: at an interrupt that came
    just before the wait, or a leader that was struck before it could tell.

    Args:
        socket: What is waited on.
        pump: Takes what has come from the socket; returns whether there may be more.
    """

    def __init__(self, socket: zmq.Socket[Any], pump: Callable[[], bool]) -> None:
        self._lock = threading.Lock()
        self._readiness = _Readiness(_fd(socket))
        weakref.finalize(self, self._readiness.close).atexit = False  # for who is lost
        self._take = pump
        self._more = False
        self._leader: _Turn | None = None
        self._closing = False
        self._turns: set[_Turn] = set()

    def run(self, steps: Steps[T]) -> T:
        """Run steps to their end, in the caller's thread."""
        turn = _Turn()
        try:
            self._turns.add(turn)
            while True:
                with self._lock:
                    try:
                        pause = next(steps)
                    except StopIteration as end:
                        result: T = end.value
                        return result
                    if self._more:
                        self.pump()
                        continue
                    if not self._is_led():
                        turn.leading = True
                        self._leader = turn
                self._wait(turn, WATCH if pause.seconds is None else min(pause.seconds, WATCH))
        except BaseException:
            self._more = True  # the sign that something came may be gone, and it not taken
            raise
        finally:
            turn.leading = False
            with self._lock:
                self._turns.discard(turn)
                self.notify(None)  # another one has to wait on the socket now
                steps.close()
                if self._closing and not self._turns:
                    self._readiness.close()

    def _wait(self, turn: _Turn, seconds: float) -> None:
        if turn.leading:
            self._readiness.wait(seconds)
            with self._lock:
                turn.leading = False
                self.pump()
        else:
            turn.wait(max(0.0, seconds))

    def _is_led(self) -> bool:
        return self._leader is not None and self._leader.leading

    def locked(self) -> AbstractContextManager[object]:
        """The lock under which the socket is used."""
        return self._lock

    def pump(self) -> None:
        """Take what has come from the socket. The lock is held."""
        self._more = self._take()
        if self._more and self._is_led():
            self._readiness.wake()

    def notify(self, key: Key) -> None:
        """Let everybody look again. The lock is held."""
        for turn in tuple(self._turns):
            turn.rouse()
        if self._is_led():
            self._readiness.wake()

    def wake(self) -> None:
        """Let everybody look again; from any thread or signal handler, with or without the lock."""
        for turn in tuple(self._turns):
            turn.rouse()
        self._readiness.wake()

    def close(self) -> None:
        """Give the file descriptors back, once nobody waits on them."""
        turn = _Turn()
        inside = any(each.thread == turn.thread for each in tuple(self._turns))
        self._turns.add(turn)  # a leader that ends rouses it
        deadline = time.monotonic() + _PATIENCE
        while self._is_led_by_another(turn) and time.monotonic() < deadline:
            self._readiness.wake()
            turn.wait(_PATIENCE)
        self._turns.discard(turn)
        if not inside:
            with self._lock:
                self._readiness.close()
            return
        # This is a signal handler, and its thread itself waits here: that goes on only after the
        # handler, and then gives the descriptors back. It may hold the lock as well.
        self._closing = True
        if self._lock.acquire(timeout=_PATIENCE):  # nobody else uses the socket now
            self._lock.release()
        self.wake()

    def _is_led_by_another(self, turn: _Turn) -> bool:
        leader = self._leader
        return leader is not None and leader.leading and leader.thread != turn.thread


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

"""Steps as tasks of an event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import zmq

from transports.waiting import Key, Pause, Steps

T = TypeVar("T")


class Tasks:
    """Runs steps in any number of tasks of one event loop, over one or more sockets.

    The loop watches the sockets' file descriptors itself and messages are taken without waiting,
    so a cancelled task can't lose one. It needs a loop that can watch a file descriptor.

    Args:
        pump: Takes what has come from the sockets; returns whether there may be more.
    """

    def __init__(self, pump: Callable[[], bool]) -> None:
        self._take = pump
        self._scheduled = False
        self._fds: dict[zmq.Socket[Any], int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiters: dict[Key, set[asyncio.Future[None]]] = {}

    def watch(self, socket: zmq.Socket[Any]) -> None:
        """Wake when there is news of this socket."""
        fd = socket.get(zmq.FD)
        assert isinstance(fd, int)
        # A loop keeps one reader a descriptor, and zmq.asyncio may want to be it.
        self._fds[socket] = os.dup(fd) if os.name == "posix" else fd
        if self._loop is not None:
            self._loop.add_reader(self._fds[socket], self._readable)

    def unwatch(self, socket: zmq.Socket[Any]) -> None:
        """Don't any more."""
        fd = self._fds.pop(socket, None)
        if fd is None:
            return
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(fd)
        if os.name == "posix":
            os.close(fd)

    async def run(self, steps: Steps[T]) -> T:
        """Run steps to their end, in the caller's task."""
        self.attach()
        try:
            pause = next(steps)
            while True:
                await self._wait(pause)
                pause = next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            steps.close()

    def attach(self) -> None:
        """Watch the sockets in the running event loop."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        self._detach()
        self._loop = loop
        self._scheduled = False
        for fd in self._fds.values():
            loop.add_reader(fd, self._readable)

    def _detach(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            for fd in self._fds.values():
                self._loop.remove_reader(fd)
        self._loop = None

    async def _wait(self, pause: Pause) -> None:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        waiters = self._waiters.setdefault(pause.key, set())
        waiters.add(waiter)
        timer = None
        if pause.seconds is not None:
            timer = loop.call_later(pause.seconds, _finish, waiter)
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()
            waiters.discard(waiter)
            if not waiters and self._waiters.get(pause.key) is waiters:
                del self._waiters[pause.key]

    def _readable(self) -> None:
        self._scheduled = False
        self.pump()

    def pump(self) -> None:
        """Take what has come from the sockets; what is left, when others have had their turn."""
        if self._take() and not self._scheduled and self._loop is not None:
            self._scheduled = True
            self._loop.call_soon(self._readable)

    def notify(self, key: Key) -> None:
        """Let who waits for `key` look again, None everybody. In the loop's thread."""
        for each in list(self._waiters) if key is None else [key]:
            for waiter in self._waiters.get(each, ()):
                _finish(waiter)

    def wake(self) -> None:
        """Let everybody look again; from any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(self.notify, None)

    def close(self) -> None:
        """Give the file descriptors back and let everybody look again. In the loop's thread."""
        self.wake()
        for socket in list(self._fds):
            self.unwatch(socket)
        self._loop = None


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def in_event_loop() -> bool:
    """Whether this thread runs an event loop now."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True

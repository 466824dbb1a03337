"""Steps as tasks of an event loop."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import zmq

from transports.hololinked.waiting import Key, Pause, Steps

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
        self._loop: asyncio.AbstractEventLoop | None = None
        # The loop must not keep who is forgotten: it reaches us by way of this one only.
        self._readers = _Readers(weakref.WeakMethod(self._readable))
        weakref.finalize(self, self._readers.release, os.getpid()).atexit = False
        self._waiters: dict[Key, set[asyncio.Future[None]]] = {}

    def watch(self, socket: zmq.Socket[Any]) -> None:
        """Wake when there is news of this socket."""
        self._readers.add(socket)

    def unwatch(self, socket: zmq.Socket[Any]) -> None:
        """Don't any more."""
        self._readers.remove(socket)

    async def run(self, steps: Steps[T]) -> T:
        """Run steps to their end, in the caller's task. Raises as `check_loop`."""
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

    def check_loop(self) -> None:
        """See that no other event loop than the running one uses the sockets.

        Raises:
            RuntimeError: Another one runs, or tasks of it wait here: they would hear of nothing
                any more.
        """
        loop = self._loop
        if loop is None or loop.is_closed() or loop is asyncio.get_running_loop():
            return
        if loop.is_running() or self._waiters:
            raise RuntimeError(
                "it is awaited in another event loop already; a socket belongs to one loop at a "
                "time: await it there, or make one for each loop"
            )

    def attach(self) -> None:
        """Watch the sockets in the running event loop. Raises as `check_loop`."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        self.check_loop()
        self._waiters.clear()  # of a loop that is closed
        self._readers.move(loop)
        self._loop = loop
        self._scheduled = False

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
        self._readers.clear()
        self._loop = None


class _Readers:
    """File descriptors of sockets, each watched by the loop.

    Args:
        told: Is called when there is news of one.
    """

    def __init__(self, told: weakref.WeakMethod[Callable[[], None]]) -> None:
        self._told = told
        self._fds: dict[zmq.Socket[Any], int] = {}
        self._loop: weakref.ref[asyncio.AbstractEventLoop] | None = None

    def add(self, socket: zmq.Socket[Any]) -> None:
        fd = socket.get(zmq.FD)
        assert isinstance(fd, int)
        # A loop keeps one reader a descriptor, and zmq.asyncio may want to be it.
        self._fds[socket] = os.dup(fd) if os.name == "posix" else fd
        loop = self._open_loop()
        if loop is not None:
            loop.add_reader(self._fds[socket], self._readable)

    def remove(self, socket: zmq.Socket[Any]) -> None:
        fd = self._fds.pop(socket, None)
        if fd is not None:
            _end_reader(fd, self._open_loop())

    def clear(self) -> None:
        for socket in list(self._fds):
            self.remove(socket)
        self._loop = None

    def move(self, loop: asyncio.AbstractEventLoop) -> None:
        """From the loop that watched so far to another one."""
        former = self._open_loop()
        self._loop = weakref.ref(loop)
        for fd in self._fds.values():
            if former is not None:
                former.remove_reader(fd)
            loop.add_reader(fd, self._readable)

    def release(self, process: int) -> None:
        """Give back what somebody has left who was lost. In any thread of its process."""
        if os.getpid() != process:
            return  # the parent's loop would be struck: a fork's copy watches the same files
        loop = self._open_loop()
        for fd in self._fds.values():
            try:
                if loop is not None:
                    loop.call_soon_threadsafe(_end_reader, fd, loop)
                    continue
            except RuntimeError:  # closed meanwhile
                pass
            _end_reader(fd, None)

    def _readable(self) -> None:
        told = self._told()
        if told is not None:
            told()

    def _open_loop(self) -> asyncio.AbstractEventLoop | None:
        loop = None if self._loop is None else self._loop()
        return None if loop is None or loop.is_closed() else loop


def _end_reader(fd: int, loop: asyncio.AbstractEventLoop | None) -> None:
    if loop is not None:
        loop.remove_reader(fd)
    if os.name == "posix":
        os.close(fd)


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

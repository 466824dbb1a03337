"""A connection's I/O in an event loop: no thread, and no wake-up but the socket's own.

The loop takes the role that `connection` describes for as long as a look takes, and gives it back:
whoever else uses the connection, or closes it, finds it free. A socket's descriptor tells changes
only, so whatever came is taken after each send and each sign of one.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
import weakref
from collections.abc import Callable
from time import monotonic
from typing import Any

from orchestrator.client.connection import Connection
from orchestrator.client.exchange import Exchange, Leader


class LoopFuture:
    """A request that is awaited; see `exchange.Awaited`.

    Attributes:
        waiter: What is awaited.
    """

    def __init__(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        self.exchange: Exchange | None = exchange
        self.waiter: asyncio.Future[Any] = loop.create_future()
        self._loop = loop
        self._thread = threading.get_ident()

    def claim(self) -> bool:
        """Whether it may be sent: nobody has cancelled it."""
        return not self.waiter.cancelled()

    def settle(self) -> bool:
        """Tell who awaits it, in the loop. The connection's own thread has nothing to do then."""
        if threading.get_ident() == self._thread:
            self.complete()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.complete)
        return False

    def complete(self) -> None:
        """Give the awaiting task what has come of it."""
        exchange, self.exchange = self.exchange, None
        if exchange is None or self.waiter.done():
            return
        try:
            value = exchange.result()
        except Exception as error:  # noqa: BLE001  it is raised where it is awaited
            self.waiter.set_exception(error)
        else:
            self.waiter.set_result(value)


class LoopCarrier:
    """Does the I/O of a connection in the event loop that runs now.

    Args:
        connection: The connection; it isn't kept from being collected.

    Attributes:
        loop: The loop.
    """

    def __init__(self, connection: Connection) -> None:
        self.loop = asyncio.get_running_loop()
        self._connection = connection
        self._leader = Leader()
        self._thread = threading.get_ident()
        self._alarm = math.inf
        self._plugs = 0
        self._fd = -1
        self._wants_room = False
        self._look_weakly = _weakly(weakref.WeakMethod(self._look))
        self._ring_weakly = _weakly(weakref.WeakMethod(self._ring))
        self._forget: Callable[[], object] = _nothing
        self._watch()
        connection.need = weakref.WeakMethod(self._need)

    async def request(self, exchange: Exchange) -> Any:
        """Send a request and await its answer. Raises as `Connection.request` does."""
        connection = self._connection
        exchange.future = future = LoopFuture(exchange, self.loop)
        connection.send(exchange, drain=True)
        self._arm()
        try:
            return await future.waiter
        except asyncio.CancelledError:
            if exchange.sent and not exchange.settled:
                connection.withdraw(exchange.id)
                self._look()
            raise

    def close(self) -> None:
        """Watch the socket no longer; the connection goes on by itself."""
        self._forget()
        self._connection.need = None

    # -- looks ----------------------------------------------------------------------------

    def _look(self) -> None:
        """Send and take what can be, without waiting."""
        connection = self._connection
        if connection.closed:
            self.close()
            return
        leader = self._leader
        try:
            if connection.take_role(leader, idle=True):
                connection.look(leader)
        finally:
            leader.leading = False
            connection.leave(leader)
        _, _, plugs, _ = connection.signs
        if plugs != self._plugs:
            self._watch()  # the rig was lost: it is another socket
        self._arm()

    def _need(self) -> None:
        """Another thread leaves something to do."""
        if threading.get_ident() != self._thread and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._look_weakly)

    def _arm(self) -> None:
        """Look again when something is due; an alarm that comes too early sets the next one.

        And when there is room, if what is to be sent waits for that.
        """
        own, due, _, is_full = self._connection.signs
        if is_full is not self._wants_room and own != -1:
            self._wants_room = is_full
            if is_full:
                self.loop.add_writer(self._fd, self._look_weakly)
            else:
                self.loop.remove_writer(self._fd)
        if due < self._alarm:
            self._alarm = due
            self.loop.call_later(max(0.0, due - monotonic()), self._ring_weakly)

    def _ring(self) -> None:
        self._alarm = math.inf
        self._look()

    def _watch(self) -> None:
        """Have the loop call at changes of the socket.

        Its descriptor is duplicated: the loop must be told before the one that it knows is closed,
        and sockets are closed in other threads, and by the collector, as well.
        """
        self._forget()
        own, _, self._plugs, _ = self._connection.signs
        if own == -1:
            return  # it was closed just now
        self._fd = fd = os.dup(own)
        self._wants_room = False
        self.loop.add_reader(fd, self._look_weakly)
        forget = weakref.finalize(self, _forget, self.loop, self._thread, fd)
        forget.atexit = False
        self._forget = forget


def _weakly(method: weakref.WeakMethod[Any]) -> Any:
    """A function that calls a method while its object is there."""

    def call() -> None:
        bound = method()
        if bound is not None:
            bound()

    return call


def _nothing() -> None:
    """No descriptor is watched yet."""


def _forget(loop: asyncio.AbstractEventLoop, thread: int, fd: int) -> None:
    """Close a descriptor that a loop watches, in the loop's own thread while it can run there."""
    if loop.is_closed():
        os.close(fd)
    elif threading.get_ident() == thread:
        loop.remove_reader(fd)
        loop.remove_writer(fd)
        os.close(fd)
    else:
        loop.call_soon_threadsafe(_forget, loop, thread, fd)

"""Closing sockets and contexts, those too that were lost without `exit`."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, ClassVar

import zmq

from transports.binding import SocketFile, remove


def close_socket(
    socket: zmq.Socket[Any] | None, file: SocketFile | None = None, bound: str = ""
) -> None:
    """Close a socket.

    Args:
        socket: What is closed.
        file: Its file, if it is bound to one.
        bound: Where it is bound.
    """
    remove(file)
    if socket is None or socket.closed:
        return
    if bound.startswith("inproc://"):
        with suppress(zmq.ZMQError):  # ENOENT: somebody has taken it back already
            socket.unbind(bound)  # else the name is free only when ZeroMQ's thread has seen to it
    socket.close(0)


class Held:
    """What an object holds that must be closed, should it be lost without `exit`.

    It isn't the object's alone but kept here as well: the garbage collector doesn't know what
    comes first, and a context that it ends while its socket is open waits for ever.

    Args:
        socket: Its socket.
        file: The socket's file.
        bound: Where the socket is bound.
        context: A context that is its own.
    """

    _all: ClassVar[set[Held]] = set()

    def __init__(
        self,
        socket: zmq.Socket[Any] | None = None,
        file: SocketFile | None = None,
        bound: str = "",
        context: zmq.Context[Any] | None = None,
    ) -> None:
        self._process = os.getpid()
        self.socket, self.file, self.bound, self.context = socket, file, bound, context
        self._all.add(self)

    @property
    def is_ours(self) -> bool:
        """Whether it is open, and no copy, made by a fork, of what is another process's."""
        return self in self._all and os.getpid() == self._process

    def drop(self) -> None:
        """Its owner has closed it."""
        self._all.discard(self)

    def close(self) -> None:
        """Close what a lost object has left, in whichever thread that comes to light."""
        if not self.is_ours:
            return
        self.drop()
        close_socket(self.socket, self.file, self.bound)
        if self.context is not None:
            # All its sockets are closed and nothing lingers, so that ends within milliseconds. In
            # a thread it might go on while the interpreter ends, which crashes.
            self.context.destroy(0)

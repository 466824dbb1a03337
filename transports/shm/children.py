"""A forked child has its parent's connection for slots, which would keep it open: it is closed."""

from __future__ import annotations

import os
import socket
import weakref

_connections: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def close_in_children(connection: socket.socket) -> None:
    """Have a connection closed in each process that is forked from this one."""
    _connections.add(connection)


def _close_all() -> None:
    for connection in list(_connections):
        connection.close()


os.register_at_fork(after_in_child=_close_all)

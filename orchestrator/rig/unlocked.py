"""Calls of libzmq that wait for its own thread, made without holding Python's lock.

pyzmq holds that lock during them, and whoever libzmq's thread waits for couldn't go on.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import zmq
from zmq.backend.cython import _zmq


def bind(socket: zmq.Socket[Any], address: str) -> None:
    """Bind a socket, as its `bind` does.

    Raises:
        zmq.ZMQError: It can't be bound.
    """
    if _libzmq().zmq_bind(ctypes.c_void_p(socket.underlying), address.encode()):
        raise zmq.ZMQError(ctypes.get_errno())


def stop_monitor(socket: zmq.Socket[Any]) -> None:
    """End what `monitor` began, as `disable_monitor` does."""
    _libzmq().zmq_socket_monitor(ctypes.c_void_p(socket.underlying), None, 0)


@functools.cache
def _libzmq() -> ctypes.CDLL:
    """The one that pyzmq has loaded: a module's symbols are looked up in its libraries too."""
    return ctypes.CDLL(_zmq.__file__, use_errno=True)

"""Noticing that a tcp peer is gone without a word, without heartbeats of ZeroMQ.

An engine whose input has stopped at the receive mark aborts the process when its peer leaves and
a heartbeat of its own falls due after that (libzmq 4.3.5). So a socket has either heartbeats or a
receive mark. The kernel's own probes find half-open peers as well, whatever the mark.
"""

from __future__ import annotations

from typing import Any

import zmq

_IDLE, _EVERY, _TIMES = 2, 2, 3
"""Seconds of silence until a probe is sent, seconds between probes, and how many may fail."""
_UNACKNOWLEDGED = 8000
"""Milliseconds that what was sent may stay unacknowledged."""


def keep_alive(socket: zmq.Socket[Any]) -> None:
    """Have the connections of a socket that are made from now on probed by the kernel."""
    socket.set(zmq.TCP_KEEPALIVE, 1)
    socket.set(zmq.TCP_KEEPALIVE_IDLE, _IDLE)
    socket.set(zmq.TCP_KEEPALIVE_INTVL, _EVERY)
    socket.set(zmq.TCP_KEEPALIVE_CNT, _TIMES)
    socket.set(zmq.TCP_MAXRT, _UNACKNOWLEDGED)

"""Noticing that a tcp peer is gone without a word, and not dying of it.

An engine whose input has stopped at the receive mark aborts the process (libzmq 4.3.5) when its
peer leaves and it then comes to send a heartbeat: one of its own that falls due, or the answer to
one of the peer's that stands in what it had read already. So

- who reads in any case has no receive mark, and bounds by itself what it reads;
- who needs one, a subscriber that may be slow, sends no heartbeats, and publishers send it none:
  the kernel's own probes find half-open peers as well, whatever the mark.
"""

from __future__ import annotations

from typing import Any

import zmq

_IDLE, _EVERY, _TIMES = 2, 2, 3
"""Seconds of silence until a probe is sent, seconds between probes, and how many may fail."""
_UNACKNOWLEDGED = 8000
"""Milliseconds that what was sent may stay unacknowledged."""
_HEARTBEATS = {
    # A half-open tcp peer keeps its id taken until it is noticed. Milliseconds.
    zmq.HEARTBEAT_IVL: 5_000,
    zmq.HEARTBEAT_TIMEOUT: 15_000,
    zmq.HEARTBEAT_TTL: 30_000,
}


def keep_alive(socket: zmq.Socket[Any]) -> None:
    """Have the connections of a socket that are made from now on probed by the kernel."""
    socket.set(zmq.TCP_KEEPALIVE, 1)
    socket.set(zmq.TCP_KEEPALIVE_IDLE, _IDLE)
    socket.set(zmq.TCP_KEEPALIVE_INTVL, _EVERY)
    socket.set(zmq.TCP_KEEPALIVE_CNT, _TIMES)
    socket.set(zmq.TCP_MAXRT, _UNACKNOWLEDGED)


def watch_peer(socket: zmq.Socket[Any], socket_type: int) -> None:
    """Notice when a tcp peer is gone, by heartbeats or by the kernel's probes.

    A subscriber may be slow and needs its receive mark; the others read what they asked for, or
    read in any case.
    """
    if socket_type != zmq.SUB:
        socket.set(zmq.RCVHWM, 0)
    if socket_type in (zmq.SUB, zmq.PUB, zmq.XPUB):
        keep_alive(socket)
        return
    for option, value in _HEARTBEATS.items():
        socket.set(option, value)

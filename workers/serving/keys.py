"""The keys by which a worker of another host comes in at its rig."""

from __future__ import annotations

from typing import Any

import zmq

from transports.keepalive import keep_alive
from workers.spec import Curve


def show_key(socket: zmq.Socket[Any], curve: Curve | None) -> None:
    """Have a socket's connections made with these keys; None for one of the rig's own machine."""
    if curve is None:
        return
    socket.setsockopt_string(zmq.CURVE_SERVERKEY, curve.server)
    socket.setsockopt_string(zmq.CURVE_PUBLICKEY, curve.public)
    socket.setsockopt_string(zmq.CURVE_SECRETKEY, curve.secret)
    keep_alive(socket)

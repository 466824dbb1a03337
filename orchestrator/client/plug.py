"""What holds for a client's socket before it is connected."""

from __future__ import annotations

from typing import Any

import zmq

from orchestrator.access.keys import ClientKey
from orchestrator.client.handshakes import use_key
from orchestrator.errors import RigNotReachable
from transports.room import OF_A_CONTEXT, need_threads

FORKED = (
    "this connection belongs to process {} and can't be used in a fork of it; connect anew here"
)


def need_threads_for(address: str, context: zmq.Context[Any] | None) -> None:
    """See that ZeroMQ, unless it has started, and we can start threads. Raises RigNotReachable."""
    if context is not None:
        return
    try:
        need_threads(OF_A_CONTEXT + 1, "a connection")
    except OSError as error:
        raise RigNotReachable(f"{address} can't be connected: {error.strerror}") from error


def prepare(
    socket: zmq.Socket[Any], identity: str, address: str, key: ClientKey | None = None
) -> None:
    """Set all that holds for a client's connections, before there are any."""
    socket.set(zmq.IDENTITY, identity.encode())
    # Nothing is queued for a rig that isn't there: a later one would get stale requests.
    socket.set(zmq.IMMEDIATE, 1)
    socket.set(zmq.LINGER, 0)
    socket.set(zmq.RECONNECT_IVL, 50)
    socket.set(zmq.RECONNECT_IVL_MAX, 500)
    # All that comes was asked for, so it is bounded by the requests outstanding.
    socket.set(zmq.RCVHWM, 0)
    if address.startswith("tcp://"):
        socket.set(zmq.IPV6, 1)
        socket.set(zmq.HEARTBEAT_IVL, 5000)
        socket.set(zmq.HEARTBEAT_TIMEOUT, 30000)
        socket.set(zmq.HEARTBEAT_TTL, 30000)
    use_key(socket, key)

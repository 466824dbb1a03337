"""Why a rig takes no connection: what a socket's monitor tells of its handshake.

To ZeroMQ a client without a key, with one that isn't known, or that takes the rig for another looks
like one whose rig is down. Only the monitor (zmq_socket_monitor(3)) knows better. It is read until
the first handshake is done, and then given up: one that nobody reads stops libzmq's thread in time.
"""

from __future__ import annotations

from time import monotonic
from typing import Any
from uuid import uuid4

import zmq

from orchestrator.access.keys import ClientKey
from orchestrator.names import KEY_VARIABLE
from transports.monitors import EVENT

_AUTH = int(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
_PROTOCOL = int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
_NO_DETAIL = int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)
_DONE = int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
_CONNECTED = int(zmq.EVENT_CONNECTED)
_ALL = _AUTH | _PROTOCOL | _NO_DETAIL | _DONE | _CONNECTED
_AT_ONCE = 1.0
"""Seconds from a connection in which one that doesn't understand us closes it; one that hangs is
slower, and says nothing of keys."""
_MEND = (
    f"orch keys new makes one where it runs; here connect(…, key=FILE) or ${KEY_VARIABLE} names it"
)
_SURE = 3
"""Connections closed in their handshake until that isn't a rig that is just going down."""
PATIENCE = 0.5
"""Seconds in which a rig that is asked anew has to shake hands, or not to."""


def use_key(socket: zmq.Socket[Any], key: ClientKey | None) -> None:
    """Have a socket's connections made from now on use a key, if there is one."""
    if key is not None:
        socket.set(zmq.CURVE_SERVERKEY, key.server.encode())
        socket.set(zmq.CURVE_PUBLICKEY, key.public.encode())
        socket.set(zmq.CURVE_SECRETKEY, key.secret.encode())


class HandshakeWatch:
    """Watches a socket that isn't connected yet.

    Args:
        socket: The socket.
        context: Its context.
        key: The key that it uses.

    Attributes:
        fd: Readable when there may be something to `read`.
        done: A handshake was completed: nothing is left to watch.
    """

    def __init__(
        self, socket: zmq.Socket[Any], context: zmq.Context[Any], key: ClientKey | None
    ) -> None:
        address = f"inproc://handshake-{uuid4()}"
        self._socket = socket
        self._key = key
        self._closed_early = 0
        self._connected = 0.0
        self.done = False
        self._monitor: zmq.Socket[Any] = context.socket(zmq.PAIR)
        try:
            self._monitor.set(zmq.LINGER, 0)
            self._monitor.set(zmq.RCVHWM, 0)
            socket.monitor(address, _ALL)
            self._monitor.connect(address)
        except zmq.ZMQError:
            self._monitor.close(0)
            raise
        self.fd = self._monitor.fileno()

    def read(self) -> str | None:
        """Why the rig doesn't let this client in, as the end of a sentence that begins with its
        name; None while that isn't known."""
        while True:
            try:
                data = self._monitor.recv_multipart(zmq.DONTWAIT)[0]
            except zmq.Again:
                return None
            event, _ = EVENT.unpack(data)
            if event == _DONE:
                self.done = True
                return None
            if event == _CONNECTED:
                self._connected = monotonic()
            self._closed_early += event == _NO_DETAIL and monotonic() - self._connected < _AT_ONCE
            if reason := self._reason(event):
                return reason

    def _reason(self, event: int) -> str | None:
        key = self._key
        if key is None:
            if event == _PROTOCOL:
                return f"takes nobody without a key: {_MEND}"
            if self._closed_early >= _SURE:  # which of the two ends notices first is chance
                return f"closes connections at once, as if it took nobody without a key: {_MEND}"
            return None
        if event == _AUTH:
            return f"doesn't know {key.name}'s key {key.file}: it was revoked, or is another rig's"
        if event == _PROTOCOL or self._closed_early >= _SURE:
            return f"isn't the one that {key.file} is for: it has another key, or takes none"
        return None

    def close(self) -> None:
        """Watch no longer."""
        if not self._socket.closed:
            self._socket.disable_monitor()
        self._monitor.close(0)


def ask(address: str, context: zmq.Context[Any], key: ClientKey | None) -> str | None:
    """Why a rig takes no connection, in the words of `HandshakeWatch.read`; "" if it takes one.

    None if there is nobody to shake hands with, or it isn't by tcp. By a connection of its own: one
    that was refused isn't tried again by libzmq, and tells nothing.
    """
    if not address.startswith("tcp://"):
        return None
    socket: zmq.Socket[Any] = context.socket(zmq.DEALER)
    socket.set(zmq.LINGER, 0)
    socket.set(zmq.RCVHWM, 0)
    socket.set(zmq.RECONNECT_IVL, 50)
    use_key(socket, key)
    watch = HandshakeWatch(socket, context, key)
    try:
        socket.connect(address)
        deadline = monotonic() + PATIENCE
        while (left := deadline - monotonic()) > 0 and not watch.done:
            if reason := watch.read():
                return reason
            zmq.zmq_poll([(watch.fd, zmq.POLLIN)], int(left * 1000) + 1)
    finally:
        watch.close()
        socket.close(0)
    return "" if watch.done else None

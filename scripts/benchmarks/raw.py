"""Programs of the reference: proxies, and ends with multipart messages, as most people write.

`raw.py proxy FRONT BACK | echo BACK BYTES | relay IN OUT | publish IN ASKED`
"""

from __future__ import annotations

import os
import sys

import zmq

HEADER = b"h" * 422
"""As long as the header of a request."""
EVENT = b"e" * 230
"""As long as the header of an event."""


def proxy(front: str, back: str) -> None:
    """Requests to whoever is behind."""
    _between((zmq.ROUTER, front), (zmq.DEALER, back))


def relay(inward: str, outward: str) -> None:
    """Events from publishers to subscribers."""
    _between((zmq.XSUB, inward), (zmq.XPUB, outward))


def _between(*ends: tuple[int, str]) -> None:
    """Pass on, in C, what comes at either of two sockets: their kinds and addresses."""
    context = zmq.Context()
    sockets = []
    for kind, address in ends:
        socket = context.socket(kind)
        socket.set_hwm(0)
        socket.bind(address)
        sockets.append(socket)
    zmq.proxy(*sockets)


def echo(back: str, size: str) -> None:
    """Answers each request, with random bytes in its last frame if any are asked for."""
    socket = zmq.Context().socket(zmq.DEALER)
    socket.set_hwm(0)
    socket.connect(back)
    payload = os.urandom(int(size))
    while True:
        *head, last = socket.recv_multipart(copy=False)
        head.append(payload or (b"" if len(last) > 1024 else last))
        socket.send_multipart(head, copy=not payload)


def publish(inward: str, asked: str) -> None:
    """Publishes as many events as each message to `asked` says."""
    context = zmq.Context()
    sender, orders = context.socket(zmq.PUB), context.socket(zmq.PULL)
    sender.set_hwm(0)
    sender.connect(inward)
    orders.bind(asked)
    while True:
        for number in range(int(orders.recv())):
            sender.send_multipart([b"w0/ticked", EVENT, str(number).encode(), b""])


PROGRAMS = {each.__name__: each for each in (proxy, echo, relay, publish)}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])

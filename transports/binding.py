"""Taking an address: never a live server's, at once one whose server was closed a moment ago."""

from __future__ import annotations

import socket as network
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq

from transports.endpoints import Endpoint
from transports.errors import AddressError
from transports.headers import ZMQ_TRANSPORTS

CLOSING = 2.0
"""Seconds that a closed socket's listener may still be there, on a machine that is busy."""

SocketFile = tuple[Path, int, int]
"""A file as it was at one moment: path, device, inode."""


Bind = Callable[[zmq.Socket[Any], str], object]
"""Binds a socket to an address, or raises ZMQError."""


def bind(
    socket: zmq.Socket[Any],
    endpoint: Endpoint,
    patience: float = CLOSING,
    by: Bind = zmq.Socket.bind,
) -> SocketFile | None:
    """Bind a socket.

    Args:
        socket: Where its options are set, but for those that the address needs.
        endpoint: Where.
        patience: Seconds for a listener to go whose socket was closed.
        by: What binds it.

    Returns:
        The socket's file, for ipc: what `remove` removes.

    Raises:
        AddressError: Something that is no socket is at the path.
        zmq.ZMQError: The address can't be bound; EADDRINUSE if a live server has it.
    """
    if endpoint.transport is ZMQ_TRANSPORTS.TCP:
        was = socket.get(zmq.IPV6)
        allow_ipv6(socket, endpoint)
        try:
            _bind_tcp(socket, endpoint, patience, by)
        finally:
            socket.set(zmq.IPV6, was)  # or its next bind to * would be to [::]
        return None
    if not endpoint.has_file:
        by(socket, endpoint.address)
        return None
    path = endpoint.path
    if path.exists():
        if not path.is_socket():
            raise AddressError(f"{path} is a file and no socket; remove it or choose another path")
        # a bind would take the path over without a word
        if is_taken(endpoint):
            raise zmq.ZMQError(zmq.EADDRINUSE, f"a live server listens at {endpoint}")
    by(socket, endpoint.address)
    return file_of(path)


def allow_ipv6(socket: zmq.Socket[Any], endpoint: Endpoint) -> None:
    """Let a socket use an endpoint of IPv6, before it is bound or connected there."""
    if endpoint.is_ipv6:
        socket.set(zmq.IPV6, 1)


def _bind_tcp(socket: zmq.Socket[Any], endpoint: Endpoint, patience: float, by: Bind) -> None:
    deadline = time.monotonic() + patience
    while True:
        late = time.monotonic() >= deadline  # before the try: looking takes its time too
        try:
            by(socket, endpoint.address)
        except zmq.ZMQError as error:
            # A listener that answers nobody any more may have its port for another moment.
            if error.errno != zmq.EADDRINUSE or late or is_taken(endpoint):
                raise
        else:
            return


def is_taken(endpoint: Endpoint) -> bool:
    """Whether somebody listens at an ipc or tcp address, and goes on listening.

    ZeroMQ closes a listener in a thread of its own, after `close` has returned. So a connection is
    made and watched: a closing server ends it, with its listener at the latest; a live one's
    stays for `CLOSING`, and another one can be made then (a system may forget a connection that
    came while its listener closed, and tell nobody). A server that doesn't run just now, such as a
    stopped one, is alive.
    """
    deadline = time.monotonic() + CLOSING
    while time.monotonic() < deadline:
        try:
            probe = _connect(endpoint)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except (ConnectionResetError, ConnectionAbortedError):
            continue  # it was closed with this connection in its backlog
        except OSError:
            # a full backlog, or a file that is no stream socket: somebody's, so not ours to take
            return True
        with probe:
            if not _is_ended(probe, deadline):
                break
    return _is_reached(endpoint)


def _is_reached(endpoint: Endpoint) -> bool:
    try:
        _connect(endpoint).close()
    except OSError as error:
        return not isinstance(error, (ConnectionRefusedError, FileNotFoundError))
    return True


def _connect(endpoint: Endpoint) -> network.socket:
    if endpoint.transport is ZMQ_TRANSPORTS.TCP:
        host = endpoint.host.strip("[]")
        own = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  not bound
        return network.create_connection((own.get(host, host), endpoint.port), CLOSING)
    if not hasattr(network, "AF_UNIX"):
        raise ConnectionRefusedError
    probe = network.socket(network.AF_UNIX, network.SOCK_STREAM)
    probe.settimeout(CLOSING)
    try:
        probe.connect(str(endpoint.path))
    except BaseException:
        probe.close()
        raise
    return probe


def _is_ended(probe: network.socket, deadline: float) -> bool:
    """Whether the other side ends a connection before the deadline."""
    while (left := deadline - time.monotonic()) > 0:
        probe.settimeout(left)
        try:
            if not probe.recv(4096):
                return True
        except TimeoutError:
            return False
        except OSError:  # reset
            return True
    return False


def file_of(path: Path) -> SocketFile | None:
    """A file as it is now; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return path, found.st_dev, found.st_ino


def remove(file: SocketFile | None) -> None:
    """Remove a socket's file, unless another one is in its place by now.

    To be called while the socket still listens: as long as it does, its inode's number isn't given
    to another file.
    """
    if file is not None and file_of(file[0]) == file:
        file[0].unlink(missing_ok=True)

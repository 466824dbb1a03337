"""Addresses of the three transports as one value type."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NoReturn

from transports.errors import AddressError
from transports.headers import ZMQ_TRANSPORTS

BACKLOG = 1024
"""Connections that a bound socket may have waiting until it accepts them."""
MAX_IPC_PATH = 107
"""Bytes of a unix socket's path: sun_path of unix(7) less its final NUL."""
HOLOLINKED_DIR = "ORCH_HOLOLINKED_DIR"
"""The environment variable that names the folder of hololinked's sockets."""


@dataclass(frozen=True)
class Endpoint:
    """Where a socket is bound or connected.

    Attributes:
        transport: One of `ZMQ_TRANSPORTS`.
        address: The full address, such as `ipc:///run/x.ipc` or `tcp://127.0.0.1:5570`.
    """

    transport: ZMQ_TRANSPORTS
    address: str

    @property
    def path(self) -> Path:
        """The socket file of an ipc endpoint."""
        return Path(self.address.removeprefix("ipc://"))

    @property
    def has_file(self) -> bool:
        """Whether it is an ipc endpoint at a path that is known."""
        return self.transport is ZMQ_TRANSPORTS.IPC and not self.address.startswith(
            ("ipc://@", "ipc://*")  # Linux's abstract names, and a name of ZeroMQ's choice
        )

    @property
    def host(self) -> str:
        """The host of a tcp endpoint, brackets of IPv6 included."""
        return self.address.removeprefix("tcp://").rpartition(":")[0]

    @property
    def port(self) -> int:
        """The port of a tcp endpoint; 0 when the system chooses it."""
        port = self.address.rpartition(":")[2]
        return 0 if port == "*" else int(port)

    @property
    def is_ipv6(self) -> bool:
        """Whether a tcp endpoint's host is an IPv6 address."""
        return self.transport is ZMQ_TRANSPORTS.TCP and self.host.startswith("[")

    @property
    def is_local(self) -> bool:
        """Whether only processes of this machine can get there."""
        if self.transport is not ZMQ_TRANSPORTS.TCP:
            return True
        host = self.host.strip("[]")
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def __str__(self) -> str:
        return self.address


def parse_endpoint(address: str) -> Endpoint:
    """Read a full address.

    Raises:
        AddressError: Another transport, a path that is too long, no port.
    """
    scheme, separator, rest = address.partition("://")
    if not separator or not rest:
        raise AddressError(f"{address!r} isn't an address; write ipc:///path or tcp://host:port")
    try:
        transport = ZMQ_TRANSPORTS(scheme.upper())
    except ValueError:
        raise AddressError(
            f"{address!r}: transport {scheme!r} isn't spoken here; use ipc, tcp or inproc"
        ) from None
    if transport is ZMQ_TRANSPORTS.IPC:
        size = len(rest.encode())
        if size > MAX_IPC_PATH:
            raise AddressError(
                f"{address!r} has a path of {size} bytes; unix sockets allow {MAX_IPC_PATH}: "
                "choose a shorter folder"
            )
    elif transport is ZMQ_TRANSPORTS.TCP:
        host, colon, port = rest.rpartition(":")
        number = 0 if port == "*" else int(port) if port.isascii() and port.isdigit() else -1
        if not colon or not host or not 0 <= number <= 65535:
            raise AddressError(f"{address!r} needs a host and a port, as in tcp://127.0.0.1:5570")
        if ":" in host and not (host.startswith("[") and host.endswith("]")):
            raise AddressError(
                f"{address!r}: an IPv6 address stands in brackets, as in tcp://[::1]:5570"
            )
    return Endpoint(transport, f"{scheme.lower()}://{rest}")


def hololinked_file_name(server_id: str) -> str:
    """The file name that hololinked's clients derive from a server id and bare `IPC`."""
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f]+', "_", server_id)
    name = re.sub(r"_+", "_", name).strip("_")
    return f"{name}.ipc".replace("_event-publisher", ".event-publisher")


def hololinked_folder() -> Path:
    """The folder that hololinked calls its TEMP_DIR, with the socket files in `sockets` below it.

    `$ORCH_HOLOLINKED_DIR`, for programs that give the same to hololinked's
    `set_temp_dir`; else `~/.hololinked`, as there.

    Raises:
        AddressError: The variable holds no absolute path, or there is no home folder.
    """
    given = os.environ.get(HOLOLINKED_DIR)
    if given:
        if not os.path.isabs(given):
            raise AddressError(f"${HOLOLINKED_DIR} must be an absolute path, not {given!r}")
        return Path(given)
    try:
        return Path.home() / ".hololinked"
    except RuntimeError as error:
        raise AddressError(
            f"hololinked's sockets are in the home folder, and there is none: set ${HOLOLINKED_DIR}"
        ) from error


def hololinked_endpoint(server_id: str) -> Endpoint:
    """Where hololinked's clients look for a server given bare `IPC`.

    Raises:
        AddressError: The path is too long for a unix socket, or there is no such folder.
    """
    path = hololinked_folder() / "sockets" / hololinked_file_name(server_id)
    return parse_endpoint(f"ipc://{path}")


def locate(
    id: str, binds: bool, transport: ZMQ_TRANSPORTS | str, address: str | None = None
) -> Endpoint | None:
    """Where a server or client with this id has its socket.

    Args:
        id: The server's id.
        binds: Whether it is the server.
        transport: A transport in any case, or a full address.
        address: A full address, which then decides; for tcp also `host:port`, for ipc a path or
            another id, for inproc another name.

    Returns:
        The endpoint; None for a tcp server without an address, which takes a free port.

    Raises:
        NotImplementedError: Another transport.
        RuntimeError: A tcp client without an address.
        AddressError: The address can't work.
    """
    text = transport.value if isinstance(transport, Enum) else transport
    if not isinstance(text, str):
        _refuse(transport)
    if "://" in text:
        address = address or text
        text = text.partition("://")[0]
    kind = ZMQ_TRANSPORTS.__members__.get(text.upper()) or _refuse(transport)
    if address and "://" in address:
        if address.partition("://")[0].upper() not in ZMQ_TRANSPORTS.__members__:
            _refuse(address)
        return parse_endpoint(address)
    if kind is ZMQ_TRANSPORTS.INPROC:
        return Endpoint(kind, f"inproc://{address or id}")
    if kind is ZMQ_TRANSPORTS.IPC:
        if address and (address.endswith(".ipc") or "/" in address):
            return parse_endpoint(f"ipc://{address}")
        return hololinked_endpoint(address or id)
    if address:
        return parse_endpoint(f"tcp://{address}")
    if not binds:
        raise RuntimeError(f"a tcp client needs the address of {id!r}, as in tcp://127.0.0.1:5570")
    return None


def _refuse(transport: object) -> NoReturn:
    known = ", ".join(ZMQ_TRANSPORTS)
    raise NotImplementedError(f"transport {transport!r} isn't spoken here; known: {known}")

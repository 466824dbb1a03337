"""Addresses of the three transports as one value type."""

from __future__ import annotations

import re
import socket as network
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
    def host(self) -> str:
        """The host of a tcp endpoint, brackets of IPv6 included."""
        return self.address.removeprefix("tcp://").rpartition(":")[0]

    @property
    def port(self) -> int:
        """The port of a tcp endpoint; 0 when the system chooses it."""
        port = self.address.rpartition(":")[2]
        return 0 if port == "*" else int(port)

    @property
    def is_local(self) -> bool:
        """Whether only processes of this machine can get there."""
        if self.transport is not ZMQ_TRANSPORTS.TCP:
            return True
        host = self.host.strip("[]")
        return host in ("localhost", "::1") or host.startswith("127.")

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
    return Endpoint(transport, f"{scheme.lower()}://{rest}")


def hololinked_file_name(server_id: str) -> str:
    """The file name that hololinked's clients derive from a server id and bare `IPC`."""
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f]+', "_", server_id)
    name = re.sub(r"_+", "_", name).strip("_")
    return f"{name}.ipc".replace("_event-publisher", ".event-publisher")


def hololinked_endpoint(server_id: str) -> Endpoint:
    """Where hololinked's clients look for a server given bare `IPC`.

    Raises:
        AddressError: There is no home folder, or the path is too long for a unix socket.
    """
    try:
        folder = Path.home() / ".hololinked" / "sockets"
    except RuntimeError as error:
        raise AddressError(
            "hololinked's addresses are in the home folder, and there is none; set HOME"
        ) from error
    return parse_endpoint(f"ipc://{folder / hololinked_file_name(server_id)}")


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


def is_ipc_listener_alive(path: Path) -> bool:
    """Whether some process accepts connections on a unix socket file.

    A bind would take the file over without a word, a live server's included.
    """
    if not hasattr(network, "AF_UNIX") or not path.exists():
        return False
    with network.socket(network.AF_UNIX, network.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            # a full backlog, or a file that is no stream socket: somebody's, so not ours to take
            return True
    return True

"""Sockets of all servers and clients: made with one set of options, bound or connected, closed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import zmq

from transports.binding import SocketFile, allow_ipv6, bind, file_of
from transports.endpoints import BACKLOG, Endpoint, locate, parse_endpoint
from transports.headers import ZMQ_TRANSPORTS
from transports.hololinked import checks
from transports.hololinked.logs import get_logger
from transports.hololinked.release import Held, close_socket
from transports.keepalive import watch_peer

if TYPE_CHECKING:
    import zmq.asyncio

MAX_ID = 255
"""Bytes of an identity: the routing id of ZMTP has one byte for its length."""
TCP_PORTS = range(60000, 65535)
"""Where a free port is looked for when a server names none, as hololinked does."""
TCP_HOST = "127.0.0.1"
"""... but on this machine only; listening to the network takes an address that says so."""
TERMINATION = 1.0
"""Seconds that `exit` waits for a context whose other sockets somebody has left open."""


class BaseZMQ:
    """Root of all servers and clients: makes their socket and closes it.

    Args:
        id: Identity of the socket; unique among the peers of one server.
        logger: A structlog or standard logger. Without one, records go to structlog if the
            application has configured it, else to the standard logger `transports`.

    Attributes:
        context: The ZeroMQ context; None until `create_socket`.
        socket: The socket; None until `create_socket`.
        socket_address: Where it is bound or connected.

    Example:
        >>> context = zmq.Context()
        >>> socket, address = BaseZMQ.get_socket(
        ...     id="bench", node_type="server", context=context, transport="INPROC"
        ... )
        >>> address
        'inproc://bench'
        >>> socket.close()
        >>> context.term()
    """

    id: str = ""
    context: zmq.Context[Any] = cast("zmq.Context[Any]", None)
    socket: zmq.Socket[Any] = cast("zmq.Socket[Any]", None)
    socket_address: str = ""
    _given_logger: Any = None
    _logger: Any = None
    _owns_context = False
    _held: Held | None = None
    _exited = False
    _lost = False

    def __init__(self, id: str = "", *, logger: Any = None) -> None:
        self.id = id
        self._given_logger = logger

    @property
    def logger(self) -> Any:
        """Where this object's records go."""
        if self._logger is None:
            self._logger = get_logger(self._given_logger, impl=type(self).__name__, id=self.id)
        return self._logger

    @classmethod
    def get_socket(
        cls,
        *,
        id: str,
        node_type: str,
        context: zmq.Context[Any],
        transport: ZMQ_TRANSPORTS | str = ZMQ_TRANSPORTS.IPC,
        socket_type: int = zmq.ROUTER,
        **kwargs: Any,
    ) -> tuple[zmq.Socket[Any], str]:
        """Make a socket, and bind it (server) or connect it (client).

        Args:
            id: Identity of the socket.
            node_type: `server` or `client`.
            context: Where the socket is made; an asyncio context gives an asyncio socket.
            transport: `IPC`, `TCP` or `INPROC`, or a full address, which names its transport.
            socket_type: `zmq.ROUTER`, or another type of ZeroMQ.
            **kwargs: `socket_address` or `access_point`: where, if it doesn't follow from the
                id; a full address, for tcp `host:port`, for ipc also a path or another id.
                `server_id`: the id that ipc and inproc addresses are derived from, `id` by
                default. `socket_class`: class of the socket. `socket_options`: options set
                before it is bound or connected.

        Returns:
            The socket and its full address. Without an address, a server listens for ipc where
            hololinked's clients look for its id, for tcp on the first free port of 127.0.0.1
            from 60000 on, for inproc under its id.

        Raises:
            NotImplementedError: Another transport.
            RuntimeError: A tcp client without an address.
            ValueError: Another node type, or an id that isn't 1 to 255 bytes.
            TypeError: An id that isn't text, or an argument that isn't known.
            AddressError: An address that can't work, such as an ipc path that is too long or
                where a regular file is.
            zmq.ZMQError: The address is in use (EADDRINUSE), by a live server's ipc file too.
        """
        address = kwargs.pop("socket_address", None)
        access_point = kwargs.pop("access_point", None)
        server_id = kwargs.pop("server_id", None)
        socket_class = kwargs.pop("socket_class", None)
        options: Mapping[int, Any] = kwargs.pop("socket_options", None) or {}
        if kwargs:
            raise TypeError(f"get_socket doesn't know the argument {min(kwargs)!r}")
        if str(node_type).lower() not in ("server", "client"):
            raise ValueError(f"node_type is 'server' or 'client', not {node_type!r}")
        if not isinstance(context, zmq.Context):
            raise TypeError(f"a socket is made in a zmq.Context, not in {_kind(context)}")
        binds = node_type.lower() == "server"
        identity = _identity(id)
        if server_id is not None:
            checks.text(server_id, "server_id")
        endpoint = locate(server_id or id, binds, access_point or transport, address)
        socket = context.socket(socket_type, socket_class=socket_class)
        try:
            socket.set(zmq.LINGER, 0)
            socket.set(zmq.IDENTITY, identity)
            if binds:
                socket.set(zmq.BACKLOG, BACKLOG)
            if endpoint is None or endpoint.transport is ZMQ_TRANSPORTS.TCP:
                watch_peer(socket, socket_type)
            if endpoint is not None:
                allow_ipv6(socket, endpoint)
            for name, setting in options.items():
                socket.set(name, setting)
            if endpoint is None:
                return socket, _bind_free_port(socket)
            if binds:
                return socket, _bind(socket, endpoint)
            socket.connect(endpoint.address)
        except BaseException:
            socket.close(0)
            raise
        return socket, endpoint.address

    def _open(
        self,
        id: str,
        node_type: str,
        context: zmq.Context[Any] | None,
        make_context: type[zmq.Context[Any]],
        transport: ZMQ_TRANSPORTS | str,
        socket_type: int,
        kwargs: dict[str, Any],
    ) -> None:
        if self.socket is not None and not self.socket.closed:
            raise RuntimeError(f"{type(self).__name__} {self.id!r} has a socket; exit() closes it")
        self._exited = False
        self.id = self.id or id
        self._use_context(context, make_context)
        try:
            self.socket, self.socket_address = self.get_socket(
                id=id,
                node_type=node_type,
                context=self.context,
                transport=transport,
                socket_type=socket_type,
                **kwargs,
            )
        except BaseException:
            self._end_context()
            raise
        binds = node_type.lower() == "server"
        self._hold(self.socket, self.socket_address if binds else "")

    def _use_context(
        self, context: zmq.Context[Any] | None, make_context: type[zmq.Context[Any]]
    ) -> None:
        self.context = make_context() if context is None else context
        self._owns_context = context is None
        self._hold()

    def _hold(self, socket: zmq.Socket[Any] | None = None, bound: str = "") -> None:
        if self._held is not None:
            self._held.drop()
        file = _file_at(bound) if bound else None
        self._held = Held(socket, file, bound, self.context if self._owns_context else None)

    def exit(self) -> None:
        """Close the socket, and the context if it was made here. Further calls do nothing.

        It is called, a subclass's own too, when the object is collected that nobody has closed.
        """
        if self._exited:
            return
        self._exited = True
        if self._lost and self._held is not None:
            self._held.close()  # in any thread: what `_leave` does is for that of its event loop
            return
        self._leave()
        if self._held is not None:
            close_socket(self.socket, self._held.file, self._held.bound)
        self._end_context()

    def __del__(self) -> None:
        held = self._held
        if held is None or self._exited or sys.is_finalizing() or not held.is_ours:
            return
        self._lost = True
        try:
            self.exit()
        finally:
            held.close()

    def _leave(self) -> None:
        """What a subclass does before its socket is closed."""

    def _end_context(self) -> None:
        if self._held is not None:
            self._held.drop()
        if not self._owns_context:
            return
        self._owns_context = False
        # term() waits for every socket of the context, those too that others made in it.
        ending = threading.Thread(target=self.context.term, name="end-context", daemon=True)
        ending.start()
        ending.join(TERMINATION)
        if ending.is_alive():
            self.logger.warning("the context ends when its other sockets are closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.exit()


class BaseSyncZMQ(BaseZMQ):
    """Base of what blocks: has a plain socket.

    Example:
        >>> node = BaseSyncZMQ()
        >>> node.create_socket(id="bench", transport="TCP", socket_address="tcp://127.0.0.1:*")
        >>> node.socket_address.startswith("tcp://127.0.0.1:")
        True
        >>> node.exit()
    """

    def create_socket(
        self,
        *,
        id: str,
        node_type: str = "server",
        context: zmq.Context[Any] | None = None,
        transport: ZMQ_TRANSPORTS | str = "IPC",
        socket_type: int = zmq.ROUTER,
        **kwargs: Any,
    ) -> None:
        """Make the socket, as `get_socket` does, and keep it with its context and address.

        Args:
            id: Identity of the socket.
            node_type: `server` binds, `client` connects.
            context: A plain context; one is made, and ended by `exit`, if none is given.
            transport: `IPC`, `TCP`, `INPROC` or a full address.
            socket_type: `zmq.ROUTER`, or another type of ZeroMQ.
            **kwargs: As for `get_socket`.

        Raises:
            TypeError: The context isn't a plain one.
            RuntimeError: There is an open socket already; and as `get_socket` raises.
        """
        if context is not None and (not isinstance(context, zmq.Context) or is_async(context)):
            raise TypeError(f"a plain zmq.Context is needed here, not {_kind(context)}")
        self._open(id, node_type, context, zmq.Context, transport, socket_type, kwargs)


class BaseAsyncZMQ(BaseZMQ):
    """Base of what is awaited: has a socket of zmq.asyncio.

    Example:
        >>> node = BaseAsyncZMQ()
        >>> node.create_socket(id="bench", transport="INPROC", socket_type=zmq.PUB)
        >>> type(node.socket).__module__, node.socket_address
        ('zmq.asyncio', 'inproc://bench')
        >>> node.exit()
    """

    def create_socket(
        self,
        *,
        id: str,
        node_type: str = "server",
        context: zmq.asyncio.Context | None = None,
        transport: ZMQ_TRANSPORTS | str = "IPC",
        socket_type: int = zmq.ROUTER,
        **kwargs: Any,
    ) -> None:
        """Make the socket, as `get_socket` does, and keep it with its context and address.

        Args:
            id: Identity of the socket.
            node_type: `server` binds, `client` connects.
            context: A context of zmq.asyncio; one is made, and ended by `exit`, if none is given.
            transport: `IPC`, `TCP`, `INPROC` or a full address.
            socket_type: `zmq.ROUTER`, or another type of ZeroMQ.
            **kwargs: As for `get_socket`.

        Raises:
            TypeError: The context isn't one of zmq.asyncio.
            RuntimeError: There is an open socket already; and as `get_socket` raises.
        """
        import zmq.asyncio

        if context is not None and not is_async(context):
            raise TypeError(f"a zmq.asyncio.Context is needed here, not {_kind(context)}")
        self._open(id, node_type, context, zmq.asyncio.Context, transport, socket_type, kwargs)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.exit()


def is_async(context: object) -> bool:
    """Whether a context is one of zmq.asyncio, without importing that to find out."""
    module = sys.modules.get("zmq.asyncio")
    return module is not None and isinstance(context, module.Context)


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _identity(id: str) -> bytes:
    checks.text(id, "id")
    identity = id.encode()
    if not 0 < len(identity) <= MAX_ID:
        raise ValueError(f"an id has 1 to {MAX_ID} bytes, {id!r:.80} has {len(identity)}")
    return identity


def _bind(socket: zmq.Socket[Any], endpoint: Endpoint) -> str:
    if endpoint.has_file:
        for folder in reversed(endpoint.path.parents):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
    bind(socket, endpoint)
    chosen = endpoint.transport is ZMQ_TRANSPORTS.TCP and endpoint.port == 0
    if chosen or endpoint.address == "ipc://*":
        return cast("bytes", socket.get(zmq.LAST_ENDPOINT)).decode().rstrip("\0")
    return endpoint.address


def _file_at(address: str) -> SocketFile | None:
    endpoint = parse_endpoint(address)
    return file_of(endpoint.path) if endpoint.has_file else None


def _bind_free_port(socket: zmq.Socket[Any]) -> str:
    for port in TCP_PORTS:
        address = f"tcp://{TCP_HOST}:{port}"
        try:
            socket.bind(address)
        except zmq.ZMQError as error:
            if error.errno != zmq.EADDRINUSE:
                raise
        else:
            return address
    raise zmq.ZMQError(
        zmq.EADDRINUSE, f"no free port from {TCP_PORTS.start} to {TCP_PORTS.stop - 1}"
    )

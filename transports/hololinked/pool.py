"""Several awaited clients used as one, by the Things that their servers serve."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from transports.durations import duration
from transports.endpoints import parse_endpoint
from transports.errors import TransportError
from transports.headers import ZMQ_TRANSPORTS, Operation
from transports.hololinked.async_client import AsyncZMQClient
from transports.hololinked.messages import ResponseMessage
from transports.hololinked.requester import HANDSHAKE_TIMEOUT, BaseZMQClient, GivenContext
from transports.hololinked.server import POLL_TIMEOUT, milliseconds
from transports.serializers import PreserializedData, SerializableData

if TYPE_CHECKING:
    import zmq.asyncio


class MessageMappedZMQClientPool(BaseZMQClient):
    """Clients of several servers, whose requests are sent by Thing.

    `register` says which client reaches which Thing. Answers are taken as they come, in any
    order. When a server goes, only its callers are told (ConnectionAbortedError); while the pool
    polls, it is reached again as soon as it is back.

    Args:
        id: Id of the pool.
        client_ids: Ids of clients that are made here.
        server_ids: The server of each.
        handshake: Whether each starts a handshake; `handshake_complete` waits for them.
        poll_timeout: Milliseconds, kept for callers that set it; without effect.
        transport: `IPC`, `TCP`, `INPROC`, or a full address; `access_point` means the same.
        context: A context of zmq.asyncio; one is made, and ended by `exit`, if none is given.
        **kwargs: `access_point`, `logger`.

    Attributes:
        pool: The clients by id.

    Raises:
        ValueError: Not as many clients as servers.

    Example:
        A server `bench` answers with what it was sent.

        >>> async def main():
        ...     async with MessageMappedZMQClientPool("pool", ["me"], ["bench"]) as pool:
        ...         pool.register(pool["me"], "stage")
        ...         await pool.handshake_complete()
        ...         pool.start_polling()
        ...         answer = await pool.async_execute(
        ...             "stage", "x", "writeproperty", SerializableData(2), timeout=5
        ...         )
        ...         return answer.payload.deserialize()
        >>> asyncio.run(main())
        2
    """

    def __init__(
        self,
        id: str,
        client_ids: list[str],
        server_ids: list[str],
        handshake: bool = True,
        poll_timeout: int = POLL_TIMEOUT,
        transport: ZMQ_TRANSPORTS | str = ZMQ_TRANSPORTS.IPC,
        context: zmq.asyncio.Context | None = None,
        **kwargs: Any,
    ) -> None:
        import zmq.asyncio

        if len(client_ids) != len(server_ids):
            raise ValueError(f"{len(client_ids)} client_ids for {len(server_ids)} server_ids")
        super().__init__(id=id, logger=kwargs.pop("logger", None))
        self.poll_timeout = poll_timeout
        access_point = kwargs.pop("access_point", None) or transport
        if kwargs:
            raise TypeError(f"the pool doesn't know the argument {min(kwargs)!r}")
        self.pool: dict[str, AsyncZMQClient] = {}
        self._client_of: dict[str, str] = {}
        self._polling = False
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._use_context(context, zmq.asyncio.Context)
        try:
            for client_id, server_id in zip(client_ids, server_ids, strict=True):
                self.create_new(client_id, server_id, access_point, handshake=handshake)
        except BaseException:
            self.exit()
            raise

    @property
    def poll_timeout(self) -> int:
        """Milliseconds, 0 or more; without effect."""
        return self._poll_timeout

    @poll_timeout.setter
    def poll_timeout(self, value: int) -> None:
        self._poll_timeout = milliseconds(value)

    def create_new(
        self,
        id: str,
        server_id: str,
        transport: ZMQ_TRANSPORTS | str = ZMQ_TRANSPORTS.IPC,
        *,
        access_point: ZMQ_TRANSPORTS | str | None = None,
        handshake: bool = True,
    ) -> None:
        """Make a client and add it.

        Args:
            id: Id of the client.
            server_id: Id of its server.
            transport: `IPC`, `TCP`, `INPROC`, or a full address.
            access_point: The same.
            handshake: Whether it starts a handshake.

        Raises:
            ValueError: Another client with that id is there.
        """
        if id in self.pool:
            raise ValueError(f"the pool has another client with the id {id!r}")
        client = AsyncZMQClient(
            id,
            server_id,
            handshake,
            access_point or transport,
            self.context,  # type: ignore[arg-type]  # of zmq.asyncio, as given or made
            logger=self._given_logger,
        )
        self.register(client)

    def register(self, client: AsyncZMQClient, thing_id: str | None = None) -> None:
        """Add a client, or say which Thing it reaches; it may reach several.

        Args:
            client: The client.
            thing_id: A Thing that its server serves.

        Raises:
            TypeError: Not an AsyncZMQClient.
            ValueError: Another client with that id is there.
        """
        if not isinstance(client, AsyncZMQClient):
            raise TypeError(f"only an AsyncZMQClient can be registered, not {client!r}")
        if self.pool.setdefault(client.id, client) is not client:
            raise ValueError(f"the pool has another client with the id {client.id!r}")
        if thing_id is not None:
            self._client_of[thing_id] = client.id
        if self._polling:
            self._keep(client)

    def get_client_id_from_thing_id(self, thing_id: str) -> str:
        """Id of the client that reaches a Thing. Raises ValueError if none was registered."""
        try:
            return self._client_of[thing_id]
        except KeyError:
            raise ValueError(f"no client is registered for the Thing {thing_id!r}") from None

    def get_thing_id_from_client_id(self, client_id: str) -> str:
        """The Thing last registered for a client. Raises ValueError if there is none."""
        for thing_id, known in reversed(self._client_of.items()):
            if known == client_id:
                return thing_id
        raise ValueError(f"no Thing is registered for the client {client_id!r}")

    def get_client_protocol(self, thing_id: str) -> str:
        """`IPC`, `TCP` or `INPROC`: how a Thing is reached. Raises ValueError if it isn't."""
        client = self.pool[self.get_client_id_from_thing_id(thing_id)]
        return parse_endpoint(client.socket_address).transport.value

    def handshake(self, timeout: float | None = HANDSHAKE_TIMEOUT) -> None:
        """Start a handshake of each client, as `AsyncZMQClient.handshake` does."""
        duration(timeout)
        for client in self.pool.values():
            client.handshake(timeout)

    async def handshake_complete(self, timeout: float | None = HANDSHAKE_TIMEOUT) -> None:
        """Wait for the handshake of each client.

        Args:
            timeout: Milliseconds; None waits for ever.

        Raises:
            TimeoutError: One isn't complete in time.
            ConnectionError: One failed.
        """
        duration(timeout)
        await _all(client.handshake_complete(timeout) for client in self.pool.values())

    def start_polling(self) -> None:
        """Keep the servers reached, in the running event loop. Further calls do nothing."""
        self._polling = True
        for client in self.pool.values():
            self._keep(client)

    def stop_polling(self) -> None:
        """Keep them no longer; callers that wait for an answer raise BreakLoop."""
        self._polling = False
        for keeper in self._keepers.values():
            keeper.cancel()
        self._keepers.clear()
        self.stop()

    def stop(self) -> None:
        """End the waits in progress: they raise BreakLoop. Later ones wait again."""
        for client in self.pool.values():
            client.stop()

    def _keep(self, client: AsyncZMQClient) -> None:
        keeper = self._keepers.get(client.id)
        if keeper is None or keeper.done():
            self._keepers[client.id] = asyncio.create_task(self._stay_connected(client))

    async def _stay_connected(self, client: AsyncZMQClient) -> None:
        try:
            await client.stay_connected()
        except (ConnectionError, TransportError) as error:  # it has exited, or was told to stop
            self.logger.debug("keeps a client no longer", client=client.id, reason=str(error))

    async def async_send_request(
        self,
        thing_id: str,
        objekt: str,
        operation: str,
        payload: SerializableData | None = None,
        preserialized_payload: PreserializedData | None = None,
        server_execution_context: GivenContext = msgspec.UNSET,
        thing_execution_context: GivenContext = msgspec.UNSET,
    ) -> str:
        """Send a request through the client of a Thing, as `AsyncZMQClient` does.

        Raises:
            ValueError: No client is registered for the Thing; and as the client raises.
        """
        client = self.pool[self.get_client_id_from_thing_id(thing_id)]
        return await client.async_send_request(
            thing_id,
            objekt,
            operation,
            payload,
            preserialized_payload,
            server_execution_context,
            thing_execution_context,
        )

    async def async_recv_response(
        self, thing_id: str, message_id: str | int, timeout: float | None = None
    ) -> ResponseMessage:
        """Wait for the answer to a request.

        Args:
            thing_id: The Thing of the request.
            message_id: What `async_send_request` returned.
            timeout: Seconds; None waits until the answer comes or the server goes.

        Raises:
            TimeoutError: No answer in time; should it come, it is dropped.
            ConnectionAbortedError: The server went, or the client exited, before the answer came.
            ValueError: No client is registered for the Thing.
            KeyError: The message id isn't known.
        """
        duration(timeout)
        client = self.pool[self.get_client_id_from_thing_id(thing_id)]
        if not client.is_expected(message_id):
            raise KeyError(f"no answer to message {message_id!r} is expected")
        try:
            return await client.async_recv_response(message_id, timeout)
        except TimeoutError:
            client.forget(message_id)
            raise

    async def async_execute(
        self,
        thing_id: str,
        objekt: str,
        operation: str,
        payload: SerializableData | None = None,
        preserialized_payload: PreserializedData | None = None,
        server_execution_context: GivenContext = msgspec.UNSET,
        thing_execution_context: GivenContext = msgspec.UNSET,
        timeout: float | None = None,
    ) -> ResponseMessage:
        """Send a request and wait for its answer, as the client of the Thing does.

        Raises:
            ValueError: No client is registered for the Thing; and as the client raises.
        """
        client = self.pool[self.get_client_id_from_thing_id(thing_id)]
        return await client.async_execute(
            thing_id,
            objekt,
            operation,
            payload,
            preserialized_payload,
            server_execution_context,
            thing_execution_context,
            timeout,
        )

    async def async_execute_in_all(
        self,
        objekt: str,
        operation: str,
        payload: SerializableData | None = None,
        preserialized_payload: PreserializedData | None = None,
        thing_ids: list[str] | None = None,
        server_execution_context: GivenContext = msgspec.UNSET,
        thing_execution_context: GivenContext = msgspec.UNSET,
        timeout: float | None = None,
    ) -> dict[str, ResponseMessage]:
        """Perform one operation in several Things at once.

        Args and errors are those of `async_execute`, but for `thing_ids`: which Things, by
        default all that are registered. The first error is raised once all are done, with the
        Thing in its notes.
        """
        duration(timeout)
        things = list(self._client_of) if thing_ids is None else thing_ids

        async def one(thing_id: str) -> ResponseMessage:
            try:
                return await self.async_execute(
                    thing_id,
                    objekt,
                    operation,
                    payload,
                    preserialized_payload,
                    server_execution_context,
                    thing_execution_context,
                    timeout,
                )
            except Exception as error:
                error.add_note(f"in the Thing {thing_id!r}")
                raise

        answers = await _all(one(thing_id) for thing_id in things)
        return dict(zip(things, answers, strict=True))

    async def async_execute_in_all_things(
        self,
        objekt: str,
        operation: str,
        payload: SerializableData | None = None,
        preserialized_payload: PreserializedData | None = None,
        server_execution_context: GivenContext = msgspec.UNSET,
        thing_execution_context: GivenContext = msgspec.UNSET,
    ) -> dict[str, ResponseMessage]:
        """Perform one operation in all registered Things, as `async_execute_in_all`."""
        return await self.async_execute_in_all(
            objekt,
            operation,
            payload,
            preserialized_payload,
            None,
            server_execution_context,
            thing_execution_context,
        )

    async def ping_all_servers(self, timeout: float | None = None) -> dict[str, ResponseMessage]:
        """Invoke the action `ping` of all registered Things.

        Args:
            timeout: Seconds; None waits until the answers come or a server goes.
        """
        return await self.async_execute_in_all("ping", Operation.INVOKE, timeout=timeout)

    def __contains__(self, name: object) -> bool:
        return name in self.pool

    def __getitem__(self, key: str) -> AsyncZMQClient:
        return self.pool[key]

    def __iter__(self) -> Iterator[AsyncZMQClient]:
        return iter(self.pool.values())

    def _leave(self) -> None:
        for keeper in self._keepers.values():
            if not keeper.get_loop().is_closed():
                keeper.cancel()
        self._keepers.clear()
        for client in self.pool.values():
            client.exit()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.exit()


async def _all(calls: Iterable[Any]) -> list[Any]:
    """The results of all; the first error once all are done."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results

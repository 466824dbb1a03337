"""Several servers, polled as one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from transports.errors import BreakLoop
from transports.hololinked.base_server import BaseZMQServer
from transports.hololinked.messages import RequestMessage
from transports.hololinked.server import POLL_TIMEOUT, AsyncZMQServer, milliseconds
from transports.hololinked.tasks import Tasks
from transports.hololinked.waiting import BATCH, Pause, Steps
from transports.serializers import PreserializedData, SerializableData

if TYPE_CHECKING:
    import zmq.asyncio


class ZMQServerPool(BaseZMQServer):
    """Several servers, polled as one.

    Args:
        ids: Ids of servers that are made here.
        context: A context of zmq.asyncio for them; one is made, and ended by `exit`, if none is
            given.
        poll_timeout: Milliseconds, kept for callers that set it; without effect.
        **kwargs: As for `AsyncZMQServer`.

    Attributes:
        pool: The servers by id.

    Example:
        >>> async def main():
        ...     context = zmq.asyncio.Context()
        ...     with ZMQServerPool(ids=["a", "b"], context=context, transport="INPROC") as pool:
        ...         client = AsyncZMQClient("me", "b", transport="INPROC", context=context)
        ...         call = asyncio.create_task(client.async_execute("stage", "x", "readproperty"))
        ...         for request in await pool.poll():
        ...             await pool.async_send_response(
        ...                 id=request.receiver_id,
        ...                 request_message=request,
        ...                 payload=SerializableData(1.5),
        ...             )
        ...         answer = await call
        ...         client.exit()
        ...     context.term()
        ...     return answer.sender_id, answer.payload.deserialize()
        >>> asyncio.run(main())
        ('b', 1.5)
    """

    def __init__(
        self,
        *,
        ids: list[str] | None = None,
        context: zmq.asyncio.Context | None = None,
        poll_timeout: int = POLL_TIMEOUT,
        **kwargs: Any,
    ) -> None:
        import zmq.asyncio

        super().__init__("pool", logger=kwargs.get("logger"))
        self.poll_timeout = poll_timeout
        self.pool: dict[str, AsyncZMQServer] = {}
        self._use_context(context, zmq.asyncio.Context)
        self._stopped = False
        self._exit_message: BreakLoop | None = None
        self._tasks = Tasks(self._news)
        try:
            for each in ids or ():
                made: Any = self.context  # of zmq.asyncio, as given or made
                self.register_server(AsyncZMQServer(id=each, context=made, **kwargs))
        except BaseException:
            self.exit()
            raise

    def create_socket(self, **kwargs: Any) -> None:
        """A pool has no socket of its own. Raises NotImplementedError."""
        raise NotImplementedError("a pool has no socket of its own; its servers have")

    @property
    def poll_timeout(self) -> int:
        """Milliseconds, 0 or more; without effect."""
        return self._poll_timeout

    @poll_timeout.setter
    def poll_timeout(self, value: int) -> None:
        self._poll_timeout = milliseconds(value)

    def register_server(self, server: AsyncZMQServer) -> None:
        """Add a server.

        Raises:
            TypeError: Not an AsyncZMQServer.
            ValueError: Another one with that id is there.
        """
        if not isinstance(server, AsyncZMQServer):
            raise TypeError(f"only an AsyncZMQServer can be registered, not {server!r}")
        if self.pool.get(server.id, server) is not server:
            raise ValueError(f"the pool has another server with the id {server.id!r}")
        if server.id not in self.pool:
            self.pool[server.id] = server
            server._watch(self._tasks)

    def deregister_server(self, server: AsyncZMQServer) -> None:
        """Take a server out; it stays open.

        Raises:
            KeyError: It isn't in the pool.
        """
        del self.pool[server.id]
        server._unwatch(self._tasks)

    async def async_recv_request(self, id: str) -> RequestMessage:
        """Wait for one operation of the server with this id, as that server does."""
        return await self.pool[id].async_recv_request()

    async def async_recv_requests(self, id: str) -> list[RequestMessage]:
        """Wait for operations of the server with this id, as that server does."""
        return await self.pool[id].async_recv_requests()

    async def async_send_response(
        self,
        *,
        id: str,
        request_message: RequestMessage,
        payload: SerializableData | None = None,
        preserialized_payload: PreserializedData | None = None,
    ) -> None:
        """Send the REPLY to a request through the server with this id, as that server does."""
        await self.pool[id].async_send_response(request_message, payload, preserialized_payload)

    async def poll(self) -> list[RequestMessage]:
        """Wait for operations of any server, or until `stop_polling`.

        Returns:
            The operations; `receiver_id` is the id of the server that the client addressed.

        Raises:
            BreakLoop: EXIT was received; what came before it was returned first.
            RuntimeError: Another event loop uses one of the servers.
        """
        for server in self.pool.values():
            server.check_loop()
        return await self._tasks.run(self._requests())

    def stop_polling(self) -> None:
        """End `poll` at once, or the next call if none waits. From any thread."""
        self._stopped = True
        self._tasks.wake()

    def _requests(self) -> Steps[list[RequestMessage]]:
        while True:
            if self._stopped or self._exited:
                self._stopped = False
                return []
            requests: list[RequestMessage] = []
            for server in list(self.pool.values()):
                try:
                    requests += server._take(BATCH)
                except BreakLoop as told:
                    self._exit_message = told
            if requests:
                return requests
            if self._exit_message is not None:
                message, self._exit_message = self._exit_message, None
                raise message
            waiting = [server._glance() for server in self.pool.values()]
            yield Pause(None, 0.0 if any(waiting) else None)

    def _news(self) -> bool:
        for server in self.pool.values():
            server._glance()
        return False

    def __getitem__(self, key: str) -> AsyncZMQServer:
        return self.pool[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.pool)

    def __contains__(self, name: object) -> bool:
        return name in self.pool

    def _leave(self) -> None:
        for server in self.pool.values():
            server.exit()
        self._tasks.close()

"""Servers: receive requests, answer handshakes and what can't be dispatched, send responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zmq

from transports.errors import BreakLoop, ProtocolError
from transports.frames import InterruptibleReader, TooManyFrames, send
from transports.headers import FRAMES, REPLY, ZMQ_TRANSPORTS
from transports.hololinked import replies
from transports.hololinked.base_server import BaseZMQServer
from transports.hololinked.connection import socket_events
from transports.hololinked.messages import RequestMessage
from transports.hololinked.sockets import BaseAsyncZMQ
from transports.hololinked.tasks import Tasks
from transports.hololinked.waiting import BATCH, Pause, Steps
from transports.serializers import PreserializedData, SerializableData

if TYPE_CHECKING:
    import zmq.asyncio

__all__ = ["AsyncZMQServer", "BaseZMQServer"]

POLL_TIMEOUT = 25


class AsyncZMQServer(BaseZMQServer, BaseAsyncZMQ):
    """A server for any number of clients, awaited.

    A malformed message is answered or logged and never touches its neighbours. A message that
    can't be delivered, since its client is gone or doesn't read, is dropped and counted.

    Args:
        id: Id of the server, its socket's identity: what clients must be given.
        context: A context of zmq.asyncio; one is made, and ended by `exit`, if none is given.
        socket_type: `zmq.ROUTER`.
        transport: `IPC`, `TCP`, `INPROC`, or a full address.
        poll_timeout: Milliseconds, kept for callers that set it. Nothing is polled here: waiting
            ends by signal.
        **kwargs: `socket_address` or `access_point`: where to listen. `logger`.

    Attributes:
        undelivered: How many responses were dropped since their client was gone or didn't read.

    Example:
        >>> async def main():
        ...     context = zmq.asyncio.Context()
        ...     with AsyncZMQServer(id="bench", context=context, transport="INPROC") as server:
        ...         client = AsyncZMQClient("me", "bench", False, "INPROC", context)
        ...         message_id = await client.async_send_request("stage", "x", "readproperty")
        ...         for request in await server.poll_requests():
        ...             await server.async_send_response(request, SerializableData(1.5))
        ...         answer = await client.async_recv_response(message_id)
        ...         client.exit()
        ...     context.term()
        ...     return answer.payload.deserialize()
        >>> asyncio.run(main())
        1.5
    """

    def __init__(
        self,
        *,
        id: str,
        context: zmq.asyncio.Context | None = None,
        socket_type: int = zmq.ROUTER,
        transport: ZMQ_TRANSPORTS | str = ZMQ_TRANSPORTS.IPC,
        poll_timeout: int = POLL_TIMEOUT,
        **kwargs: Any,
    ) -> None:
        super().__init__(id, logger=kwargs.pop("logger", None))
        self.poll_timeout = poll_timeout
        self.undelivered = 0
        self._stopped = False
        self._exit_message: BreakLoop | None = None
        self._watchers: list[Tasks] = []
        if socket_type == zmq.ROUTER:
            # An answer that can't be routed is an error that can be counted, not a silent drop.
            kwargs["socket_options"] = {zmq.ROUTER_MANDATORY: 1} | (
                kwargs.pop("socket_options", None) or {}
            )
        self.create_socket(
            id=id, context=context, transport=transport, socket_type=socket_type, **kwargs
        )
        self._reader = InterruptibleReader(self.socket, FRAMES)
        self._tasks = Tasks(self._news)
        self._watch(self._tasks)

    @property
    def poll_timeout(self) -> int:
        """Milliseconds, 0 or more; without effect."""
        return self._poll_timeout

    @poll_timeout.setter
    def poll_timeout(self, value: int) -> None:
        self._poll_timeout: int = milliseconds(value)

    async def async_recv_request(self) -> RequestMessage:
        """Wait for one operation. A cancelled call loses none.

        Raises:
            BreakLoop: EXIT was received.
            ConnectionAbortedError: The server has exited.
            RuntimeError: Another event loop uses the server.
        """
        return (await self._run(self._requests(1, stoppable=False)))[0]

    async def async_recv_requests(self) -> list[RequestMessage]:
        """Wait for at least one operation; returns all that are there, up to 256.

        Raises:
            BreakLoop: EXIT was received; what came before it was returned first.
            ConnectionAbortedError: The server has exited.
        """
        return await self._run(self._requests(BATCH, stoppable=False))

    async def poll_requests(self) -> list[RequestMessage]:
        """Wait for operations as `async_recv_requests` does, or until `stop_polling`.

        Returns:
            The operations; none after `stop_polling` or `exit`.

        Raises:
            BreakLoop: EXIT was received; what came before it was returned first.
        """
        return await self._run(self._requests(BATCH, stoppable=True))

    def stop_polling(self) -> None:
        """End `poll_requests` at once, or the next call if none waits. From any thread."""
        self._stopped = True
        self._tasks.wake()

    async def async_send_response(
        self,
        request_message: RequestMessage,
        payload: SerializableData | None = None,
        preserialized_payload: PreserializedData | None = None,
    ) -> None:
        """Send the REPLY to a request.

        Args:
            request_message: The request.
            payload: The result; None is JSON null.
            preserialized_payload: Bytes beside it, or in its place.

        Raises:
            SerializationError, TypeError: The payload can't be encoded.
        """
        await self.async_send_response_with_message_type(
            request_message, REPLY, payload, preserialized_payload
        )

    async def async_send_response_with_message_type(
        self,
        request_message: RequestMessage,
        message_type: str,
        payload: SerializableData | None = None,
        preserialized_payload: PreserializedData | None = None,
    ) -> None:
        """Send a response of any type, otherwise as `async_send_response`."""
        self.check_loop()
        self._deliver(
            replies.reply(
                *self._route(request_message), payload, preserialized_payload, message_type or REPLY
            )
        )

    async def _handshake(self, request_message: RequestMessage) -> None:
        self._deliver(replies.handshake(*self._route(request_message)))

    async def _handle_invalid_message(
        self, request_message: RequestMessage, exception: BaseException
    ) -> None:
        self._deliver(replies.invalid_message(*self._route(request_message), exception))

    async def _handle_timeout(self, request_message: RequestMessage, timeout_type: str) -> None:
        self._deliver(replies.timeout(*self._route(request_message), timeout_type))

    async def _handle_error_message(
        self, request_message: RequestMessage, exception: BaseException
    ) -> None:
        self._deliver(replies.exception(*self._route(request_message), exception))

    def _route(self, request: RequestMessage) -> tuple[bytes, Any, str]:
        return replies.peer_of(request), request.header, self.id

    def _deliver(self, frames: replies.Frames) -> None:
        if self._exited:
            return
        try:
            send(self.socket, frames)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EAGAIN, zmq.EHOSTUNREACH):
                raise
            self.undelivered += 1
            self.logger.warning("dropped a response", client=frames[0], reason=str(error))
        self._glance()  # sending may have taken the sign that something came

    async def _run(self, steps: Steps[list[RequestMessage]]) -> list[RequestMessage]:
        self.check_loop()
        return await self._tasks.run(steps)

    def check_loop(self) -> None:
        """See that no other event loop uses the server, by itself or by a pool.

        Raises:
            RuntimeError: One does.
        """
        for watcher in self._watchers:
            watcher.check_loop()

    def _requests(self, most: int, *, stoppable: bool) -> Steps[list[RequestMessage]]:
        while True:
            if stoppable and (self._stopped or self._exited):
                self._stopped = False
                return []
            if self._exited:
                raise ConnectionAbortedError(f"server {self.id!r} has exited")
            requests = self._take(most)
            if requests:
                return requests
            # Wait only after a look that found nothing; else let others have their turn.
            yield Pause(None, 0.0 if self._glance() else None)

    def _take(self, most: int) -> list[RequestMessage]:
        """The operations that are there.

        Raises:
            BreakLoop: EXIT was received, and what came before it is taken.
        """
        requests: list[RequestMessage] = []
        for _ in range(BATCH):
            if self._exit_message is not None and not requests:
                told, self._exit_message = self._exit_message, None
                raise told
            if len(requests) >= most or self._exit_message is not None:
                break
            received = self._reader.next()
            if received is None:
                break
            request = self._screen(received)
            if request is not None:
                requests.append(request)
        return requests

    def _screen(self, received: list[Any] | TooManyFrames) -> RequestMessage | None:
        if isinstance(received, TooManyFrames):
            request = RequestMessage(received.first)
            try:
                request.parse_header()
            except ProtocolError:
                self.logger.warning("ignored a message", peer=request.peer, frames=received.count)
            else:
                error = replies.wrong_frame_count(received.count)
                self.handle_invalid_message(request, error)
            return None
        request = RequestMessage(received)
        try:
            return None if self.handled_default_message_types(request) else request
        except BreakLoop as told:
            self._exit_message = told
            return None

    def _watch(self, watcher: Tasks) -> None:
        watcher.watch(self.socket)
        self._watchers.append(watcher)

    def _unwatch(self, watcher: Tasks) -> None:
        watcher.unwatch(self.socket)
        self._watchers.remove(watcher)

    def _glance(self) -> bool:
        """Look whether something came, and tell who waits for it."""
        if self._exited or not socket_events(self.socket) & zmq.POLLIN:
            return False
        for watcher in self._watchers:
            watcher.notify(None)
        return True

    def _news(self) -> bool:
        self._glance()
        return False

    def _leave(self) -> None:
        for watcher in list(self._watchers):
            self._unwatch(watcher)
            watcher.wake()
        if hasattr(self, "_tasks"):
            self._tasks.close()


def milliseconds(value: int) -> int:
    """A poll timeout, checked. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"poll_timeout is a number of milliseconds, 0 or more, not {value!r}")
    return value

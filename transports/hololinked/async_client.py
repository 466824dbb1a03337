"""Clients that are awaited."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from transports.durations import duration
from transports.headers import ZMQ_TRANSPORTS
from transports.hololinked.messages import ResponseMessage
from transports.hololinked.requester import HANDSHAKE_TIMEOUT, POLL_TIMEOUT, GivenContext, Requester
from transports.hololinked.sockets import BaseAsyncZMQ
from transports.hololinked.tasks import Tasks, in_event_loop
from transports.hololinked.waiting import Steps, Threads
from transports.serializers import PreserializedData, SerializableData

if TYPE_CHECKING:
    import zmq.asyncio

T = TypeVar("T")


class AsyncZMQClient(Requester, BaseAsyncZMQ):
    """A client that is awaited, by any number of tasks of one event loop.

    When the server goes, waiting calls raise ConnectionAbortedError at once, and the next request
    connects anew. A cancelled call loses nothing but its own answer.

    Args:
        id: Identity of the client; unique among the clients of its server.
        server_id: Id of the server.
        handshake: Whether to start a handshake: in the background if an event loop runs
            (`handshake_complete` waits for it), else before the constructor returns.
        transport: `IPC`, `TCP`, `INPROC`, or a full address.
        context: A context of zmq.asyncio; one is made, and ended by `exit`, if none is given.
        **kwargs: `socket_address` or `access_point`: the server's address. `poll_timeout`:
            milliseconds that a request waits for a server that isn't there (1000).
            `handshake_timeout`: milliseconds (60000). `logger`.

    Raises:
        ConnectionError: No handshake in time, where the constructor waits for it.
        TypeError: The context isn't one of zmq.asyncio, or an argument isn't known.

    Example:
        A server `bench` answers with what it was sent.

        >>> async def main():
        ...     async with AsyncZMQClient("me", "bench", transport="IPC") as client:
        ...         answers = await asyncio.gather(
        ...             client.async_execute("stage", "x", "readproperty"),
        ...             client.async_execute("stage", "y", "writeproperty", SerializableData(2)),
        ...         )
        ...         return [answer.payload.deserialize() for answer in answers]
        >>> asyncio.run(main())
        [None, 2]
    """

    def __init__(
        self,
        id: str,
        server_id: str,
        handshake: bool = True,
        transport: ZMQ_TRANSPORTS | str = "IPC",
        context: zmq.asyncio.Context | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            id=id,
            server_id=server_id,
            logger=kwargs.pop("logger", None),
            poll_timeout=kwargs.pop("poll_timeout", POLL_TIMEOUT),
        )
        timeout = duration(kwargs.pop("handshake_timeout", HANDSHAKE_TIMEOUT), "handshake_timeout")
        self._handshaking: asyncio.Task[None] | None = None
        arguments = self._socket_arguments(kwargs)
        self.create_socket(context=context, transport=transport, **arguments)
        self._tasks = Tasks(self._take)
        self._tasks.watch(self.socket)
        self._waiting = self._tasks
        self._start(handshake)
        if handshake:
            try:
                self.handshake(timeout)
            except BaseException:
                self.exit()
                raise

    def handshake(self, timeout: float | None = HANDSHAKE_TIMEOUT) -> None:
        """Reach the server: in the background if an event loop runs, else before returning.

        Args:
            timeout: Milliseconds; None waits for ever.

        Raises:
            ConnectionError: No answer in time, where no event loop runs; else
                `handshake_complete` raises it.
        """
        steps = self._shake_hands(duration(timeout))
        if not in_event_loop():
            self._run_blocking(steps)
            return
        if self._handshaking is not None and not self._handshaking.done():
            self._handshaking.cancel()
        self._handshaking = asyncio.create_task(self._tasks.run(steps))
        self._handshaking.add_done_callback(self._handshake_done)

    def _handshake_done(self, task: asyncio.Task[None]) -> None:
        if _failed(task):
            self.logger.debug("handshake failed", error=str(task.exception()))

    def _run_blocking(self, steps: Steps[T]) -> T:
        threads = Threads(self.socket, self._take)
        self._waiting = threads
        try:
            return threads.run(steps)
        finally:
            self._waiting = self._tasks
            threads.close()

    async def handshake_complete(self, timeout: float | None = HANDSHAKE_TIMEOUT) -> None:
        """Wait for the handshake in progress; start one if the server was never reached, or lost.

        Args:
            timeout: Milliseconds; None waits for ever.

        Raises:
            TimeoutError: It isn't complete in time; it goes on.
            ConnectionError: It failed.
        """
        task = self._handshaking
        limit = duration(timeout)
        seconds = None if limit is None else limit / 1000
        if task is None or (task.done() and not _failed(task)):
            if self._up:
                return
            self.handshake(timeout)
            task, seconds = self._handshaking, None  # it ends in time by itself
        assert task is not None
        done, _ = await asyncio.wait([task], timeout=seconds)
        if not done:
            raise TimeoutError(f"no handshake with server {self.server_id!r} in {timeout} ms")
        if task is self._handshaking and _failed(task):
            self._handshaking = None  # a failure is told once
        if task.cancelled():
            raise ConnectionAbortedError(f"the handshake with {self.server_id!r} was called off")
        task.result()

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
        """Send a request, connecting anew first if the server was lost.

        Args:
            thing_id: The Thing, here: the worker.
            objekt: Name of the property or action.
            operation: Such as `readproperty`, `writeproperty`, `invokeaction`.
            payload: Value to send; None is JSON null.
            preserialized_payload: Bytes that travel as they are.
            server_execution_context: Timeouts in seconds, and oneway; unset means 5 s and 5 s.
            thing_execution_context: `{"fetchExecutionLogs": bool}`.

        Returns:
            The message id, for `async_recv_response`.

        Raises:
            ConnectionError: The server isn't there within `poll_timeout`; nothing was sent.
            TimeoutError: It doesn't read its messages; nothing was sent.
            SerializationError, TypeError: The payload can't be encoded.
            TypeError: An argument of another type; nothing was sent.
            ProtocolError: The execution context has a timeout that isn't a number.
        """
        request, oneway = self._compose(
            thing_id,
            objekt,
            operation,
            payload,
            preserialized_payload,
            server_execution_context,
            thing_execution_context,
        )
        return await self._tasks.run(self._send(request, oneway))

    async def async_recv_response(
        self, message_id: str | int, timeout: float | None = None
    ) -> ResponseMessage:
        """Wait for the answer to a request.

        Args:
            message_id: What `async_send_request` returned.
            timeout: Seconds; None waits until the answer comes or the server goes.

        Raises:
            TimeoutError: No answer in time; it may still be asked for again.
            ConnectionAbortedError: The server went, or the client exited, before the answer came.
            KeyError: The answer was dropped for ten thousand newer ones.
            BreakLoop: `stop` was called.
            TypeError, ValueError: `timeout` isn't a number of 0 or more, or None.
        """
        return await self._tasks.run(self._receive(message_id, duration(timeout)))

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
        """Send a request and wait for its answer.

        Args and errors are those of `async_send_request` and `async_recv_response`; after a
        TimeoutError the answer is dropped. `timeout` is for the whole call: a server that isn't
        there is waited for no longer than the shorter of it and `poll_timeout`.

        Raises:
            ValueError: The request is oneway, which has no answer.
        """
        request, oneway = self._compose(
            thing_id,
            objekt,
            operation,
            payload,
            preserialized_payload,
            server_execution_context,
            thing_execution_context,
        )
        return await self._tasks.run(self._execute(request, oneway, duration(timeout)))

    async def stay_connected(self) -> None:
        """Reach the server whenever it isn't there, until the call is cancelled.

        Raises:
            ConnectionAbortedError: The client has exited.
            BreakLoop: `stop` was called.
        """
        await self._tasks.run(self._stay_connected())

    def stop(self) -> None:
        """End the waits in progress: they raise BreakLoop. Later ones wait again. Any thread."""
        super().stop()
        self._tasks.wake()

    def _leave(self) -> None:
        if self._handshaking is not None and not self._handshaking.get_loop().is_closed():
            self._handshaking.cancel()
        if hasattr(self, "_tasks"):
            self._tasks.close()

    async def __aenter__(self) -> Self:
        if self._handshaking is not None:
            try:
                await self.handshake_complete()
            except BaseException:
                self.exit()
                raise
        return self


def _failed(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None

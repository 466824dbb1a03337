"""Clients that block."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import zmq

from transports.durations import duration
from transports.headers import ZMQ_TRANSPORTS
from transports.hololinked.messages import ResponseMessage
from transports.hololinked.requester import (
    HANDSHAKE_TIMEOUT,
    POLL_TIMEOUT,
    BaseZMQClient,
    GivenContext,
    Requester,
)
from transports.hololinked.sockets import BaseSyncZMQ
from transports.hololinked.waiting import Steps, Threads
from transports.serializers import PreserializedData, SerializableData

__all__ = ["BaseZMQClient", "SyncZMQClient"]

T = TypeVar("T")


class SyncZMQClient(Requester, BaseSyncZMQ):
    """A client that blocks while it waits.

    Any number of threads may share one: each gets the answers to its own requests. When the
    server goes, waiting calls raise ConnectionAbortedError at once, and the next request
    connects anew.

    Args:
        id: Identity of the client; unique among the clients of its server.
        server_id: Id of the server.
        handshake: Whether to wait for the server's answer before the constructor returns.
        transport: `IPC`, `TCP`, `INPROC`, or a full address.
        context: A plain context; one is made, and ended by `exit`, if none is given.
        **kwargs: `socket_address` or `access_point`: the server's address. `poll_timeout`:
            milliseconds that a request waits for a server that isn't there (1000).
            `handshake_timeout`: milliseconds (60000). `logger`.

    Raises:
        ConnectionError: No handshake in time.
        TypeError: The context isn't a plain one, or an argument isn't known.

    Example:
        A server `bench` answers with what it was sent.

        >>> with SyncZMQClient("me", "bench", transport="IPC") as client:
        ...     answer = client.execute(
        ...         "stage", "move", "invokeaction", SerializableData({"x": 1.5}), timeout=5
        ...     )
        ...     (answer.type, answer.payload.deserialize())
        ('REPLY', {'x': 1.5})
    """

    def __init__(
        self,
        id: str,
        server_id: str,
        handshake: bool = True,
        transport: ZMQ_TRANSPORTS | str = "IPC",
        context: zmq.Context[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            id=id,
            server_id=server_id,
            logger=kwargs.pop("logger", None),
            poll_timeout=kwargs.pop("poll_timeout", POLL_TIMEOUT),
        )
        timeout = duration(kwargs.pop("handshake_timeout", HANDSHAKE_TIMEOUT), "handshake_timeout")
        arguments = self._socket_arguments(kwargs)
        self.create_socket(context=context, transport=transport, **arguments)
        self._threads = Threads(self.socket, self._take)
        self._waiting = self._threads
        self._start(handshake)
        if handshake:
            try:
                self.handshake(timeout)
            except BaseException:
                self.exit()
                raise

    def handshake(self, timeout: float | None = HANDSHAKE_TIMEOUT) -> None:
        """Reach the server and wait for its answer.

        Args:
            timeout: Milliseconds; None waits for ever.

        Raises:
            ConnectionError: No answer in time; the text says whether anything is there, and
                that the client's id may be in use.
            BreakLoop: `stop` was called.
            TypeError, ValueError: `timeout` isn't a number of 0 or more, or None.
        """
        self._run(self._shake_hands(duration(timeout)))

    def send_request(
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
            The message id, for `recv_response`.

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
        return self._run(self._send(request, oneway))

    def recv_response(self, message_id: str | int, timeout: float | None = None) -> ResponseMessage:
        """Wait for the answer to a request.

        Args:
            message_id: What `send_request` returned.
            timeout: Seconds; None waits until the answer comes or the server goes.

        Raises:
            TimeoutError: No answer in time; it may still be asked for again.
            ConnectionAbortedError: The server went, or the client exited, before the answer came.
            KeyError: The answer was dropped for ten thousand newer ones.
            BreakLoop: `stop` was called.
            TypeError, ValueError: `timeout` isn't a number of 0 or more, or None.
        """
        return self._run(self._receive(message_id, duration(timeout)))

    def execute(
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

        Args and errors are those of `send_request` and `recv_response`; after a TimeoutError the
        answer is dropped. `timeout` is for the whole call: a server that isn't there is waited
        for no longer than the shorter of it and `poll_timeout`.

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
        return self._run(self._execute(request, oneway, duration(timeout)))

    def stop(self) -> None:
        """End the waits in progress, in any thread: they raise BreakLoop. Later ones wait again."""
        super().stop()
        self._threads.wake()

    def _run(self, steps: Steps[T]) -> T:
        return self._threads.run(steps)

    def _leave(self) -> None:
        if hasattr(self, "_threads"):
            self._threads.close()

"""Events, the receiving side.

ZeroMQ matches subscriptions as prefixes, so a subscriber of `t/tick` is sent `t/ticking` too; the
consumers here drop what isn't exactly theirs.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import zmq

from transports.durations import duration
from transports.errors import BreakLoop, ProtocolError
from transports.frames import InterruptibleReader, TooManyFrames
from transports.headers import FRAMES
from transports.hololinked import checks
from transports.hololinked.connection import socket_events
from transports.hololinked.messages import EventMessage
from transports.hololinked.requester import POLL_TIMEOUT, BaseZMQClient
from transports.hololinked.sockets import BaseAsyncZMQ, BaseSyncZMQ
from transports.hololinked.waiting import Pause, Steps, Threads, Waiting
from transports.serializers import JSON

if TYPE_CHECKING:
    from transports.hololinked.tasks import Tasks


class BaseEventConsumer(BaseZMQClient):
    """What blocking and awaited consumers share: everything but the wait."""

    _waiting: Waiting

    def __init__(
        self,
        id: str,
        event_unique_identifier: str,
        socket_address: str | None = None,
        context: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            id=id,
            server_id=kwargs.pop("server_id", None) or "",
            logger=kwargs.pop("logger", None),
            poll_timeout=kwargs.pop("poll_timeout", POLL_TIMEOUT),
        )
        checks.text(event_unique_identifier, "event_unique_identifier")
        self.event_unique_identifier = event_unique_identifier.encode()
        self._content_type: str | None = kwargs.pop("content_type", None)
        self._subscribed = False
        self._stopped = False
        transport = kwargs.pop("transport", None)
        access_point = kwargs.pop("access_point", None)
        where = socket_address or access_point or transport
        if where is None or ("://" not in where and not self.server_id):
            raise ValueError(
                "a consumer needs the publisher's address, as in ipc:///path.ipc, "
                "or a transport and the publisher's id as server_id"
            )
        self._connect(context, where, kwargs)
        self._reader = InterruptibleReader(self.socket, FRAMES)

    def _connect(self, context: Any, where: str, kwargs: dict[str, Any]) -> None:
        raise NotImplementedError

    def subscribe(self) -> None:
        """Ask the publisher for the event, and receive again after a stop."""
        if self._exited:
            raise ConnectionAbortedError(f"consumer {self.id!r} has exited")
        self._stopped = False
        if not self._subscribed:
            self.socket.set(zmq.SUBSCRIBE, self.event_unique_identifier)
            self._subscribed = True

    def stop_polling(self) -> None:
        """End `receive`, in progress or to come, until `subscribe`. From any thread."""
        self._stopped = True
        self._wake()

    def _wake(self) -> None:
        raise NotImplementedError

    def _take(self) -> bool:
        if not self._exited and socket_events(self.socket) & zmq.POLLIN:
            self._waiting.notify(None)
        return False

    def _receive(
        self, timeout: float | None, raise_interrupt_as_exception: bool
    ) -> Steps[EventMessage | None]:
        if not self._subscribed:
            raise RuntimeError("subscribe() comes before receive()")
        if self._exited:
            raise ConnectionAbortedError(f"consumer {self.id!r} has exited")
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        while True:
            if self._stopped or self._exited:
                if raise_interrupt_as_exception:
                    raise BreakLoop(f"consumer {self.id!r} was interrupted")
                return None
            received = self._reader.next()
            if received is not None:
                message = self._read(received)
                if message is not None:
                    return message
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            if received is None and not socket_events(self.socket) & zmq.POLLIN:
                yield Pause(None, left)

    def _read(self, received: list[Any] | TooManyFrames) -> EventMessage | None:
        """The event, if it is one and the one that was asked for."""
        if isinstance(received, TooManyFrames) or len(received) != FRAMES:
            self.logger.debug("ignored a message of another number of frames")
            return None
        if received[0] != self.event_unique_identifier:
            return None  # a topic that only begins like ours
        message = EventMessage(received)
        try:
            message.parse_body()
        except ProtocolError as error:
            self.logger.warning("ignored an event", error=str(error))
            return None
        if self._content_type is not None and message.payload.content_type == JSON:
            message.payload.content_type = self._content_type
        return message


class EventConsumer(BaseEventConsumer, BaseSyncZMQ):
    """Receives one event, in any thread.

    Args:
        id: Identity of the consumer.
        event_unique_identifier: The topic, `<thing id>/<event name>`, matched exactly.
        socket_address: Address of the publisher; `access_point` means the same.
        context: A plain context; one is made, and ended by `exit`, if none is given.
        **kwargs: `server_id`: the publisher's id, with a bare transport in place of an address.
            `content_type`: how values are encoded that their publisher calls JSON, which
            hololinked 0.4 calls all. `logger`.

    Raises:
        ValueError: Neither an address nor a publisher's id.

    Example:
        A publisher publishes `stage/moved` at `address`, again and again.

        >>> with EventConsumer("me", "stage/moved", address) as consumer:
        ...     consumer.subscribe()
        ...     event = consumer.receive(timeout=5000)
        ...     event.payload.deserialize()
        {'x': 1.5}
    """

    def _connect(self, context: Any, where: str, kwargs: dict[str, Any]) -> None:
        self.create_socket(
            id=self.id,
            node_type="client",
            context=context,
            transport=where,
            socket_type=zmq.SUB,
            server_id=self.server_id or None,
            **kwargs,
        )
        self._threads = Threads(self.socket, self._take)
        self._waiting = self._threads

    def subscribe(self) -> None:
        """Ask the publisher for the event, and receive again after a stop."""
        with self._threads.locked():
            super().subscribe()

    def receive(
        self, timeout: float | None = 1000, raise_interrupt_as_exception: bool = False
    ) -> EventMessage | None:
        """Wait for the event.

        Args:
            timeout: Milliseconds; None waits for ever.
            raise_interrupt_as_exception: Whether to tell an interrupt from a timeout.

        Returns:
            The event; None after the timeout, `stop_polling`, `interrupt` or `exit`.

        Raises:
            BreakLoop: It was interrupted, and that shall be raised.
            RuntimeError: `subscribe` wasn't called.
            ConnectionAbortedError: The consumer had exited before the call.
            TypeError, ValueError: `timeout` isn't a number of 0 or more, or None.
        """
        return self._threads.run(self._receive(duration(timeout), raise_interrupt_as_exception))

    def interrupt(self) -> None:
        """The same as `stop_polling`."""
        self.stop_polling()

    def _wake(self) -> None:
        self._threads.wake()

    def _leave(self) -> None:
        if hasattr(self, "_threads"):
            self._threads.close()


class AsyncEventConsumer(BaseEventConsumer, BaseAsyncZMQ):
    """Receives one event, in tasks of an event loop.

    Args:
        id: Identity of the consumer.
        event_unique_identifier: The topic, `<thing id>/<event name>`, matched exactly.
        socket_address: Address of the publisher; `access_point` means the same.
        context: A context of zmq.asyncio; one is made, and ended by `exit`, if none is given.
        **kwargs: As for `EventConsumer`.

    Raises:
        ValueError: Neither an address nor a publisher's id.

    Example:
        A publisher publishes `stage/moved` at `address`, again and again.

        >>> async def main():
        ...     async with AsyncEventConsumer("me", "stage/moved", address) as consumer:
        ...         consumer.subscribe()
        ...         event = await consumer.receive(timeout=5000)
        ...         return event.payload.deserialize()
        >>> asyncio.run(main())
        {'x': 1.5}
    """

    _tasks: Tasks

    def _connect(self, context: Any, where: str, kwargs: dict[str, Any]) -> None:
        from transports.hololinked.tasks import (
            Tasks,  # asyncio, which blocking consumers don't need
        )

        self.create_socket(
            id=self.id,
            node_type="client",
            context=context,
            transport=where,
            socket_type=zmq.SUB,
            server_id=self.server_id or None,
            **kwargs,
        )
        self._tasks = Tasks(self._take)
        self._tasks.watch(self.socket)
        self._waiting = self._tasks

    async def receive(
        self, timeout: float | None = 1000, raise_interrupt_as_exception: bool = False
    ) -> EventMessage | None:
        """Wait for the event. A cancelled call loses none.

        Args:
            timeout: Milliseconds; None waits for ever.
            raise_interrupt_as_exception: Whether to tell an interrupt from a timeout.

        Returns:
            The event; None after the timeout, `stop_polling`, `interrupt` or `exit`.

        Raises:
            BreakLoop: It was interrupted, and that shall be raised.
            RuntimeError: `subscribe` wasn't called.
            ConnectionAbortedError: The consumer had exited before the call.
            TypeError, ValueError: `timeout` isn't a number of 0 or more, or None.
        """
        return await self._tasks.run(self._receive(duration(timeout), raise_interrupt_as_exception))

    async def interrupt(self) -> None:
        """The same as `stop_polling`."""
        self.stop_polling()

    def _wake(self) -> None:
        self._tasks.wake()

    def _leave(self) -> None:
        if hasattr(self, "_tasks"):
            self._tasks.close()

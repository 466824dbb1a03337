"""What all servers do with messages that are no operations."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, NoReturn

from transports.errors import BreakLoop, ProtocolError
from transports.headers import EXIT, HANDSHAKE, INVOCATION
from transports.hololinked import replies
from transports.hololinked.messages import RequestMessage
from transports.hololinked.sockets import BaseZMQ

if TYPE_CHECKING:
    import asyncio


class BaseZMQServer(BaseZMQ):
    """Root of all servers: what to do with messages that are no operations.

    A subclass says how to answer, in `_handshake`, `_handle_invalid_message`, `_handle_timeout`
    and `_handle_error_message`: functions or coroutine functions. Their public counterparts may be
    called from inside a running event loop, where coroutines become tasks, or outside of one,
    where they are run to their end.

    Example:
        >>> class Deaf(BaseZMQServer):
        ...     def _handshake(self, request_message):
        ...         print("hello", request_message.sender_id)
        >>> hello = RequestMessage.craft_with_message_type("me", "bench", "HANDSHAKE")
        >>> Deaf("bench").handled_default_message_types(hello)
        hello me
        True
    """

    def __init__(self, id: str = "", *, logger: Any = None) -> None:
        super().__init__(id, logger=logger)
        self._background: set[asyncio.Task[None]] = set()

    def handshake(self, request_message: RequestMessage) -> None:
        """Answer a client that asks whether we are there."""
        self._perform(self._handshake(request_message))

    def handle_invalid_message(
        self, request_message: RequestMessage, exception: BaseException
    ) -> None:
        """Tell a client that its request can't be dispatched: nothing was started."""
        self._perform(self._handle_invalid_message(request_message, exception))

    def handle_timeout(
        self, request_message: RequestMessage, timeout_type: str = INVOCATION
    ) -> None:
        """Tell a client that the time for its request is up.

        Args:
            request_message: The request.
            timeout_type: `invokation` if it never started, `execution` if it has.
        """
        self._perform(self._handle_timeout(request_message, timeout_type))

    def handle_error_message(
        self, request_message: RequestMessage, exception: BaseException
    ) -> None:
        """Tell a client what its operation raised."""
        self._perform(self._handle_error_message(request_message, exception))

    def handled_default_message_types(self, request_message: RequestMessage) -> bool:
        """Deal with a message that is no operation, right after it was received.

        Handshakes are answered. A wrong number of frames is answered with INVALID_MESSAGE. A
        header that can't be read names nobody to answer to: it is logged.

        Returns:
            Whether it was dealt with; if not, it is an operation.

        Raises:
            BreakLoop: It is EXIT, with which any client can end the server's loop. A server
                that shall not be ended so overrides this method.
        """
        try:
            kind = request_message.type
        except ProtocolError as error:
            self.logger.warning("ignored a message", peer=request_message.peer, error=str(error))
            return True
        count = len(request_message.byte_array)
        if count != request_message.length:
            self.handle_invalid_message(request_message, replies.wrong_frame_count(count))
            return True
        if kind == HANDSHAKE:
            self.handshake(request_message)
            return True
        if kind == EXIT:
            raise BreakLoop(f"{request_message.sender_id!r} sent EXIT to server {self.id!r}")
        return False

    def _handshake(self, request_message: RequestMessage) -> Awaitable[None] | None:
        self._not_implemented("_handshake")

    def _handle_invalid_message(
        self, request_message: RequestMessage, exception: BaseException
    ) -> Awaitable[None] | None:
        self._not_implemented("_handle_invalid_message")

    def _handle_timeout(
        self, request_message: RequestMessage, timeout_type: str
    ) -> Awaitable[None] | None:
        self._not_implemented("_handle_timeout")

    def _handle_error_message(
        self, request_message: RequestMessage, exception: BaseException
    ) -> Awaitable[None] | None:
        self._not_implemented("_handle_error_message")

    def _not_implemented(self, name: str) -> NoReturn:
        raise NotImplementedError(f"{type(self).__name__} doesn't say how to answer: define {name}")

    def _perform(self, work: Awaitable[None] | None) -> None:
        if work is None:
            return
        import asyncio

        from transports.hololinked.tasks import in_event_loop

        async def finish() -> None:
            await work

        if not in_event_loop():
            asyncio.run(finish())
            return
        task = asyncio.create_task(finish())
        self._background.add(task)  # the loop itself keeps no reference
        task.add_done_callback(self._performed)

    def _performed(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.logger.error("couldn't answer", error=repr(task.exception()))

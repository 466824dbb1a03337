"""What blocking and awaited clients share: everything but the wait."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from transports.errors import BreakLoop, ProtocolError
from transports.frames import TooManyFrames
from transports.headers import (
    FRAMES,
    HANDSHAKE,
    MAX_HEADER,
    ZMQ_TRANSPORTS,
    Limits,
    read_limits,
)
from transports.hololinked import checks
from transports.hololinked.answers import Answers, MessageId
from transports.hololinked.connection import OPTIONS, Connection, Sent
from transports.hololinked.handshake import CONNECT_AFTER, CONNECT_TCP_AFTER, Handshake, Move
from transports.hololinked.messages import RequestMessage, ResponseMessage
from transports.hololinked.sockets import BaseZMQ
from transports.hololinked.waiting import BATCH, Pause, Steps, Waiting
from transports.serializers import PreserializedData, SerializableData

POLL_TIMEOUT = 1000
HANDSHAKE_TIMEOUT = 60_000

GivenContext = Mapping[str, Any] | msgspec.UnsetType | None
"""An execution context as its caller gives it; unset means the defaults of the wire format."""


class BaseZMQClient(BaseZMQ):
    """Root of all clients.

    Args:
        id: Identity of the client's socket; unique among the clients of its server.
        server_id: Id of the server.
        logger: As for `BaseZMQ`.
        poll_timeout: Milliseconds that a request waits for a server that isn't there.

    Example:
        >>> client = BaseZMQClient(id="me", server_id="bench", poll_timeout=250)
        >>> client.server_id, client.poll_timeout
        ('bench', 250)
    """

    def __init__(
        self,
        *,
        id: str,
        server_id: str = "",
        logger: Any = None,
        poll_timeout: int = POLL_TIMEOUT,
    ) -> None:
        super().__init__(id, logger=logger)
        self.server_id = server_id
        self.poll_timeout = poll_timeout
        self._stops = 0
        self._greeted = False

    @property
    def poll_timeout(self) -> int:
        """Milliseconds that a request waits for a server that isn't there; at least 1."""
        return self._poll_timeout

    @poll_timeout.setter
    def poll_timeout(self, value: int) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise ValueError(f"poll_timeout is a positive number of milliseconds, not {value!r}")
        self._poll_timeout = value

    def handled_default_message_types(self, response_message: ResponseMessage) -> bool:
        """Deal with what is no answer to a request: handshakes, and what can't be read.

        Returns:
            Whether it was dealt with.
        """
        count = len(response_message.byte_array)
        if count != FRAMES:
            self.logger.warning("ignored a message", frames=count, expected=FRAMES)
            return True
        try:
            kind = response_message.type
        except ProtocolError as error:
            self.logger.warning("ignored a message", error=str(error))
            return True
        if kind == HANDSHAKE:
            self._greeted = True
            return True
        return False

    def stop(self) -> None:
        """End the waits in progress, in any thread: they raise BreakLoop. Later ones wait again."""
        self._stops += 1


class Requester(BaseZMQClient):
    """The steps of a client's operations, and its books.

    Whoever inherits it makes the socket, calls `_start`, and runs the steps.
    """

    _waiting: Waiting
    _connection: Connection

    def _start(self, handshake: bool) -> None:
        self._connection = Connection(self.socket, self.socket_address)
        self._answers = Answers()
        self._wants_answer = handshake
        self._up = False
        self._present = False
        self._reaching = False
        self._congested = False

    def _socket_arguments(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        options = OPTIONS | (kwargs.pop("socket_options", None) or {})
        return {
            "id": self.id,
            "node_type": "client",
            "server_id": self.server_id,
            "socket_options": options,
            **kwargs,
        }

    def is_expected(self, message_id: MessageId) -> bool:
        """Whether an answer to this request is awaited, or has come and wasn't asked for."""
        return message_id in self._answers

    def forget(self, message_id: MessageId) -> None:
        """Drop the answer to this request, now or when it comes."""
        self._answers.forget(message_id)

    # What comes in

    def _take(self) -> bool:
        """Take what has come; returns whether there may be more.

        Whatever touches the socket may swallow the sign that something came, so the last touch
        is always a look that found nothing.
        """
        if self._exited:
            return False
        for _ in range(BATCH):
            received = self._connection.receive()
            if received is not None:
                self._accept(received)
                continue
            waiting, present = self._connection.state()
            if not waiting and not self._look(present):
                return False
        return True

    def _accept(self, received: Any) -> None:
        told = isinstance(received, TooManyFrames)
        message = ResponseMessage(received.first if told else received)
        wrong = _fault(message, received.count if told else len(received))
        if wrong is not None:
            self._tell_unreadable(message, wrong)
            return
        if self.handled_default_message_types(message):
            self._waiting.notify(None)
            return
        self._answers.arrived(message)
        self._waiting.notify(message.id)

    def _tell_unreadable(self, message: ResponseMessage, wrong: ProtocolError) -> None:
        frames = message.byte_array
        header = bytes(frames[2][:MAX_HEADER]) if len(frames) > 2 else b""
        callers = self._answers.unreadable(header, wrong)
        for message_id in callers:
            self._waiting.notify(message_id)
        self.logger.warning("a message can't be read", error=str(wrong), callers=len(callers))

    def _look(self, present: bool) -> bool:
        """Notice whether the server came or went; returns whether to look again."""
        again = False
        if self._up and not present:
            # Gone, or it doesn't read and its queue is full: a message tells.
            sent = self._ask()
            self._congested = sent is Sent.FULL
            if sent is Sent.UNREACHABLE:
                self._lose()
            again = sent is not Sent.FULL or self._connection.state()[0]
        else:
            self._congested = False
        if present != self._present:
            self._present = present
            self._waiting.notify(None)
        return again

    def _lose(self) -> None:
        self._up = False
        self._answers.lost()
        self.logger.debug("lost the server", server_id=self.server_id)
        self._connection.renew()
        self._waiting.notify(None)

    def _ask(self) -> Sent:
        ask = RequestMessage.craft_with_message_type(self.id, self.server_id, HANDSHAKE)
        return self._connection.send(ask.byte_array)

    # Steps

    def _shake_hands(self, timeout: float | None) -> Steps[None]:
        """Reach the server and have its answer within `timeout` milliseconds."""
        timeout = None if timeout is None else timeout / 1000
        self._check_open()
        self._waiting.pump()
        yield from self._reach(timeout, answered=True)

    def _reach(self, timeout: float | None, *, answered: bool) -> Steps[None]:
        stops = self._stops
        started = time.monotonic()
        plan = Handshake(
            started,
            timeout,
            answered=answered,
            connected_at=self._connection.renewed_at,
            connect_after=(
                CONNECT_TCP_AFTER
                if self._connection.transport is ZMQ_TRANSPORTS.TCP
                else CONNECT_AFTER
            ),
        )
        waited = False
        while self._reaching:  # somebody else is at it: two would renew each other's connection
            waited = True
            left = None if timeout is None else started + timeout - time.monotonic()
            if left is not None and left <= 0:
                raise ConnectionError(self._why(plan))
            yield Pause(None, left)
            self._check_open(stops)
        if waited and self._up and (self._greeted or not answered):
            return
        self._greeted = False
        self._reaching = True
        try:
            while True:
                now = time.monotonic()
                move = plan.next_move(now, present=self._present, greeted=self._greeted)
                if move is Move.DONE:
                    self._up = True
                    return
                if move is Move.GIVE_UP:
                    raise ConnectionError(self._why(plan))
                if move is Move.CONNECT:
                    self._connection.renew()
                    self._waiting.pump()
                elif move is Move.ASK:
                    if self._ask() is Sent.YES:
                        plan.asked(now)
                    else:
                        plan.refused(now)
                    self._waiting.pump()
                else:
                    yield Pause(None, max(0.0, plan.wake_at - now))
                    self._check_open(stops)
        finally:
            self._reaching = False
            self._waiting.notify(None)

    def _why(self, plan: Handshake) -> str:
        return plan.failure(self.id, self.server_id, self.socket_address, present=self._present)

    def _send(
        self, request: RequestMessage, oneway: bool, timeout: float | None = None
    ) -> Steps[str]:
        stops = self._stops
        self._check_open()
        patience = self._poll_timeout / 1000
        deadline = time.monotonic() + (patience if timeout is None else min(patience, timeout))
        self._waiting.pump()
        while True:
            if not self._up:
                left = max(0.0, deadline - time.monotonic())
                yield from self._reach(left, answered=self._wants_answer)
            sent = self._connection.send(request.byte_array)
            if sent is Sent.YES:
                break
            if sent is Sent.UNREACHABLE:
                self._lose()
                self._waiting.pump()
                continue
            self._congested = True
            self._waiting.pump()
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(
                    f"server {self.server_id!r} doesn't read its messages: the request wasn't sent"
                )
            if self._congested:
                yield Pause(None, left)
                self._check_open(stops)
        message_id: str = request.id
        if not oneway:
            self._answers.expect(message_id)
        self._waiting.pump()  # sending may have taken the sign that something came
        return message_id

    def _receive(
        self,
        message_id: MessageId,
        timeout: float | None,
        stops: int | None = None,
        deadline: float | None = None,
    ) -> Steps[ResponseMessage]:
        stops = self._stops if stops is None else stops
        if deadline is None and timeout is not None:
            deadline = time.monotonic() + timeout
        self._check_open(stops)
        self._answers.expect(message_id)
        self._waiting.pump()
        while True:
            response = self._answers.take(message_id)
            if response is not None:
                return response
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError(f"no answer to message {message_id!r} within {timeout} s")
            yield Pause(message_id, left)
            self._check_open(stops)

    def _execute(
        self, request: RequestMessage, oneway: bool, timeout: float | None
    ) -> Steps[ResponseMessage]:
        if oneway:
            raise ValueError("a oneway request has no answer; send_request sends it")
        stops = self._stops
        deadline = None if timeout is None else time.monotonic() + timeout
        message_id = yield from self._send(request, oneway, timeout)
        try:
            return (yield from self._receive(message_id, timeout, stops, deadline))
        except BaseException:
            self._answers.forget(message_id)  # nobody else knows the id
            raise

    def _stay_connected(self) -> Steps[None]:
        """Reach the server whenever it isn't there, for ever."""
        stops = self._stops
        while True:
            self._check_open(stops)
            if not self._up:
                yield from self._reach(None, answered=self._wants_answer)
            yield Pause()

    def _check_open(self, stops: int | None = None) -> None:
        if self._exited:
            raise ConnectionAbortedError(f"client {self.id!r} has exited")
        if stops is not None and stops != self._stops:
            raise BreakLoop(f"client {self.id!r} was told to stop")

    def _compose(
        self,
        thing_id: str,
        objekt: str,
        operation: str,
        payload: SerializableData | None,
        preserialized_payload: PreserializedData | None,
        server_execution_context: GivenContext,
        thing_execution_context: GivenContext,
    ) -> tuple[RequestMessage, bool]:
        """A request, and whether it is oneway."""
        checks.text(thing_id, "thing_id")
        if objekt is not None:  # operations on several members may go without
            checks.text(objekt, "objekt")
        checks.text(operation, "operation")
        checks.payloads(payload, preserialized_payload)
        checks.context(server_execution_context, "server_execution_context")
        checks.context(thing_execution_context, "thing_execution_context")
        request = RequestMessage.craft_from_arguments(
            self.server_id,
            self.id,
            thing_id,
            objekt,
            operation,
            payload,
            preserialized_payload,
            server_execution_context,
            thing_execution_context,
        )
        return request, read_limits(request.server_execution_context, Limits()).oneway


def _fault(message: ResponseMessage, count: int) -> ProtocolError | None:
    """What is wrong with a message as such."""
    if count != FRAMES:
        return ProtocolError(f"a message has {FRAMES} frames, this one {count}")
    try:
        message.parse_header()
    except ProtocolError as error:
        return error
    return None

"""Messages of the client side: headers with their payloads, and the order of frames.

Requests, responses and events have five frames each::

    0 peer identity (events: topic)   1 empty   2 header (JSON)   3 payload   4 raw bytes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import uuid4

import msgspec

from transports.errors import ProtocolError
from transports.headers import (
    EVENT,
    FETCH_LOGS,
    FRAMES,
    HANDSHAKE,
    MAX_HEADER,
    OPERATION,
    REPLY,
    Context,
    EventHeader,
    RequestHeader,
    ResponseHeader,
    decode_event_header,
    decode_request_header,
    decode_response_header,
    encode_header,
    execution_context,
    plain_context,
)
from transports.serializers import JSON, TEXT, Buffer, PreserializedData, SerializableData


class _Message:
    """What the three kinds of message share: five frames, decoded when they are asked for."""

    length: ClassVar[int] = FRAMES

    def __init__(self, frames: Sequence[Buffer]) -> None:
        self._frames = list(frames)
        self._header: Any = None
        self._body: list[Any] | None = None
        self.peer: bytes | None = bytes(frames[0]) if frames else None
        """Frame 0 as received: whom ZeroMQ vouches for. None for a message composed here."""

    _decode: ClassVar[Any]

    @property
    def byte_array(self) -> list[Buffer]:
        """The frames, as received or as they will be sent."""
        return self._frames

    @property
    def header(self) -> Any:
        """The decoded header.

        Raises:
            ProtocolError: There is no header frame, or it isn't one of this kind.
        """
        if self._header is None:
            self.parse_header()
        return self._header

    def parse_header(self) -> None:
        """Decode the header frame. Raises ProtocolError."""
        if len(self._frames) < 3:
            raise ProtocolError(f"a message has {FRAMES} frames, this one {len(self._frames)}")
        size = len(self._frames[2])
        if size > MAX_HEADER:
            raise ProtocolError(f"the header has {size} bytes; at most {MAX_HEADER} are read")
        try:
            self._header = type(self)._decode(self._frames[2])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProtocolError(f"header: {error}") from error

    @property
    def body(self) -> list[Any]:
        """`[SerializableData, PreserializedData]` of frames 3 and 4."""
        if self._body is None:
            self.parse_body()
        assert self._body is not None
        return self._body

    def parse_body(self) -> None:
        """Wrap the payload frames; nothing is decoded yet. Raises ProtocolError."""
        if len(self._frames) != FRAMES:
            raise ProtocolError(f"a message has {FRAMES} frames, this one {len(self._frames)}")
        header = self.header
        self._body = [
            SerializableData(self._frames[3], header.payloadContentType),
            PreserializedData(self._frames[4], header.preencodedPayloadContentType),
        ]

    @property
    def payload(self) -> SerializableData:
        """The payload; `.deserialize()` gives its value."""
        payload: SerializableData = self.body[0]
        return payload

    @property
    def preserialized_payload(self) -> PreserializedData:
        """The raw bytes of frame 4."""
        raw: PreserializedData = self.body[1]
        return raw

    @property
    def id(self) -> Any:
        """Message id."""
        return self.header.messageID

    @property
    def type(self) -> str:
        """Message type, such as `OPERATION` or `REPLY`."""
        kind: str = self.header.messageType
        return kind

    @property
    def sender_id(self) -> str:
        """Identity that the sender gave."""
        sender: str = self.header.senderID
        return sender

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.type}, id={self.id})"


def _compose(
    message: Any,
    address: str,
    header: msgspec.Struct,
    payload: SerializableData,
    raw: PreserializedData,
) -> Any:
    message._header = header
    message._body = [payload, raw]
    message._frames = [
        address.encode(),
        b"",
        encode_header(header),
        payload.serialize(),
        raw.value,
    ]
    return message


def _none() -> SerializableData:
    return SerializableData(None, JSON)


def _empty() -> PreserializedData:
    return PreserializedData(b"", TEXT)


class RequestMessage(_Message):
    """A request from a client to a server."""

    _decode = decode_request_header

    @property
    def receiver_id(self) -> str:
        """Id of the server that the client addressed."""
        receiver: str = self.header.receiverID
        return receiver

    @property
    def thing_id(self) -> str | None:
        """Which Thing, here: which worker."""
        thing: str | None = self.header.thingID
        return thing

    @property
    def server_execution_context(self) -> Context:
        """The context with timeouts and oneway, as sent."""
        context: Context = self.header.serverExecutionContext
        return context

    @property
    def thing_execution_context(self) -> Context:
        """The context with `fetchExecutionLogs`, as sent."""
        context: Context = self.header.thingExecutionContext
        return context

    @property
    def qualified_name(self) -> str:
        """`thing.objekt.operation`."""
        return f"{self.thing_id}.{self.header.objekt}.{self.header.operation}"

    @classmethod
    def craft_from_arguments(
        cls,
        receiver_id: str,
        sender_id: str,
        thing_id: str,
        objekt: str,
        operation: str,
        payload: SerializableData | None = None,
        preserialized_payload: PreserializedData | None = None,
        server_execution_context: Mapping[str, Any] | msgspec.UnsetType | None = msgspec.UNSET,
        thing_execution_context: Mapping[str, Any] | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> RequestMessage:
        """Compose an operation.

        Args:
            receiver_id: Id of the server.
            sender_id: Id of the client, its socket's identity.
            thing_id: The Thing, here: the worker.
            objekt: Name of the property or action.
            operation: One of `Operation`.
            payload: Value to send; None is JSON null.
            preserialized_payload: Raw bytes for frame 4.
            server_execution_context: Timeouts (seconds) and oneway; unset means 5 s and 5 s.
            thing_execution_context: `{"fetchExecutionLogs": bool}`.

        Raises:
            SerializationError, TypeError: The payload can't be encoded.
        """
        payload = payload or _none()
        raw = preserialized_payload or _empty()
        if server_execution_context is msgspec.UNSET:
            server_execution_context = execution_context()
        if thing_execution_context is msgspec.UNSET:
            thing_execution_context = {FETCH_LOGS: False}
        header = RequestHeader(
            messageType=OPERATION,
            messageID=str(uuid4()),
            senderID=sender_id,
            receiverID=receiver_id,
            serverExecutionContext=plain_context(server_execution_context),
            thingExecutionContext=plain_context(thing_execution_context),
            thingID=thing_id,
            objekt=objekt,
            operation=operation,
            payloadContentType=payload.content_type,
            preencodedPayloadContentType=raw.content_type,
        )
        message: RequestMessage = _compose(cls([]), receiver_id, header, payload, raw)
        return message

    @classmethod
    def craft_with_message_type(
        cls, sender_id: str, receiver_id: str, message_type: str = HANDSHAKE
    ) -> RequestMessage:
        """Compose a message without an operation, such as HANDSHAKE or EXIT."""
        header = RequestHeader(
            messageType=message_type,
            messageID=str(uuid4()),
            senderID=sender_id,
            receiverID=receiver_id,
            serverExecutionContext=execution_context(),
            thingExecutionContext={FETCH_LOGS: False},
        )
        message: RequestMessage = _compose(cls([]), receiver_id, header, _none(), _empty())
        return message


class ResponseMessage(_Message):
    """A response from a server to a client."""

    _decode = decode_response_header

    @property
    def receiver_id(self) -> str:
        """Id of the client."""
        receiver: str = self.header.receiverID
        return receiver

    @classmethod
    def craft_from_arguments(
        cls,
        receiver_id: str,
        sender_id: str,
        message_type: str,
        message_id: str | int = "",
        payload: SerializableData | None = None,
        preserialized_payload: PreserializedData | None = None,
    ) -> ResponseMessage:
        """Compose a response of any type.

        Raises:
            SerializationError, TypeError: The payload can't be encoded.
        """
        payload = payload or _none()
        raw = preserialized_payload or _empty()
        header = ResponseHeader(
            messageType=message_type,
            messageID=message_id,
            receiverID=receiver_id,
            senderID=sender_id,
            payloadContentType=payload.content_type,
            preencodedPayloadContentType=raw.content_type,
        )
        message: ResponseMessage = _compose(cls([]), receiver_id, header, payload, raw)
        return message

    @classmethod
    def craft_with_message_type(
        cls,
        request_message: RequestMessage,
        message_type: str,
        payload: SerializableData | None = None,
        preserialized_payload: PreserializedData | None = None,
    ) -> ResponseMessage:
        """Compose a response of `message_type` to a request. Raises as the others do."""
        return cls.craft_from_arguments(
            request_message.sender_id,
            request_message.receiver_id,
            message_type,
            request_message.id,
            payload,
            preserialized_payload,
        )

    @classmethod
    def craft_reply_from_request(
        cls,
        request_message: RequestMessage,
        payload: SerializableData | None = None,
        preserialized_payload: PreserializedData | None = None,
    ) -> ResponseMessage:
        """Compose the REPLY to a request. Raises as the others do."""
        return cls.craft_with_message_type(request_message, REPLY, payload, preserialized_payload)


class EventMessage(_Message):
    """An event as published: frame 0 is its topic."""

    _decode = decode_event_header

    @property
    def event_id(self) -> str:
        """The topic, `<thing id>/<event name>`."""
        topic: str = self.header.eventID
        return topic

    @classmethod
    def craft_from_arguments(
        cls,
        event_id: str,
        sender_id: str,
        message_type: str = EVENT,
        payload: SerializableData | None = None,
        preserialized_payload: PreserializedData | None = None,
        message_id: str | None = None,
    ) -> EventMessage:
        """Compose an event.

        Raises:
            SerializationError, TypeError: The payload can't be encoded.
        """
        payload = payload or _none()
        raw = preserialized_payload or _empty()
        header = EventHeader(
            messageType=message_type,
            messageID=message_id or str(uuid4()),
            senderID=sender_id,
            eventID=event_id,
            payloadContentType=payload.content_type,
            preencodedPayloadContentType=raw.content_type,
        )
        message: EventMessage = _compose(cls([]), event_id, header, payload, raw)
        return message

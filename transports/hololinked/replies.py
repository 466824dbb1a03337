"""What a server answers: from a request to the frames of its response. Pure.

A response goes to the request's frame 0, the peer that ZeroMQ vouches for; what the client says
of itself in the header is only repeated to it.
"""

from __future__ import annotations

from transports.exceptions import FAILED, NOT_STARTED, exception_payload
from transports.headers import (
    ERROR,
    EXECUTION,
    FRAMES,
    HANDSHAKE,
    INVALID_MESSAGE,
    INVOCATION,
    REPLY,
    TIMEOUT,
    RequestHeader,
    ResponseHeader,
    encode_header,
)
from transports.hololinked import checks
from transports.hololinked.messages import RequestMessage
from transports.serializers import JSON, NULL, TEXT, Buffer, PreserializedData, SerializableData

Frames = list[Buffer]


def respond(
    peer: Buffer,
    request: RequestHeader,
    server_id: str,
    message_type: str,
    payload: Buffer = NULL,
    content_type: str | None = JSON,
    raw: Buffer = b"",
    raw_type: str | None = TEXT,
) -> Frames:
    """The frames of a response.

    Args:
        peer: Frame 0 of the request as received.
        request: Its header; messageID and senderID are repeated.
        server_id: Becomes senderID.
        message_type: Such as `REPLY`.
        payload: Encoded payload. Empty is not a JSON value: "no value" is `null`.
        content_type: Its codec.
        raw: Bytes that travel as they are.
        raw_type: Their label.
    """
    header = ResponseHeader(
        messageType=message_type,
        messageID=request.messageID,
        receiverID=request.senderID,
        senderID=server_id,
        payloadContentType=content_type,
        preencodedPayloadContentType=raw_type,
    )
    return [peer, b"", encode_header(header), payload, raw]


def handshake(peer: Buffer, request: RequestHeader, server_id: str) -> Frames:
    """The answer to a HANDSHAKE."""
    return respond(peer, request, server_id, HANDSHAKE)


def timeout(peer: Buffer, request: RequestHeader, server_id: str, kind: str) -> Frames:
    """The answer to a request whose time is up.

    Args:
        peer: Frame 0 of the request as received.
        request: Its header.
        server_id: Becomes senderID.
        kind: `invokation` if it never started (also spelled `invocation`), `execution` if it has.

    Raises:
        ValueError: Another kind.
    """
    kind = INVOCATION if kind == "invocation" else kind
    if kind not in (INVOCATION, EXECUTION):
        raise ValueError(f"a timeout is {INVOCATION!r} or {EXECUTION!r}, not {kind!r}")
    return respond(peer, request, server_id, TIMEOUT, f'"{kind}"'.encode())


def invalid_message(
    peer: Buffer, request: RequestHeader, server_id: str, error: BaseException
) -> Frames:
    """The answer to a request that can't be dispatched; it says that nothing was started."""
    payload = exception_payload(error, NOT_STARTED)
    return respond(peer, request, server_id, INVALID_MESSAGE, payload)


def exception(
    peer: Buffer,
    request: RequestHeader,
    server_id: str,
    error: BaseException,
    outcome: str = FAILED,
) -> Frames:
    """The answer to a request whose operation raised.

    Args:
        peer: Frame 0 of the request as received.
        request: Its header.
        server_id: Becomes senderID.
        error: What was raised.
        outcome: `FAILED`, `NOT_STARTED` or `UNKNOWN` of `transports.exceptions`.
    """
    return respond(peer, request, server_id, ERROR, exception_payload(error, outcome))


def reply(
    peer: Buffer,
    request: RequestHeader,
    server_id: str,
    payload: SerializableData | None = None,
    raw: PreserializedData | None = None,
    message_type: str = REPLY,
) -> Frames:
    """The answer to a request that was performed.

    Args:
        peer: Frame 0 of the request as received.
        request: Its header.
        server_id: Becomes senderID.
        payload: The result; None is JSON null.
        raw: Bytes beside it, or in its place.
        message_type: `REPLY`, or another type.

    Raises:
        SerializationError, TypeError: The payload can't be encoded.
    """
    checks.payloads(payload, raw)
    payload = payload or SerializableData(None)
    raw = raw or PreserializedData(b"", TEXT)
    return respond(
        peer,
        request,
        server_id,
        message_type,
        payload.serialize(),
        payload.content_type,
        raw.value,
        raw.content_type,
    )


def peer_of(request: RequestMessage) -> bytes:
    """Where the answer to a request goes: frame 0 as received, else who it says that it is.

    Raises:
        ProtocolError: Its header can't be read.
    """
    return request.sender_id.encode() if request.peer is None else request.peer


def wrong_frame_count(count: int) -> ValueError:
    """The error for a message of `count` frames where there should be five."""
    return ValueError(f"a request has {FRAMES} frames, this message has {count}")

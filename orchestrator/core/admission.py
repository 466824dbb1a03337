"""A client's frames read once: into a header and limits, or into a refusal.

Counts and sizes are checked before anything is decoded.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from orchestrator.core.tally import shorten
from transports.errors import ProtocolError
from transports.exceptions import NOT_STARTED, refusal_payload
from transports.headers import (
    FRAMES,
    INVALID_MESSAGE,
    MAX_HEADER,
    RequestHeader,
    ResponseHeader,
    decode_request_header,
    encode_header,
)
from transports.serializers import JSON, LARGEST, TEXT


class Caps(msgspec.Struct, frozen=True):
    """What a client can make the broker keep.

    Attributes:
        header: Bytes of a header.
        message: Bytes of a whole message.
        queue: Requests that wait for one worker.
        queue_per_client: Requests of one client among them.
        queue_bytes: Bytes of the requests that wait for one worker.
        held_bytes: Bytes of all requests that wait or run, for whichever worker.
        held_bytes_per_client: Bytes of one client's requests among them.
    """

    header: int = MAX_HEADER
    message: int = LARGEST
    queue: int = 10_000
    queue_per_client: int = 5_000
    queue_bytes: int = 1024 * 1024 * 1024
    held_bytes: int = 1024 * 1024 * 1024
    held_bytes_per_client: int = LARGEST


class Refusal(Exception):
    """A request that can't be dispatched.

    Attributes:
        type: Name of the builtin exception that the client raises.
        message: What is wrong and how to mend it.
    """

    def __init__(self, type_: str, message: str) -> None:
        self.message = shorten(message)  # it may repeat what a stranger wrote
        super().__init__(self.message)
        self.type = type_


def read_header(frames: list[Any], count: int, caps: Caps) -> tuple[RequestHeader, int]:
    """Check a client's message and decode its header.

    Args:
        frames: The frames as received, identity first; not more than `FRAMES` of them.
        count: How many frames the message had.
        caps: The limits.

    Returns:
        The header, and the size of the message in bytes.

    Raises:
        Refusal: The message isn't a request that the wire format allows.
    """
    if count != FRAMES:
        raise Refusal("ValueError", f"a request has {FRAMES} frames, this message has {count}")
    header_size = len(frames[2])
    if header_size > caps.header:
        raise Refusal(
            "ValueError", f"the header has {header_size} bytes; at most {caps.header} are read"
        )
    size = header_size + len(frames[3]) + len(frames[4])
    if size > caps.message:
        raise Refusal(
            "ValueError", f"the message has {size} bytes; at most {caps.message} are accepted"
        )
    try:
        header = decode_request_header(frames[2])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal("ValueError", f"the header can't be read: {error}") from error
    if header_size > _LONGEST_NAME:
        _check_lengths(header)
    return header, size


_LONGEST_NAME = 1000


def _check_lengths(header: RequestHeader) -> None:
    """Raise Refusal for a name that is too long to be looked up, compared and recorded."""
    for field in ("messageID", "messageType", "thingID", "objekt", "operation"):
        value = header[field]
        if isinstance(value, str) and len(value) > _LONGEST_NAME:
            raise Refusal(
                "ValueError",
                f"{field} has {len(value)} characters; at most {_LONGEST_NAME} are read",
            )


def read_ids(payload: Any) -> list[str | int]:
    """The message ids that a client asks about. Raises Refusal if it isn't a list of them."""
    try:
        return msgspec.json.decode(bytes(payload), type=list[str | int])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal("ValueError", f"pending takes a list of message ids: {error}") from error


def refuse_protocol(error: ProtocolError) -> Refusal:
    """The refusal for a field that decodes but makes no sense."""
    return Refusal("ValueError", str(error))


def unknown_worker(rig: str, name: str | None, known: Iterable[str]) -> Refusal:
    """The refusal for a thing id that no worker has."""
    name = shorten(name or "", _LONGEST_COMPARED)  # what is compared costs more than its length
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(sorted(known))}"
    return Refusal("KeyError", f"rig {rig!r} has no worker {name!r}{hint}")


_LONGEST_COMPARED = 100


def response(
    client: bytes,
    message_id: str | int,
    receiver: str,
    rig: str,
    message_type: str,
    payload: Any = b"null",
) -> list[Any]:
    """The frames of an answer that the broker gives itself."""
    header = ResponseHeader(
        messageType=message_type,
        messageID=message_id,
        receiverID=receiver,
        senderID=rig,
        payloadContentType=JSON,
        preencodedPayloadContentType=TEXT,
    )
    return [client, b"", encode_header(header), payload, b""]


_MESSAGE_ID = re.compile(rb'"messageID"\s*:\s*"([^"\\\x00-\x1f]{1,128})"')


def find_message_id(frames: list[Any]) -> str:
    """The id of a message whose header couldn't be used, empty if there is none to be seen.

    It is looked for in the first bytes only, so that a header bomb costs nothing.
    """
    if len(frames) < 3:
        return ""
    found = _MESSAGE_ID.search(bytes(memoryview(frames[2])[:4096]))
    return found[1].decode("utf-8", "replace") if found else ""


def refuse_unread(client: bytes, message_id: str, rig: str, refusal: Refusal) -> list[Any]:
    """Answer a message whose header couldn't be used."""
    return response(
        client,
        message_id,
        client.decode("utf-8", "replace"),
        rig,
        INVALID_MESSAGE,
        refusal_payload(refusal.type, refusal.message, NOT_STARTED),
    )

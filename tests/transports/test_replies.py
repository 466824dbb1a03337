"""Replies: to whom, with which fields, and what they say of the operation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.transports import recorded
from transports.errors import SerializationError
from transports.hololinked import replies
from transports.hololinked.messages import RequestMessage
from transports.serializers import PreserializedData, SerializableData

REQUEST = RequestMessage(recorded.REQUEST)
ROUTE = (b"peer", REQUEST.header, "srv")


def read(frames: replies.Frames) -> tuple[dict[str, Any], Any, bytes]:
    """Header, payload and raw frame, with the rest checked."""
    peer, empty, header, payload, raw = map(bytes, frames)
    fields = json.loads(header)
    assert (peer, empty) == (b"peer", b"")
    assert tuple(fields) == recorded.RESPONSE_FIELDS
    assert fields["messageID"] == REQUEST.id
    assert (fields["receiverID"], fields["senderID"]) == ("cli", "srv")
    return fields, json.loads(payload), raw


def test_a_handshake_is_answered_with_null() -> None:
    fields, payload, raw = read(replies.handshake(*ROUTE))
    assert (fields["messageType"], payload, raw) == ("HANDSHAKE", None, b"")
    assert fields["preencodedPayloadContentType"] == "text/plain"


@pytest.mark.parametrize(
    ("kind", "spelled"),
    [("invokation", "invokation"), ("invocation", "invokation"), ("execution", "execution")],
)
def test_a_timeout_is_one_bare_word(kind: str, spelled: str) -> None:
    fields, payload, _ = read(replies.timeout(*ROUTE, kind))
    assert (fields["messageType"], payload) == ("TIMEOUT", spelled)


def test_a_timeout_is_the_same_bytes_as_recorded() -> None:
    frames = replies.timeout(b"cli", REQUEST.header, "box", "execution")
    assert frames == [b"cli", *recorded.TIMEOUT[1:]]


def test_another_timeout_is_refused() -> None:
    with pytest.raises(ValueError, match="'execution'"):
        replies.timeout(*ROUTE, "queue")


def test_an_invalid_message_was_not_started() -> None:
    fields, payload, _ = read(replies.invalid_message(*ROUTE, KeyError("t")))
    assert fields["messageType"] == "INVALID_MESSAGE"
    assert payload["exception"]["type"] == "KeyError"
    assert payload["exception"]["outcome"] == "not started"


def test_an_exception_tells_its_outcome() -> None:
    fields, payload, _ = read(replies.exception(*ROUTE, ValueError("no"), "unknown"))
    assert fields["messageType"] == "EXCEPTION"
    assert payload["exception"]["outcome"] == "unknown"
    _, payload, _ = read(replies.exception(*ROUTE, ValueError("no")))
    assert payload["exception"]["outcome"] == "failed"


def test_a_reply_labels_both_frames() -> None:
    frames = replies.reply(
        *ROUTE, SerializableData({"x": 1}), PreserializedData(b"\0", "image/png")
    )
    fields, payload, raw = read(frames)
    assert (fields["messageType"], payload, raw) == ("REPLY", {"x": 1}, b"\0")
    assert fields["payloadContentType"] == "application/json"
    assert fields["preencodedPayloadContentType"] == "image/png"
    assert read(replies.reply(*ROUTE))[1] is None


def test_a_result_without_a_form_is_the_callers_error() -> None:
    with pytest.raises(SerializationError):
        replies.reply(*ROUTE, SerializableData(1, "image/png"))


def test_an_answer_goes_where_the_request_came_from() -> None:
    """Frame 0 is what ZeroMQ vouches for; the sender of the header is what the client says."""
    forged = RequestMessage([b"mallory", *recorded.REQUEST[1:]])
    assert forged.sender_id == "cli"
    assert replies.peer_of(forged) == b"mallory"
    composed = RequestMessage.craft_with_message_type("cli", "srv")
    assert replies.peer_of(composed) == b"cli"


def test_the_error_for_a_wrong_count_names_it() -> None:
    error = replies.wrong_frame_count(20_000)
    assert type(error) is ValueError
    assert "has 20000" in str(error)

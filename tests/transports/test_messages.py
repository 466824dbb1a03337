"""Messages: the order of frames, as recorded from hololinked 0.4.2."""

from __future__ import annotations

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports import recorded
from transports.errors import ProtocolError
from transports.headers import MAX_HEADER
from transports.hololinked.messages import EventMessage, RequestMessage, ResponseMessage
from transports.serializers import MSGPACK, PreserializedData, SerializableData


def test_a_recorded_request_is_read() -> None:
    message = RequestMessage(recorded.REQUEST)
    assert message.peer == b"cli"
    assert (message.type, message.sender_id, message.receiver_id) == ("OPERATION", "cli", "srv")
    assert (message.thing_id, message.qualified_name) == ("t", "t.level.readproperty")
    assert message.id == recorded.ID
    assert message.server_execution_context == {
        "invokationTimeout": 5,
        "executionTimeout": 5,
        "oneway": False,
    }
    assert message.payload.deserialize() is None
    assert message.preserialized_payload.value == b""


def test_a_recorded_reply_and_event_are_read() -> None:
    reply, event = ResponseMessage(recorded.REPLY), EventMessage(recorded.EVENT)
    assert (reply.type, reply.receiver_id, reply.payload.deserialize()) == ("REPLY", "cli", 1.5)
    assert (event.event_id, event.payload.deserialize()) == ("box/tick", {"n": 0})


def test_the_other_recorded_responses_are_read() -> None:
    raw, timeout, error = map(
        ResponseMessage, (recorded.RAW_REPLY, recorded.TIMEOUT, recorded.EXCEPTION)
    )
    assert (raw.payload.deserialize(), raw.preserialized_payload.value) == (None, b"\0\1\2")
    assert (timeout.type, timeout.payload.deserialize()) == ("TIMEOUT", "execution")
    assert (error.type, error.payload.deserialize()["exception"]["type"]) == (
        "EXCEPTION",
        "KeyError",
    )


def test_a_request_has_five_frames_and_only_known_fields() -> None:
    message = RequestMessage.craft_from_arguments(
        "srv", "cli", "t", "level", "writeproperty", SerializableData(1.5)
    )
    peer, empty, header, payload, raw = message.byte_array
    assert (peer, empty, payload, raw) == (b"srv", b"", b"1.5", b"")
    fields = json.loads(header)
    assert tuple(fields) == recorded.REQUEST_FIELDS
    assert uuid.UUID(fields["messageID"]).version == 4
    assert fields["serverExecutionContext"]["invokation_timeout"] == 5.0
    assert message.peer is None


def test_a_handshake_is_a_request_header_with_its_type() -> None:
    message = RequestMessage.craft_with_message_type("cli", "srv", "HANDSHAKE")
    fields = json.loads(bytes(message.byte_array[2]))
    assert tuple(fields) == recorded.REQUEST_FIELDS
    assert (fields["messageType"], fields["thingID"], fields["objekt"]) == ("HANDSHAKE", "", "")
    assert message.byte_array[3:] == [b"null", b""]
    known = json.loads(recorded.HANDSHAKE[2])
    different = {key for key in fields if fields[key] != known[key]}
    assert different == {"messageID", "serverExecutionContext"}


def test_a_reply_is_the_same_bytes_as_recorded() -> None:
    request = RequestMessage(recorded.REQUEST)
    for frames, payload, raw in (
        (recorded.REPLY, SerializableData(1.5), None),
        (recorded.RAW_REPLY, None, PreserializedData(b"\0\1\2", "application/json")),
    ):
        reply = ResponseMessage.craft_from_arguments(
            "cli", "box", "REPLY", request.id, payload, raw
        )
        assert reply.byte_array == [b"cli", *frames[1:]]


def test_a_reply_repeats_whom_it_answers() -> None:
    request = RequestMessage(recorded.REQUEST)
    message = ResponseMessage.craft_reply_from_request(
        request, preserialized_payload=PreserializedData(b"\0\1")
    )
    peer, _, header, payload, raw = message.byte_array
    fields = json.loads(header)
    assert tuple(fields) == recorded.RESPONSE_FIELDS
    assert (peer, payload, raw) == (b"cli", b"null", b"\0\1")
    assert (fields["messageID"], fields["receiverID"], fields["senderID"]) == (
        request.id,
        "cli",
        "srv",
    )


def test_an_event_is_addressed_by_its_topic() -> None:
    message = EventMessage.craft_from_arguments(
        "t/tick", "srv/event-publisher", payload=SerializableData({"n": 1}, MSGPACK)
    )
    assert message.byte_array[0] == b"t/tick"
    fields = json.loads(bytes(message.byte_array[2]))
    assert tuple(fields) == recorded.EVENT_FIELDS
    assert fields["payloadContentType"] == MSGPACK
    assert message.payload.deserialize() == {"n": 1}


def test_no_json_payload_is_ever_empty() -> None:
    for message in (
        RequestMessage.craft_from_arguments("s", "c", "t", "o", "readproperty"),
        ResponseMessage.craft_from_arguments("c", "s", "REPLY", "1"),
        EventMessage.craft_from_arguments("t/e", "s"),
    ):
        assert message.byte_array[3] == b"null"


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_message_without_a_header_frame_is_told_by_its_frames(count: int) -> None:
    with pytest.raises(ProtocolError, match=f"this one {count}"):
        RequestMessage(recorded.REQUEST[:count]).parse_header()


def test_a_message_of_four_frames_has_a_header_but_no_body() -> None:
    message = RequestMessage(recorded.REQUEST[:4])
    assert message.type == "OPERATION"
    with pytest.raises(ProtocolError, match="this one 4"):
        message.parse_body()


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"messageType":"\xff\xfe","messageID":"1","senderID":"a","receiverID":"b"}',
        b'{"messageType":"X","messageID":"1","senderID":"a","receiverID":"b",'
        b'"serverExecutionContext":{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}}",
        b" " * (MAX_HEADER + 1),
    ],
)
def test_a_header_that_cannot_be_read_is_a_protocol_error(header: bytes) -> None:
    with pytest.raises(ProtocolError, match="header"):
        RequestMessage([b"c", b"", header, b"null", b""]).parse_header()


def test_a_header_that_is_too_long_is_not_read() -> None:
    padded = recorded.REQUEST[2] + b" " * MAX_HEADER
    with pytest.raises(ProtocolError, match=f"at most {MAX_HEADER} are read"):
        RequestMessage([b"c", b"", padded, b"null", b""]).parse_header()


@given(st.lists(st.binary(max_size=40), max_size=7))
def test_no_frames_raise_anything_but_a_protocol_error(frames: list[bytes]) -> None:
    for kind in (RequestMessage, ResponseMessage, EventMessage):
        try:
            kind(frames).parse_body()
        except ProtocolError:
            continue
        assert len(frames) == 5

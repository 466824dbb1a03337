"""Headers: what is read, what is refused, and how timeouts are spelled."""

from __future__ import annotations

import json
import math
import uuid

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.errors import ProtocolError
from transports.headers import (
    MAX_HEADER,
    Limits,
    RequestHeader,
    ResponseHeader,
    decode_request_header,
    decode_response_header,
    encode_header,
    event_id,
    execution_context,
    plain_context,
    read_event_id,
    read_limits,
)

MANDATORY = {"messageType": "OPERATION", "messageID": "1", "senderID": "me", "receiverID": "rig"}
DEFAULTS = Limits(7.0, 9.0, False)


def decoded(**fields: object) -> RequestHeader:
    return decode_request_header(json.dumps(MANDATORY | fields).encode())


def test_fields_that_a_client_leaves_out_have_the_defaults_of_the_wire() -> None:
    header = decoded()
    assert header["thingID"] == header["objekt"] == header["operation"] == ""
    assert header.payloadContentType == "application/json"
    assert header.preencodedPayloadContentType == "text/plain"
    assert header.serverExecutionContext is msgspec.UNSET


@pytest.mark.parametrize("name", MANDATORY)
def test_each_mandatory_field_is_missed(name: str) -> None:
    fields = {key: value for key, value in MANDATORY.items() if key != name}
    with pytest.raises(msgspec.ValidationError, match=name):
        decode_request_header(json.dumps(fields).encode())


@pytest.mark.parametrize("decode", [decode_request_header, decode_response_header])
def test_an_unknown_field_is_ignored_and_not_passed_on(decode: object) -> None:
    assert callable(decode)
    header = decode(json.dumps(MANDATORY | {"extra": 1}).encode())
    assert header.messageID == MANDATORY["messageID"]
    assert b"extra" not in encode_header(header)


def test_an_integer_message_id_stays_one() -> None:
    header = decoded(messageID=17)
    assert header.messageID == 17
    response = ResponseHeader(
        messageType="REPLY", messageID=header.messageID, receiverID="me", senderID="rig"
    )
    assert json.loads(encode_header(response))["messageID"] == 17


def test_a_header_knows_its_fields_by_name() -> None:
    assert decoded(objekt="position")["objekt"] == "position"
    with pytest.raises(KeyError, match="nothing"):
        decoded()["nothing"]
    assert decoded().json()["senderID"] == "me"


def test_an_absent_context_means_the_defaults_and_a_null_one_no_limits() -> None:
    assert read_limits(decoded().serverExecutionContext, DEFAULTS) == DEFAULTS
    context = decoded(serverExecutionContext=None).serverExecutionContext
    assert read_limits(context, DEFAULTS) == Limits(None, None, False)


@pytest.mark.parametrize(
    ("context", "limits"),
    [
        ({}, Limits(None, None)),
        ({"invokationTimeout": 1, "executionTimeout": 2.5}, Limits(1, 2.5)),
        ({"invokation_timeout": 1, "execution_timeout": 2.5}, Limits(1, 2.5)),
        ({"invokation_timeout": 1, "invokationTimeout": 3}, Limits(1, None)),
        ({"invokation_timeout": None, "invokationTimeout": 3}, Limits(None, None)),
        ({"executionTimeout": None}, Limits(None, None)),
        ({"oneway": True}, Limits(None, None, True)),
        ({"defaults": True}, DEFAULTS),
        ({"defaults": True, "execution_timeout": None}, Limits(7.0, None)),
        ({"defaults": True, "invokationTimeout": 0, "oneway": True}, Limits(0, 9.0, True)),
        ({"invocation_timeout": 3}, Limits(None, None)),
        ({"invokationTimeout": 10**400, "executionTimeout": -3}, Limits(None, 0.0)),
        ({"invokationTimeout": -(10**400)}, Limits(0.0, None)),
        ({"invokationTimeout": np.int64(3), "executionTimeout": np.float32(2)}, Limits(3, 2)),
    ],
)
def test_both_spellings_of_timeouts_are_read(context: dict[str, object], limits: Limits) -> None:
    """snake_case first; a key that is null or missing means no limit."""
    assert read_limits(context, DEFAULTS) == limits


@pytest.mark.parametrize(
    "value", ["5", True, [], {}, "x" * 10_000, math.nan, -math.inf, np.bool_(True)]
)
@pytest.mark.parametrize("key", ["invokationTimeout", "execution_timeout"])
def test_a_timeout_that_is_no_number_is_refused(key: str, value: object) -> None:
    with pytest.raises(ProtocolError, match=key) as caught:
        read_limits({key: value}, DEFAULTS)
    assert len(str(caught.value)) < 250


def test_a_context_is_sent_by_the_rule_for_timeouts() -> None:
    """JSON has no infinity and no NaN: both would travel as null, as no limit."""
    sent = plain_context({"invokation_timeout": np.float32(2), "execution_timeout": math.inf})
    assert json.loads(msgspec.json.encode(sent)) == {
        "invokation_timeout": 2.0,
        "execution_timeout": None,
    }
    for value in (math.nan, -math.inf, -1, np.float64("nan"), "5", True):
        with pytest.raises(ProtocolError, match="executionTimeout must be"):
            plain_context({"executionTimeout": value})


def test_our_own_contexts_are_read_by_releases_of_either_spelling() -> None:
    context = execution_context(1.5, None, oneway=True)
    assert context["invokation_timeout"] == context["invokationTimeout"] == 1.5
    assert context["execution_timeout"] is context["executionTimeout"] is None
    assert read_limits(context, DEFAULTS) == Limits(1.5, None, True)


@given(st.binary(max_size=300))
def test_no_bytes_get_past_the_decoder_but_a_header(data: bytes) -> None:
    try:
        header = decode_request_header(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    assert isinstance(header, RequestHeader)


@given(
    st.builds(
        RequestHeader,
        messageType=st.text(),
        messageID=st.text() | st.integers(-(2**63), 2**63 - 1),
        senderID=st.text(),
        receiverID=st.text(),
        serverExecutionContext=st.none() | st.just({"oneway": True}),
        thingID=st.none() | st.text(),
        objekt=st.none() | st.text(),
        operation=st.none() | st.text(),
        payloadContentType=st.none() | st.text(),
    )
)
def test_a_header_is_the_same_after_its_way(header: RequestHeader) -> None:
    encoded = encode_header(header)
    assert decode_request_header(encoded) == header
    assert set(json.loads(encoded)) <= set(RequestHeader.__struct_fields__)


@given(st.integers(0, 2**46 - 1), st.integers(0, 2**60 * 1000 - 1))
def test_an_event_id_is_a_uuid4_that_carries_sequence_and_time(sequence: int, time: int) -> None:
    text = event_id(sequence, time)
    parsed = uuid.UUID(text)
    assert (parsed.version, parsed.variant) == (4, uuid.RFC_4122)
    found, seconds = read_event_id(text)
    assert found == sequence
    assert seconds == pytest.approx(time // 1000 / 1e6)


def test_event_ids_of_one_moment_differ() -> None:
    assert len({event_id(1, 10**18) for _ in range(50)}) > 40


def test_what_is_no_uuid_is_no_event_id() -> None:
    with pytest.raises(ValueError, match="UUID"):
        read_event_id("moved-1")


def test_the_header_cap_leaves_room_for_the_longest_ids() -> None:
    header = RequestHeader(
        messageType="OPERATION",
        messageID=str(uuid.uuid4()),
        senderID="é" * 127,
        receiverID="é" * 127,
        serverExecutionContext=execution_context(),
        thingID="t" * 255,
        objekt="o" * 255,
    )
    assert len(encode_header(header)) < MAX_HEADER / 10

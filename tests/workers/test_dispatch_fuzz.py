"""Whatever a client sends, there is one answer, and only described members are touched."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.joined import joined
from transports.headers import Operation, RequestHeader, decode_response_header, encode_header
from transports.serializers import JSON, MSGPACK, NPY, OCTETS, TEXT, XORCH
from transports.values.codec import encode, encode_arguments
from workers.driver.describe import describe
from workers.serving.dispatch import Dispatcher


class Box:
    level: int

    def __init__(self) -> None:
        self.level = 0

    def add(self, a: Any = 0, b: Any = 0) -> Any:
        return [a, b]

    def _secret(self) -> None:
        raise AssertionError("private")

    def __getattribute__(self, name: str) -> Any:
        if name not in ("level", "add"):
            raise AssertionError(f"looked for {name}")
        return super().__getattribute__(name)


DISPATCHER = Dispatcher(
    Box(),
    describe(Box),
    rig="bench",
    worker="box",
    wait=lambda awaitable: None,
    seen=lambda name, value: None,
)
NAMES = st.sampled_from(
    [
        "level",
        "add",
        "_secret",
        "__class__",
        "__init__",
        "level.real",
        "add.__globals__",
        "ping",
        "_get_properties",
        "_set_properties",
        "get_thing_description",
        "level,level",
        "",
    ]
)
CONTENT_TYPES = st.sampled_from([JSON, MSGPACK, TEXT, NPY, OCTETS, XORCH, None, "x/y"])
PAYLOADS = st.sampled_from(
    [
        b"null",
        bytes(encode_arguments((1,), {"b": 2})[0]),
        bytes(encode((1, {2: 3}))[0]),
        b"{}",
        b'{"a":1}',
        b'{"names":["_secret"]}',
        b'{"_secret":1}',
        b'{"self":1}',
        b'{"__args__":[1,2,3]}',
        b'{"__args__":{}}',
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (9,), }",
    ]
)


@settings(max_examples=300)
@given(
    operation=st.sampled_from([str(operation) for operation in Operation]) | st.text() | st.none(),
    name=NAMES | st.text() | st.none(),
    payload=PAYLOADS | st.binary(),
    raw=st.just(b"") | PAYLOADS | st.binary(),
    payload_type=CONTENT_TYPES,
    raw_type=CONTENT_TYPES,
)
@example("readproperty", "__class__", b"null", b"", JSON, TEXT)
@example("invokeaction", "_set_properties", b'{"__class__":1}', b"", JSON, TEXT)
def test_every_request_has_one_answer(
    operation: str | None,
    name: str | None,
    payload: bytes,
    raw: bytes,
    payload_type: str | None,
    raw_type: str | None,
):
    header = encode_header(
        RequestHeader(
            messageType="OPERATION",
            messageID="id",
            senderID="client",
            receiverID="bench",
            thingID="box",
            objekt=name,
            operation=operation,
            payloadContentType=payload_type,
            preencodedPayloadContentType=raw_type,
        )
    )
    head, content, body = DISPATCHER.respond(header, payload, raw)
    answer = decode_response_header(head)
    assert (answer.messageID, answer.receiverID, answer.senderID) == ("id", "client", "bench")
    value = joined(content, answer.payloadContentType, body, answer.preencodedPayloadContentType)
    if answer.messageType == "EXCEPTION":
        assert value["exception"]["type"] != "AssertionError", value
        assert value["exception"]["traceback"]
    else:
        assert answer.messageType == "REPLY"


@given(header=st.binary())
def test_a_header_of_anything_has_an_answer(header: bytes):
    assert decode_response_header(DISPATCHER.respond(header, b"null", b"")[0])

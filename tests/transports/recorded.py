"""Frames of unmodified hololinked 0.4.2 as received from the wire, and the fields of its headers.

A client `cli` sent the requests to a bare ROUTER `srv`; a server `box` with a Thing of that id
sent the rest. The ids of requests and replies were made to match, the traceback was shortened.
"""

from __future__ import annotations

ID = "6b980e30-1424-4cac-afc0-bf407c49f2a8"

REQUEST_FIELDS = (
    "messageType",
    "messageID",
    "senderID",
    "receiverID",
    "serverExecutionContext",
    "thingExecutionContext",
    "thingID",
    "objekt",
    "operation",
    "payloadContentType",
    "preencodedPayloadContentType",
)
RESPONSE_FIELDS = (
    "messageType",
    "messageID",
    "receiverID",
    "senderID",
    "payloadContentType",
    "preencodedPayloadContentType",
)
EVENT_FIELDS = (
    "messageType",
    "messageID",
    "senderID",
    "eventID",
    "payloadContentType",
    "preencodedPayloadContentType",
)

HANDSHAKE = [
    b"cli",
    b"",
    b'{"messageType":"HANDSHAKE","messageID":"546b7be4-554c-4957-b8ff-90c5a340b52a",'
    b'"senderID":"cli","receiverID":"srv","serverExecutionContext":{"invokationTimeout":5,'
    b'"executionTimeout":5,"oneway":false},"thingExecutionContext":{"fetchExecutionLogs":false},'
    b'"thingID":"","objekt":"","operation":"","payloadContentType":"application/json",'
    b'"preencodedPayloadContentType":"text/plain"}',
    b"null",
    b"",
]
REQUEST = [
    b"cli",
    b"",
    b'{"messageType":"OPERATION","messageID":"6b980e30-1424-4cac-afc0-bf407c49f2a8",'
    b'"senderID":"cli","receiverID":"srv","serverExecutionContext":{"invokationTimeout":5,'
    b'"executionTimeout":5,"oneway":false},"thingExecutionContext":{"fetchExecutionLogs":false},'
    b'"thingID":"t","objekt":"level","operation":"readproperty",'
    b'"payloadContentType":"application/json","preencodedPayloadContentType":"text/plain"}',
    b"null",
    b"",
]


def _response(kind: bytes, raw_type: bytes = b"text/plain") -> bytes:
    return (
        b'{"messageType":"%s","messageID":"6b980e30-1424-4cac-afc0-bf407c49f2a8",'
        b'"receiverID":"cli","senderID":"box","payloadContentType":"application/json",'
        b'"preencodedPayloadContentType":"%s"}' % (kind, raw_type)
    )


REPLY = [b"box", b"", _response(b"REPLY"), b"1.5", b""]
RAW_REPLY = [b"box", b"", _response(b"REPLY", b"application/json"), b"null", b"\x00\x01\x02"]
TIMEOUT = [b"box", b"", _response(b"TIMEOUT"), b'"execution"', b""]
EXCEPTION = [
    b"box",
    b"",
    _response(b"EXCEPTION"),
    b'{"exception":{"message":"\'nothing\'","type":"KeyError","traceback":'
    b'["Traceback (most recent call last):","KeyError: \'nothing\'"],"notes":null}}',
    b"",
]
EVENT = [
    b"box/tick",
    b"",
    b'{"messageType":"EVENT","messageID":"101f36f3-2ced-4d3a-b962-4f7cfd37c62c",'
    b'"senderID":"box/event-publisher","eventID":"box/tick",'
    b'"payloadContentType":"application/json","preencodedPayloadContentType":"text/plain"}',
    b'{"n":0}',
    b"",
]

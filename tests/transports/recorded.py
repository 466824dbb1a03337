"""Frames of hololinked 0.4.2 as seen on the wire, and the fields that its headers have."""

from __future__ import annotations

REQUEST_FIELDS = {
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
}
RESPONSE_FIELDS = {
    "messageType",
    "messageID",
    "receiverID",
    "senderID",
    "payloadContentType",
    "preencodedPayloadContentType",
}
EVENT_FIELDS = {
    "messageType",
    "messageID",
    "senderID",
    "eventID",
    "payloadContentType",
    "preencodedPayloadContentType",
}

RECORDED_REQUEST = [
    b"cli",
    b"",
    b'{"messageType":"OPERATION","messageID":"0b5f3ed4-0c2e-4f0c-8f43-4be4fca1a2f3",'
    b'"senderID":"cli","receiverID":"srv","serverExecutionContext":{"invokationTimeout":5,'
    b'"executionTimeout":5,"oneway":false},"thingExecutionContext":{"fetchExecutionLogs":false},'
    b'"thingID":"t","objekt":"level","operation":"readproperty",'
    b'"payloadContentType":"application/json","preencodedPayloadContentType":"text/plain"}',
    b"null",
    b"",
]
RECORDED_REPLY = [
    b"srv",
    b"",
    b'{"messageType":"REPLY","messageID":"0b5f3ed4-0c2e-4f0c-8f43-4be4fca1a2f3",'
    b'"receiverID":"cli","senderID":"srv","payloadContentType":"application/json",'
    b'"preencodedPayloadContentType":"text/plain"}',
    b"1.5",
    b"",
]
RECORDED_EVENT = [
    b"t/tick",
    b"",
    b'{"messageType":"EVENT","messageID":"3f9b7c3e-8f0a-4c39-9d9d-4a3c5e1f0b11",'
    b'"senderID":"srv/event-publisher","eventID":"t/tick",'
    b'"payloadContentType":"application/json","preencodedPayloadContentType":"text/plain"}',
    b'{"n":1}',
    b"",
]

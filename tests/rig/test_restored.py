"""Kept writes, as people see them."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.kept import Write
from orchestrator.rig.restored import kept_of, mark_restored
from transports.headers import OPERATION, RequestHeader, encode_header
from transports.serializers import XORCH, encode
from transports.values import codec
from workers.spec import Kept


def write(value: Any, content_type: str = "application/json") -> Write:
    header = RequestHeader(
        messageType=OPERATION,
        messageID="1",
        senderID="me",
        receiverID="bench",
        payloadContentType=content_type,
    )
    payload, raw = codec.encode(value) if content_type == XORCH else (encode(value), b"")
    return Write(bytes(encode_header(header)), bytes(payload), bytes(raw))


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        (write(7), 7),
        (write([1, 2.5], XORCH), [1, 2.5]),
        (write(3 + 4j, XORCH), "(complex)"),
        (write(1)._replace(raw=b"xy"), "(bytes)"),
    ],
)
def test_a_value_stands_beside_its_property(kept: Write, shown: Any) -> None:
    described: dict[str, Any] = {"properties": {"gain": {}, "other": {}}}
    mark_restored(described, {"gain": kept, "gone": kept})
    assert described == {"properties": {"gain": {"orch:restored": shown}, "other": {}}}


def test_what_can_not_be_read_is_told() -> None:
    described: dict[str, Any] = {"properties": {"gain": {}}}
    mark_restored(described, {"gain": write(1)._replace(payload=b"{")})
    assert str(described["properties"]["gain"]["orch:restored"]).startswith("(")


def test_the_next_life_is_told_the_frames() -> None:
    kept = write(7)
    assert kept_of({"gain": kept}) == [Kept(kept.header, kept.payload, kept.raw)]

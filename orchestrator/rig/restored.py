"""Kept writes, as the next life of a worker is told of them and as people see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from orchestrator.core.kept import Write
from transports import serializers, terms
from transports.errors import SerializationError
from transports.headers import decode_request_header
from transports.serializers import NPY, XORCH, decode_array, encode
from transports.values import codec
from workers.spec import Kept


def kept_of(writes: Mapping[str, Write]) -> list[Kept]:
    """For a worker's specification."""
    return [Kept(*write) for write in writes.values()]


def mark_restored(described: dict[str, Any], writes: Mapping[str, Write]) -> None:
    """Put each value beside the property that it was written to."""
    for name, write in writes.items():
        if name in described["properties"]:
            described["properties"][name][terms.RESTORED] = _shown(write)


def _shown(write: Write) -> Any:
    """A value in JSON; in words if it has no form there."""
    header = decode_request_header(write.header)
    try:
        if header.payloadContentType == XORCH:
            value = codec.decode(write.payload, write.raw)
        elif header.preencodedPayloadContentType == NPY:
            value = decode_array(write.raw)
        elif write.raw:
            value = write.raw
        else:
            value = serializers.decode(write.payload, header.payloadContentType)
        if type(value) in (bool, int, float, str, list, dict, type(None)):
            return msgspec.json.decode(bytes(encode(value)))
    except (SerializationError, msgspec.DecodeError, TypeError, ValueError) as error:
        return f"({error})"
    return f"({type(value).__name__})"

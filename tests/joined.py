"""The value of a payload and a raw frame: as ours have it, or hololinked's clients."""

from __future__ import annotations

from typing import Any

from transports.serializers import NPY, OCTETS, XORCH, Buffer, decode, decode_array
from transports.values import codec


def joined(payload: Buffer, content_type: str | None, raw: Buffer, raw_type: str | None) -> Any:
    """What a client makes of the frames; theirs are put together as `split_result` says."""
    if content_type == XORCH:
        return codec.decode(payload, raw)
    value = decode(payload, content_type)
    if not len(raw) and raw_type != OCTETS:
        return value
    body = decode_array(raw) if raw_type == NPY else bytes(raw)
    return body if value is None else (value, body)

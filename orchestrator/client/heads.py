"""What can be read of an answer by itself: its id where its header is broken, the ids in it."""

from __future__ import annotations

from typing import Any

import msgspec

from transports.errors import SerializationError
from transports.serializers import Buffer, decode


def id_of(head: Buffer) -> str | int:
    """The message id of a header that can't be read as a whole; "" if there is none."""
    try:
        return msgspec.json.decode(head, type=_Identified).messageID
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


class _Identified(msgspec.Struct):
    messageID: str | int


def held_in(payload: Buffer) -> list[Any] | None:
    """The ids in an answer to a question; None if it is unreadable."""
    try:
        held = decode(payload)
    except SerializationError:
        return None
    return held if isinstance(held, list) else None

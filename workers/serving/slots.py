"""Large results go through shared memory, for clients that say that they take them so."""

from __future__ import annotations

from typing import Any

from transports.headers import RequestHeader
from transports.references import BY_SLOT, SLOTTED, Reference, mark
from transports.serializers import OCTETS, TEXT, Buffer
from transports.shm.memory import THRESHOLD
from transports.shm.owner import Filling, Owner
from transports.values import codec

NONE = Owner("", b"")
"""Of who has no slots: all goes inline."""


def encode(value: Any, request: RequestHeader, owner: Owner) -> tuple[Buffer, Any, str]:
    """Encode a result as payload, raw frame, or a reference to it, and its content type.

    Raises:
        NoForm: It can't travel.
    """
    context = request.thingExecutionContext
    if not isinstance(context, dict) or context.get(BY_SLOT) is not True:
        content, raw = codec.encode(value)
        return content, raw, OCTETS if len(raw) else TEXT
    taken: list[Filling] = []

    def room(size: int) -> memoryview | None:
        filling = owner.take(size) if size >= THRESHOLD else None
        if filling is None:
            return None
        taken.append(filling)
        return filling.memory

    try:
        content, raw = codec.encode(value, room=room)
    except BaseException:
        for filling in taken:
            filling.give_up()
        raise
    if not taken:
        return content, raw, OCTETS if len(raw) else TEXT
    taken[0].sent()
    return content, taken[0].reference, SLOTTED


def reply(number: bytes, answer: tuple[bytes, Buffer, Any]) -> list[Buffer]:
    """The frames of an answer on the link."""
    header, payload, raw = answer
    if type(raw) is Reference:
        return [mark(number), header, payload, raw.pack()]
    return [number, header, payload, raw]

"""Large frames of a worker go and come through shared memory, where its clients do so too."""

from __future__ import annotations

import math
from time import monotonic
from typing import Any

from transports.errors import SerializationError
from transports.headers import RequestHeader
from transports.references import ARGUMENTS, BY_SLOT, REFERENCE, SLOTTED, Reference, mark
from transports.serializers import OCTETS, TEXT, Buffer
from transports.shm.holder import Holder
from transports.shm.owner import Filling, Owner
from transports.values import codec
from workers import threads
from workers.failures import Refused


class Slots:
    """What a worker has of shared memory, for any of its threads.

    Args:
        path: The rig's socket for slots; empty if there is none.
        token: Of the worker's life.
    """

    def __init__(self, path: str = "", token: str = "") -> None:
        self._path = path
        self._name = token.encode()
        self._owner = Owner(path, self._name)
        self._lock = threads.Lock()
        self._holder: Holder | None = None

    def encode(self, value: Any, request: RequestHeader) -> tuple[Buffer, Any, str]:
        """Encode a result as payload, raw frame, or a reference to it, and its content type.

        Raises:
            NoForm: It can't travel.
        """
        context = request.thingExecutionContext
        if not isinstance(context, dict) or context.get(BY_SLOT) is not True:
            content, raw = codec.encode(value)
            return content, raw, OCTETS if len(raw) else TEXT
        content, found = self._owner.write(
            lambda room: codec.encode(value, room=room), self._owner.take
        )
        if not isinstance(found, Filling):
            return content, found, OCTETS if len(found) else TEXT
        found.sent()
        return content, found.reference, SLOTTED

    def raw(self, request: RequestHeader, frame: Buffer) -> Buffer:
        """What a request's raw frame holds, or refers to, of which this is a copy then.

        Raises:
            Refused: It can't be had.
        """
        if request.preencodedPayloadContentType != SLOTTED:
            return frame
        with self._lock:
            if len(frame) != REFERENCE:
                self._join()  # so that the next one needn't come inline
                return frame
            if self._holder is None:
                raise Refused("ValueError", "it is in shared memory, of which this worker has none")
            try:
                return self._holder.open(frame).copied()
            except SerializationError as error:
                raise Refused("ValueError", str(error)) from error

    def _join(self) -> None:
        if self._holder is not None and not self._holder.has_ended:
            return
        try:
            self._holder = Holder(self._path, self._name + ARGUMENTS, returns=False)
        except OSError:  # the rig has no room for it
            self._holder = None

    @property
    def patience(self) -> int:
        """Milliseconds until `give_up_unused` has something to do; -1 while there is nothing."""
        due = self._owner.due
        return -1 if due == math.inf else max(0, int((due - monotonic()) * 1000) + 1)

    def give_up_unused(self) -> None:
        """Give the memory of slots back to which nothing was written for long."""
        self._owner.give_up_unused()


NONE = Slots()
"""Of who has no shared memory: all goes inline."""


def reply(number: bytes, answer: tuple[bytes, Buffer, Any]) -> list[Buffer]:
    """The frames of an answer on the link."""
    header, payload, raw = answer
    if type(raw) is Reference:
        return [mark(number), header, payload, raw.pack()]
    return [number, header, payload, raw]

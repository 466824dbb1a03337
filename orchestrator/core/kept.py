"""The last acknowledged writes of properties that a worker's next life is to have again.

Pure. Kept are the frames of the requests, as the clients sent them, so that a write is repeated as
it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from orchestrator.core.request import Request
from transports.headers import REPLY, Operation
from transports.references import INLINE_WRITES, Reference

MOST_KEPT = INLINE_WRITES
"""Bytes of one write that is kept."""
_DONE = f'"{REPLY}"'.encode()


class Write(NamedTuple):
    """An acknowledged write: the frames of its request."""

    header: bytes
    payload: bytes
    raw: bytes


class KeptWrites:
    """Those of one worker.

    Args:
        members: The properties whose writes are kept.
    """

    def __init__(self, members: Sequence[str] = ()) -> None:
        self._writes: dict[str, Write] = {}
        self.keep(members)

    def keep(self, members: Sequence[str]) -> None:
        """From now on keep the writes of these; those of others are forgotten."""
        self.members = frozenset(members)
        self._order = tuple(members)
        self._writes = {name: self._writes[name] for name in members if name in self._writes}

    def note(self, request: Request, reply: Any) -> bool:
        """A request for one of these members was answered, with this header.

        Returns:
            Whether its value is too large to be kept; then none is, as an older one would be wrong.
        """
        if request.operation != Operation.WRITE or _DONE not in bytes(reply)[:64]:
            return False
        header, payload, raw = request.frames
        if type(raw) is Reference or len(payload) + len(raw) > MOST_KEPT:
            self._writes.pop(request.member, None)
            return True
        self._writes[request.member] = Write(bytes(header), bytes(payload), bytes(raw))
        return False

    def forget(self) -> None:
        """The next life begins with nothing of this."""
        self._writes.clear()

    def writes(self) -> dict[str, Write]:
        """What is kept, by member, in the order of `members`."""
        return {name: self._writes[name] for name in self._order if name in self._writes}

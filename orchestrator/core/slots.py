"""The slots of shared memory: who owns them, who holds what is in them, and when they are free.

Pure: descriptors and connections are the business of `orchestrator.rig`. A peer is whoever has a
connection for slots: a client, named by its routing id, or a worker, by its token; either of them
has another one for arguments. In what order things happen, and what follows when somebody dies, is
in docs/shared-memory.md.
"""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator.core.admission import Refusal
from orchestrator.core.effects import DropSlot, Effects, FreeSlot, HandSlot
from transports.headers import RequestHeader
from transports.link import LINK_FRAMES
from transports.references import (
    ARGUMENTS,
    BY_REFERENCE,
    MOST_SLOTS,
    REFERENCE,
    SLOTTED,
    Reference,
    unmark,
    unpack,
)

SHARE = 2
"""An owner may have the bytes of all slots together, divided by this."""


class Slot(msgspec.Struct):
    """A slot that was adopted.

    Attributes:
        owner: Who fills it.
        size: Bytes that it counts with.
        generation: How often it has been filled.
        holders: Who was sent a reference to what is in it, and isn't done.
        known_to: Who was handed it.
        is_free: Its owner may fill it.
        retired: Its owner doesn't fill it any more.
    """

    owner: bytes
    size: int
    generation: int = 0
    holders: set[bytes] = msgspec.field(default_factory=set)
    known_to: set[bytes] = msgspec.field(default_factory=set)
    is_free: bool = True
    retired: bool = False


_REQUEST = b"a request"
"""The holder of arguments: the rig keeps them as long as it has the request."""


def reader_of(lane: bytes) -> bytes:
    """The peer that reads arguments for a lane of a worker, by the lane's routing id."""
    return lane.rpartition(b".")[0] + ARGUMENTS


class Slots:
    """The slots of a rig.

    Args:
        effects: Where what is to be done is left.
        limit: Bytes of all slots together; 0 for none.

    Attributes:
        limit: The same.
        size: Bytes of those that there are.
    """

    def __init__(self, effects: Effects, limit: int = 0) -> None:
        self.limit = limit
        self.size = 0
        self._effects = effects
        self._peers: set[bytes] = set()
        self._slots: dict[int, Slot] = {}
        self._number = 0

    def __len__(self) -> int:
        """How many slots there are, the retired ones included."""
        return len(self._slots)

    # -- peers --------------------------------------------------------------------------------

    def joined(self, peer: bytes) -> bool:
        """Somebody has a connection for slots; False if somebody else has that name."""
        if peer in self._peers:
            return False
        self._peers.add(peer)
        return True

    def left(self, peer: bytes) -> None:
        """A peer's connection has ended: it holds nothing, and fills nothing any more."""
        self._peers.discard(peer)
        for number, slot in list(self._slots.items()):
            slot.known_to.discard(peer)
            if slot.owner == peer:
                slot.retired = True
                self._drop_if_done(number, slot)
            if peer in slot.holders:
                self._done(number, slot, peer)

    # -- owners -------------------------------------------------------------------------------

    def offered(self, owner: bytes, size: int) -> int:
        """An owner has made a slot of so many bytes; its number, or 0 if it isn't adopted."""
        own = [slot.size for slot in self._slots.values() if slot.owner == owner]
        fits = self.size + size <= self.limit and sum(own) + size <= self.limit // SHARE
        if owner not in self._peers or size < 1 or not fits or len(own) >= MOST_SLOTS:
            return 0
        self._number += 1
        self._slots[self._number] = Slot(owner, size)
        self.size += size
        return self._number

    def withdrawn(self, owner: bytes, number: int) -> None:
        """An owner doesn't fill a slot any more."""
        slot = self._slots.get(number)
        if slot is not None and slot.owner == owner:
            slot.retired = True
            self._drop_if_done(number, slot)

    # -- frames -------------------------------------------------------------------------------

    def taken_off(self, frames: list[Any]) -> Reference | None:
        """The reference in a worker's message, which is put in place of its bytes.

        None if there is none, or not to a frame that this worker may have filled: then its bytes
        are passed on, by which the client can't have anything.

        Args:
            frames: Routing id, number, header, payload, raw; without the mark from here on.
        """
        if len(frames) != LINK_FRAMES + 1:
            return None
        number = bytes(frames[1])
        if not number or number[0] < BY_REFERENCE:
            return None
        frames[1] = unmark(number)
        raw = bytes(frames[4])
        if len(raw) != REFERENCE:
            return None
        owner, _, _ = bytes(frames[0]).rpartition(b".")
        reference = unpack(raw)
        if not self.came(owner, reference):
            return None
        frames[4] = reference
        return reference

    def arrived(self, client: bytes, header: RequestHeader, frames: list[Any]) -> Reference | None:
        """The reference in a client's message, which is put in place of its bytes.

        Args:
            client: Who sent it.
            header: Its header.
            frames: Routing id, an empty one, header, payload, raw.

        Raises:
            Refusal: It is one to no frame that this client may have filled.
        """
        if header.preencodedPayloadContentType != SLOTTED or len(frames[4]) != REFERENCE:
            return None
        reference = unpack(bytes(frames[4]))
        if not self.came(client + ARGUMENTS, reference):
            raise Refusal("ValueError", "the raw frame refers to shared memory that isn't there")
        frames[4] = reference
        return reference

    def came(self, owner: bytes, reference: Reference) -> bool:
        """An owner refers to a frame; whether there is one.

        Until `settle` it is leased to whom the reference is for, if anybody is.
        """
        slot = self._slots.get(reference.slot)
        if (
            slot is None
            or slot.owner != owner
            or not slot.is_free
            or reference.generation != slot.generation + 1
            or reference.size > slot.size
        ):
            return False
        slot.generation = reference.generation
        slot.is_free = False
        return True

    def lease(self, holder: bytes, reference: Reference) -> None:
        """A reference is about to be sent to somebody."""
        self._slots[reference.slot].holders.add(holder)
        self.show(holder, reference)

    def show(self, reader: bytes, reference: Reference) -> None:
        """Somebody is about to be sent a reference, who needs the slot for it."""
        slot = self._slots[reference.slot]
        if reader in self._peers and reader not in slot.known_to:
            slot.known_to.add(reader)
            self._effects.append(HandSlot(reader, reference.slot))

    def settle(self, reference: Reference) -> None:
        """Whoever is sent a reference has been leased it: the slot of nobody's frame is free."""
        slot = self._slots.get(reference.slot)
        if slot is not None and not slot.holders and not slot.is_free:
            self._free(reference.slot, slot)

    def keep(self, reference: Reference) -> None:
        """A request was accepted whose arguments these are."""
        self._slots[reference.slot].holders.add(_REQUEST)

    def end(self, reference: Reference) -> None:
        """That request is answered, and no worker is at it any more."""
        self.returned(_REQUEST, reference.slot, reference.generation)

    def can_read(self, reader: bytes, reference: Reference) -> bool:
        """Whether somebody has the slot of a frame; else its bytes are sent."""
        slot = self._slots.get(reference.slot)
        return slot is not None and reader in slot.known_to

    def unhanded(self, peer: bytes, number: int) -> None:
        """A `HandSlot` couldn't be performed."""
        if (slot := self._slots.get(number)) is not None:
            slot.known_to.discard(peer)

    def returned(self, holder: bytes, number: int, generation: int) -> None:
        """A holder is done with a frame, or isn't sent it after all."""
        slot = self._slots.get(number)
        if slot is not None and slot.generation == generation and holder in slot.holders:
            self._done(number, slot, holder)

    # -- how ----------------------------------------------------------------------------------

    def _done(self, number: int, slot: Slot, holder: bytes) -> None:
        slot.holders.discard(holder)
        if slot.holders:
            return
        if slot.retired:
            self._drop_if_done(number, slot)
        else:
            self._free(number, slot)

    def _free(self, number: int, slot: Slot) -> None:
        slot.is_free = True
        self._effects.append(FreeSlot(slot.owner, number, slot.generation))

    def _drop_if_done(self, number: int, slot: Slot) -> None:
        if not slot.holders and self._slots.pop(number, None) is not None:
            self.size -= slot.size
            self._effects.append(DropSlot(number, tuple(sorted(slot.known_to))))

    def status(self) -> dict[str, Any]:
        """How many slots there are, how many of them are held, and their bytes."""
        held = sum(bool(slot.holders) for slot in self._slots.values())
        return {"slots": len(self._slots), "held": held, "bytes": self.size, "limit": self.limit}

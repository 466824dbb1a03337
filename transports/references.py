"""References to frames in shared memory: see docs/shared-memory.md.

They stand in place of a raw frame: slot, generation and bytes, 8 bytes each.
"""

from __future__ import annotations

from typing import NamedTuple

from transports.errors import ProtocolError

_FIELD = 8
REFERENCE = 3 * _FIELD
"""Bytes of a reference; frames in slots are larger, so that the two can be told apart."""
BY_REFERENCE = 0x80
"""Bit of the first byte of a reply's number: its raw frame is a reference."""
SLOTTED = "application/x-orch-slot"
"""What the header of an answer says of a raw frame that is a reference, or what it referred to."""
MOST_SLOTS = 8
"""Slots that one owner may have."""
ARGUMENTS = b".arguments"
"""End of the name by which a client fills slots with arguments, and a worker reads those."""
INLINE_WRITES = 1 << 20
"""Bytes of a property's value up to which it never goes through a slot: the rig may keep it."""
BY_SLOT = "bySlot"
"""Key of a thing execution context: the answer may be by reference."""


class Reference(NamedTuple):
    """A frame in a slot.

    Attributes:
        slot: The rig's number of the slot, from 1.
        generation: How often it has been filled, from 1.
        size: Bytes of the frame.
    """

    slot: int
    generation: int
    size: int

    def pack(self) -> bytes:
        """The bytes that stand in place of the raw frame."""
        return b"".join(field.to_bytes(_FIELD, "big") for field in self)


def unpack(frame: bytes) -> Reference:
    """Read a reference. Raises ProtocolError if the frame has another length."""
    if len(frame) != REFERENCE:
        raise ProtocolError(f"a reference has {REFERENCE} bytes, this frame {len(frame)}")
    fields = (frame[at : at + _FIELD] for at in range(0, REFERENCE, _FIELD))
    return Reference(*(int.from_bytes(field, "big") for field in fields))


def mark(number: bytes) -> bytes:
    """A reply's number that says that its raw frame is a reference."""
    return bytes((number[0] | BY_REFERENCE,)) + number[1:]


def unmark(number: bytes) -> bytes:
    """The number itself of one that `mark` gave."""
    return bytes((number[0] & ~BY_REFERENCE,)) + number[1:]

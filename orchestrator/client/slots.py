"""A client's raw frames, of which large ones may come and go through shared memory.

The rig is asked for that once the first large one has come, or gone, by the socket: a client that
reads and writes numbers alone has no connection for it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from orchestrator.client.framing import own_memory
from orchestrator.client.interrupts import uninterrupted
from orchestrator.errors import ArgumentUnsendable
from transports.errors import SerializationError
from transports.headers import ResponseHeader
from transports.references import ARGUMENTS, INLINE_WRITES, REFERENCE, SLOTTED
from transports.serializers import Buffer
from transports.shm.holder import Frame, Holder
from transports.shm.memory import SLOTS_FILE, THRESHOLD
from transports.shm.owner import Filling, Owner
from transports.values import codec
from transports.values.kinds import NoForm

Encoded = tuple[Buffer, Buffer | Filling]
"""Payload and raw frame, or the slot in which that is."""
OWN = "front.ipc"
"""The socket beside which a rig has those for slots and for lanes."""


class RawFrames:
    """What the raw frames of one socket's answers are.

    Args:
        address: Where the rig takes requests.
        sender: The routing id of the socket.
        zero_copy: Whether a frame in shared memory is read where it lies.
    """

    def __init__(self, address: str, sender: str, *, zero_copy: bool) -> None:
        front = Path(address.removeprefix("ipc://"))
        is_own = address.startswith("ipc://") and front.name == OWN
        self._path = str(front.with_name(SLOTS_FILE)) if is_own else ""
        self._sender = sender
        self._zero_copy = zero_copy
        self._holder: Holder | None = None
        self._owner = Owner(self._path, sender.encode() + ARGUMENTS)

    @property
    def by_slot(self) -> bool:
        """Whether answers may come through shared memory."""
        return self._holder is not None

    def of(self, header: ResponseHeader, frame: Buffer) -> Buffer | Frame:
        """What an answer's raw frame holds, or refers to: writable memory, a frame that is still
        to be copied, or a view of it.

        Raises:
            SerializationError: It refers to what can't be had.
        """
        if header.preencodedPayloadContentType == SLOTTED and len(frame) == REFERENCE:
            if self._holder is None:
                raise SerializationError("it is in shared memory, which this client has none of")
            found = uninterrupted(self._holder.open, frame)
            return found.view() if self._zero_copy else found
        if self._path and len(frame) >= THRESHOLD:
            self._join()
        return own_memory(frame)

    def arguments(
        self, worker: str, member: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Encoded:
        """Encode an action's arguments as payload and raw frame.

        Raises:
            ArgumentUnsendable: One of them has no form; its text says which, and where in it.
        """
        if monotonic() >= self._owner.due:
            uninterrupted(Owner.give_up_unused, self._owner)
        payload = codec.encode_plain_arguments(args, kwargs)
        if payload is not None:
            return payload, b""
        try:
            return self._owner.write(partial(codec.encode_arguments, args, kwargs), self._take)
        except NoForm as refusal:
            told = f"{worker}.{member}: {codec.argument_told(refusal)}"
            raise ArgumentUnsendable(told, worker=worker, member=member) from refusal

    def value(self, worker: str, member: str, value: Any) -> Encoded:
        """Encode a property's value as payload and raw frame. Raises as `arguments`."""
        try:
            return self._owner.write(
                lambda room: codec.encode(value, objects=False, room=room),
                lambda size: self._take(size) if size > INLINE_WRITES else None,
            )
        except NoForm as refusal:
            told = f"{worker}.{member}: {refusal.told('value')}"
            raise ArgumentUnsendable(told, worker=worker, member=member) from refusal

    def _take(self, size: int) -> Filling | None:
        return uninterrupted(self._owner.take, size) if size >= THRESHOLD else None

    def close(self) -> None:
        """Ask for no more; frames that are there stay."""
        self._path, self._holder = "", None
        self._owner.close()

    def _join(self) -> None:
        """Ask for frames in shared memory, unless they come so: then there was no slot for one."""
        if self._holder is not None and not self._holder.has_ended:
            return
        try:
            self._holder = Holder(self._path, self._sender.encode())
        except OSError:  # the rig has no shared memory, or no room for more clients
            self._holder = None

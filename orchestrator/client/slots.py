"""A client's raw frames, of which large ones may come through shared memory.

The rig is asked for that once the first large one has come by the socket: a client that reads
numbers alone has no connection for it.
"""

from __future__ import annotations

from pathlib import Path

from orchestrator.client.framing import own_memory
from orchestrator.client.interrupts import uninterrupted
from transports.errors import SerializationError
from transports.headers import ResponseHeader
from transports.references import REFERENCE, SLOTTED
from transports.serializers import Buffer
from transports.shm.holder import Frame, Holder
from transports.shm.memory import SLOTS_FILE, THRESHOLD

_OWN = "front.ipc"
"""The socket beside which a rig has the one for slots."""


class RawFrames:
    """What the raw frames of one socket's answers are.

    Args:
        address: Where the rig takes requests.
        sender: The routing id of the socket.
        zero_copy: Whether a frame in shared memory is read where it lies.
    """

    def __init__(self, address: str, sender: str, *, zero_copy: bool) -> None:
        front = Path(address.removeprefix("ipc://"))
        is_own = address.startswith("ipc://") and front.name == _OWN
        self._path = str(front.with_name(SLOTS_FILE)) if is_own else ""
        self._sender = sender
        self._zero_copy = zero_copy
        self._holder: Holder | None = None

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

    def close(self) -> None:
        """Ask for no more; frames that are there stay."""
        self._path, self._holder = "", None

    def _join(self) -> None:
        path, self._path = self._path, ""
        try:
            self._holder = Holder(path, self._sender.encode())
        except OSError:  # the rig has no shared memory, or no room for more clients
            self._holder = None

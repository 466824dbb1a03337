"""What the pure core asks of the loop: plain values, performed in order."""

from __future__ import annotations

from collections import deque
from typing import Any, TypeAlias

import msgspec

Frames = list[Any]
"""Frames of one message: bytes, or whatever the socket gave, passed on untouched."""


class ToClient(msgspec.Struct, frozen=True, gc=False):
    """Send to a client; the first frame is its identity."""

    frames: Frames


class Cut(msgspec.Struct, frozen=True):
    """Close the connection that a client's message came by; what it still sent isn't read.

    Attributes:
        frame: A frame of that message, as the socket gave it.
        reason: Why.
        client: Its identity.
    """

    frame: Any
    reason: str
    client: bytes = b""


class ToWorker(msgspec.Struct, frozen=True, gc=False):
    """Send to a worker's lane; the first frame is the lane's routing id.

    Attributes:
        number: Of the dispatch, 0 for a control message. If the lane turns out to be unreachable
            the core is told by this number.
        ticket: The worker that is first given the ticket of this number; empty for none.
    """

    frames: Frames
    number: int
    ticket: str = ""


class TakeBack(msgspec.Struct, frozen=True):
    """Take back the tickets that a worker hasn't claimed, and tell the core their numbers.

    Attributes:
        worker: Whose.
        incarnation: The life that was given them.
    """

    worker: str
    incarnation: int


class HandSlot(msgspec.Struct, frozen=True):
    """Send a client the descriptor of a slot; if it can't be, the core is told.

    Attributes:
        peer: Who is to have it.
        slot: Its number.
    """

    peer: bytes
    slot: int


class FreeSlot(msgspec.Struct, frozen=True):
    """Tell a slot's owner that nobody holds any more what is in it.

    Attributes:
        owner: Who may fill it again.
        slot: Its number.
        generation: What was in it.
    """

    owner: bytes
    slot: int
    generation: int


class DropSlot(msgspec.Struct, frozen=True):
    """Close a slot's descriptor, and tell those who have mapped it.

    Attributes:
        slot: Its number, which isn't used again.
        peers: Who has been handed it.
    """

    slot: int
    peers: tuple[bytes, ...]


class KeepNumber(msgspec.Struct, frozen=True):
    """Keep the number of the newest lease for the next run of the rig; before it is told.

    Attributes:
        number: Of the lease.
    """

    number: int


class Describe(msgspec.Struct, frozen=True):
    """Answer a request for a Thing Description from what the worker said of itself.

    Attributes:
        number: The request, still pending until the core is given its answer.
        worker: Whose description.
        payload: The request's payload frame, with the protocol that is asked for.
        content_type: How the payload is encoded.
    """

    number: int
    worker: str
    payload: Any
    content_type: str | None


class Launch(msgspec.Struct, frozen=True):
    """Start an incarnation of a worker."""

    worker: str
    incarnation: int


class Secure(msgspec.Struct, frozen=True):
    """A worker's incarnation has ended: make its device safe, and tell the core when it is."""

    worker: str
    incarnation: int


class Signal(msgspec.Struct, frozen=True):
    """Signal a worker's process.

    Attributes:
        how: To end, by `term`, `wake` (continue, then terminate) or `kill`; or to write its
            stacks: `stacks` asks for them, `forced stacks`, a while later, insists.
    """

    worker: str
    how: str


class Unblock(msgspec.Struct, frozen=True):
    """A worker takes too long: see that it doesn't wait for somebody to read its output."""

    worker: str


class Moved(msgspec.Struct, frozen=True):
    """A worker's state has changed.

    Attributes:
        was: The state before.
        state: The state now.
        reason: Why: never empty.
    """

    worker: str
    incarnation: int
    was: str
    state: str
    reason: str


class Alarmed(msgspec.Struct, frozen=True):
    """What is known of a watched value has changed.

    Attributes:
        worker: Whose.
        member: The property.
        was: The state before: `ok`, `pending`, `raised` or `stale`.
        state: The state now.
        raised: Whether there is an alarm, also while the value isn't known.
        value: The last reading; None before the first.
        reason: What the state comes of, such as `63.2, above 60`.
        is_new: Whether there was no alarm until now.
    """

    worker: str
    member: str
    was: str
    state: str
    raised: bool
    value: float | None
    reason: str
    is_new: bool = False


class OrderDone(msgspec.Struct, frozen=True):
    """Workers that were to be started, stopped or restarted have settled.

    Attributes:
        number: The order, as it was numbered when it was placed.
        states: The workers' states by name.
    """

    number: int
    states: dict[str, str]


class CancelDone(msgspec.Struct, frozen=True):
    """It is known what came of the wish to cancel a request.

    Attributes:
        number: The wish, as it was numbered when it was placed.
        verdict: `withdrawn`: it never started; `ended`: it had started, and has ended; `runs`: it
            goes on; `unknown`: there is none.
        worker: Whose operation it is; empty for none.
        member: What it is.
        steps: What was done to end it, in order; it ended after the last.
    """

    number: int
    verdict: str
    worker: str
    member: str
    steps: tuple[str, ...] = ()


class RigUp(msgspec.Struct, frozen=True):
    """All workers have settled for the first time.

    Attributes:
        ready: How many of them serve.
        failed: Those that couldn't be started.
        later: Those that are tried again and again.
    """

    ready: int
    total: int
    failed: tuple[str, ...]
    later: tuple[str, ...] = ()


class Asked(msgspec.Struct, frozen=True):
    """An operation as it was asked for: of this it is told what it was given.

    Attributes:
        client: The identity of who asks.
        operation: What is to be done with the member.
        content_type: How its payload is encoded.
        payload, raw: The frames that have its arguments.
        arrived: When it came, in monotonic seconds.
        started: When its turn came; 0 if it didn't.
    """

    client: bytes
    operation: str
    content_type: str | None
    payload: Any
    raw: Any
    arrived: float
    started: float


class Recorded(msgspec.Struct, frozen=True):
    """An operation has ended, in a rig that is recorded.

    Attributes:
        worker: Whose it was.
        life: In which of its lives.
        member: Of what.
        asked: What was asked for.
        answer: The header, payload and raw frame of the answer; None: the life ended in it.
        status: With which exit status it ended then, as a shell tells it.
    """

    worker: str
    life: int
    member: str
    asked: Asked
    answer: Frames | None
    status: int = 0


class Fact(msgspec.Struct, frozen=True):
    """Something worth a record.

    Attributes:
        level: `debug`, `info`, `warning`, `error` or `levels.AUDIT`.
        text: What happened.
        fields: Further facts by name; `worker` tells whom it concerns.
        asked: The operation whose arguments are told as well.
    """

    level: str
    text: str
    fields: dict[str, Any]
    asked: Asked | None = None


Effect = (
    ToClient
    | ToWorker
    | TakeBack
    | HandSlot
    | FreeSlot
    | DropSlot
    | Cut
    | Describe
    | KeepNumber
    | Launch
    | Secure
    | Signal
    | Unblock
    | Moved
    | Alarmed
    | OrderDone
    | CancelDone
    | RigUp
    | Recorded
    | Fact
)
Effects: TypeAlias = deque[Effect]
"""One queue for the whole core: whatever part of it leaves an effect, they are in order."""

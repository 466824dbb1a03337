"""What the pure cores ask of the loop: plain values, performed in order."""

from __future__ import annotations

from typing import Any

import msgspec

Frames = list[Any]
"""Frames of one message: bytes, or whatever the socket gave, passed on untouched."""


class ToClient(msgspec.Struct, frozen=True, gc=False):
    """Send to a client; the first frame is its identity."""

    frames: Frames


class ToWorker(msgspec.Struct, frozen=True, gc=False):
    """Send to a worker's lane; the first frame is the lane's routing id.

    Attributes:
        number: The request it carries, 0 for a control message. If the lane turns out to be
            unreachable the core is told by this number.
    """

    frames: Frames
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


class WorkerReady(msgspec.Struct, frozen=True):
    """A worker's driver is built and its queued lane is open."""

    worker: str
    incarnation: int


class WorkerUnbuilt(msgspec.Struct, frozen=True):
    """A worker reports that its driver couldn't be built.

    Attributes:
        stage: `import`, `build` or `describe`.
        exception: Type, message and traceback, as on the wire.
    """

    worker: str
    incarnation: int
    stage: str
    exception: dict[str, Any]


class Overran(msgspec.Struct, frozen=True):
    """An operation ran past its execution timeout and goes on running.

    Attributes:
        stalls: Whether other operations have to wait for its end.
    """

    worker: str
    incarnation: int
    member: str
    stalls: bool


class Recovered(msgspec.Struct, frozen=True):
    """The operation for whose end others had to wait has ended after all."""

    worker: str
    incarnation: int


class Launch(msgspec.Struct, frozen=True):
    """Start an incarnation of a worker."""

    worker: str
    incarnation: int


class AskToStop(msgspec.Struct, frozen=True):
    """Tell a worker over its link to close its driver and exit.

    Attributes:
        hold: Keep what is queued for the next incarnation instead of refusing it.
    """

    worker: str
    hold: bool


class Terminate(msgspec.Struct, frozen=True):
    """Signal a worker's process to end.

    Attributes:
        how: `term`, `wake` (continue, then terminate) or `kill`.
    """

    worker: str
    how: str


class Lost(msgspec.Struct, frozen=True):
    """An incarnation is over: settle what it held.

    Attributes:
        reason: What happened to it, for the client's error.
        holds: Whether another incarnation may follow, so that the queue waits for it.
    """

    worker: str
    reason: str
    holds: bool


class Hold(msgspec.Struct, frozen=True):
    """Requests for a worker that was closed may queue again: it is about to start."""

    worker: str


class Fact(msgspec.Struct, frozen=True):
    """Something worth a record.

    Attributes:
        level: `debug`, `info`, `warning` or `error`.
        text: What happened.
        fields: Further facts by name; `worker` tells whom it concerns.
    """

    level: str
    text: str
    fields: dict[str, Any]


Effect = (
    ToClient
    | ToWorker
    | Describe
    | WorkerReady
    | WorkerUnbuilt
    | Overran
    | Recovered
    | Launch
    | AskToStop
    | Terminate
    | Lost
    | Hold
    | Fact
)

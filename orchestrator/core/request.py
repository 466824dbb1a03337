"""One request: what was asked for, by whom, and where it stands."""

from __future__ import annotations

from enum import Enum
from typing import Any

from orchestrator.core.effects import Asked
from transports.client_ids import caller
from transports.headers import (
    TRACE_PARENT,
    TRACE_STATE,
    Limits,
    RequestHeader,
    decode_request_header,
)

Key = tuple[bytes, str | int]
"""A request's key: the client's identity, which ZeroMQ vouches for, and its message id."""


class State(Enum):
    """Where a request stands; it leaves the table when it is answered and holds no lane."""

    QUEUED = "queued"  # here, or behind another one at its worker
    DISPATCHED = "dispatched"  # its worker runs it, or will as soon as it looks
    OVERRUN = "overrun"  # answered with a timeout; its worker is still at it


class Request:
    """One accepted request, from arrival until it is answered and its lane is free again."""

    __slots__ = (
        "arrived",
        "claimed",
        "client",
        "content_type",
        "deadline",
        "execution_timeout",
        "frames",
        "life",
        "member",
        "message_id",
        "number",
        "oneway",
        "operation",
        "runs_until",
        "sender",
        "size",
        "started",
        "state",
        "ticket",
        "waits_until",
        "worker",
    )

    def __init__(
        self,
        *,
        number: int,
        client: bytes,
        worker: str,
        header: RequestHeader,
        frames: list[Any],
        size: int,
        arrived: float,
        limits: Limits,
        life: str = "",
    ) -> None:
        wait = limits.invocation_timeout
        self.number = number
        self.client = client
        self.message_id = header.messageID
        self.sender = header.senderID
        self.worker = worker
        self.life = life  # the only one that may run it; empty for any
        self.member = header.objekt or ""
        self.operation = header.operation or ""
        self.content_type = header.payloadContentType
        self.frames = frames  # header, payload, raw; kept while it may have to be sent again
        self.size = size
        self.arrived = arrived
        # of the state that it is in
        self.deadline: float | None = None if wait is None else arrived + wait
        self.waits_until = self.deadline  # of the invocation
        self.execution_timeout = limits.execution_timeout
        self.oneway = limits.oneway
        self.state = State.QUEUED
        self.started = 0.0
        self.runs_until: float | None = None  # once it has started
        self.ticket = 0  # number of its dispatch, while it is at its worker
        self.claimed = False  # known to have started

    @property
    def key(self) -> Key:
        """The key of its table entry."""
        return self.client, self.message_id


def about(request: Request) -> dict[str, Any]:
    """What names a request in a record."""
    return {"worker": request.worker, "member": request.member, "request": request.message_id}


def as_it_says(request: Request) -> str:
    """Who asked for a request, by its own word, for people."""
    return caller(request.sender)


def asked_for(request: Request) -> Asked:
    """A request as what is told of its arguments is made of."""
    _, payload, raw = request.frames
    return Asked(
        client=request.client,
        operation=request.operation,
        content_type=request.content_type,
        payload=payload,
        raw=raw,
        arrived=request.arrived,
        started=request.started,
    )


LONGEST_PARENT = 64
"""Characters of what a client says of its own span; the format of today has 55."""


LONGEST_STATE = 4096
"""Characters of what tracing systems keep with it; they may count on 512."""


def client_span(request: Request) -> tuple[str, str]:
    """The client's span, as W3C's `traceparent` and `tracestate` have it; empty if it has none.

    What is too long is left out. The header is read once more for it, so that no request pays for
    it in a rig without traces.
    """
    context = decode_request_header(bytes(request.frames[0])).thingExecutionContext
    if not isinstance(context, dict):
        return "", ""
    parent = _text(context.get(TRACE_PARENT), LONGEST_PARENT)
    return parent, _text(context.get(TRACE_STATE), LONGEST_STATE) if parent else ""


def _text(found: object, longest: int) -> str:
    return found if isinstance(found, str) and len(found) <= longest else ""

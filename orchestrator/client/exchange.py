"""One request and what comes of it, and the parts that are written to the wire for it."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from threading import Lock
from types import EllipsisType
from typing import Any, Protocol

import zmq

from orchestrator.client.answers import error_from_response
from orchestrator.client.liveness import SLOWEST
from orchestrator.client.tracing import API, current_span
from orchestrator.errors import (
    OutcomeUnknown,
    ResultUnsendable,
    ValueRefused,
)
from transports.durations import duration
from transports.errors import SerializationError
from transports.frames import COPY_THRESHOLD
from transports.headers import (
    FETCH_LOGS,
    HANDSHAKE,
    ID_MARK,
    LEASE,
    OF_LIFE,
    OPERATION,
    REPLY,
    TIMEOUT,
    Limits,
    Operation,
    RequestHeader,
    ResponseHeader,
    around_id,
    encode_header,
)
from transports.references import BY_SLOT, SLOTTED
from transports.serializers import LARGEST, NULL, OCTETS, TEXT, XORCH, Buffer, decode
from transports.shm.holder import Frame
from transports.shm.owner import Filling
from transports.values import codec
from transports.values.codec import NOTHING
from transports.values.streams import Opened

_modules = sys.modules

Timeout = float | EllipsisType | None
"""Seconds; None is no limit; `...` is what the rig's config says for the member."""

_MORE = int(zmq.SNDMORE) | int(zmq.DONTWAIT)
_FLAGS = (_MORE, _MORE, _MORE, int(zmq.DONTWAIT))
_COPY_ALL = (True,) * len(_FLAGS)
"""Bytes; a rig disconnects whoever sends more."""


def release(gate: Lock) -> None:
    """Release a lock that is used as a gate: opening an open one does nothing."""
    try:
        gate.release()
    except RuntimeError:
        return


class Leader:
    """Whoever can do a connection's I/O: the caller of a request, or the completer.

    Attributes:
        settled: It has what it waits for, or waits no longer.
        leading: It does the I/O now.
        deadline: Monotonic seconds after which it waits no longer; None waits.
    """

    __slots__ = ("deadline", "leading", "settled")

    def __init__(self) -> None:
        self.settled = False
        self.leading = False
        self.deadline: float | None = None


class Awaited(Protocol):
    """Where the result of a request goes that nobody waits for in a call; a future.

    Attributes:
        exchange: The request; None once the outcome is known.
    """

    exchange: Exchange | None

    def claim(self) -> bool:
        """Take it for sending; False if it was cancelled before."""

    def settle(self) -> bool:
        """It is settled. Returns whether the completer is to complete it."""

    def complete(self) -> None:
        """Tell everybody what has come of it."""


class Exchange(Leader):
    """One request and what comes of it. It is settled when there is a reply or an error.

    Attributes:
        id: Message id.
        worker: The worker addressed.
        member: The property or action addressed.
        frames: What is sent.
        filling: The slot that these refer to, until they are sent.
        flags, copies: Arguments for sending each frame.
        size: Bytes of large frames, which take their time to travel.
        give_up: Monotonic seconds after which it is no longer tried to send it.
        limit: Seconds that it may wait and run by its timeouts, once it is sent.
        overdue: How often it was found to be past that.
        oneway: Settled as soon as it is sent.
        future: Where the result goes when nobody waits in a call.
        opens: Makes what the caller reads a stream with.
        sent: It was handed to the socket.
        given_up: Its caller was interrupted before it was settled.
        gate: Released when its waiting caller has something to do; None while it leads.
        header, payload, raw: The reply.
        error: What its caller raises instead.
    """

    __slots__ = (
        "copies",
        "error",
        "filling",
        "flags",
        "frames",
        "future",
        "gate",
        "give_up",
        "given_up",
        "header",
        "id",
        "limit",
        "member",
        "oneway",
        "opens",
        "overdue",
        "payload",
        "raw",
        "sent",
        "size",
        "worker",
    )

    header: ResponseHeader
    payload: Buffer
    raw: Buffer | Frame

    def __init__(
        self, id: str, frames: list[Buffer], worker: str, member: str, oneway: bool = False
    ) -> None:
        super().__init__()
        self.id = id
        self.worker = worker
        self.member = member
        self.frames = frames
        self.filling: Filling | None = None
        self.flags = _FLAGS
        self.copies = _COPY_ALL
        self.size = 0
        if len(frames[2]) > COPY_THRESHOLD or len(frames[3]) > COPY_THRESHOLD:
            self.copies = tuple(len(frame) < COPY_THRESHOLD for frame in frames)
            self.size = len(frames[2]) + len(frames[3])
        self.oneway = oneway
        self.give_up = math.inf
        self.limit = math.inf
        self.overdue = 0
        self.future: Awaited | None = None
        self.opens: Callable[[Opened], Any] | None = None
        self.sent = False
        self.given_up = False
        self.gate: Lock | None = None
        self.error: Exception | None = None

    def inline(self) -> None:
        """Have what is in a slot sent in the message itself."""
        assert self.filling is not None
        self.frames[3] = bytes(self.filling.memory)
        self.size = len(self.frames[3])
        self.filling = None

    def wait_outside(self) -> None:
        """Give its caller a gate to wait at while another one leads."""
        gate = Lock()
        gate.acquire()
        self.gate = gate

    def rouse(self) -> None:
        """Let its caller through the gate, once however often this is called."""
        if self.gate is not None:
            release(self.gate)

    @property
    def name(self) -> str:
        """What it asks for, as errors name it."""
        return f"{self.worker}.{self.member}" if self.worker else "the handshake"

    @property
    def where(self) -> dict[str, Any]:
        """Keyword arguments of an `OrchError` about this request."""
        return {"request_id": self.id, "worker": self.worker, "member": self.member}

    def result(self) -> Any:
        """The value of the reply (None if oneway), or its error raised.

        Raises:
            OrchError: Any of the tree.
            Exception: The driver's own, if it is a builtin one.
        """
        if self.error is not None:
            raise self.error
        if self.oneway:
            return None
        header = self.header
        kind = header.messageType
        try:
            if isinstance(self.raw, Frame):
                self.raw = self.raw.copied()
            if kind == REPLY:
                value = value_of(self.payload, header.payloadContentType, self.raw)
                return self.opens(value) if type(value) is Opened and self.opens else value
            if kind == HANDSHAKE:
                return header.senderID
            body = decode(self.payload, header.payloadContentType)
        except SerializationError as error:
            told = f"{self.name} was answered ({kind}), but the answer can't be read: {error}"
            raise (ResultUnsendable if kind == REPLY else OutcomeUnknown)(
                told, **self.where
            ) from error
        assert not isinstance(self.raw, Frame)
        detail = bytes(self.raw).decode("utf-8", "replace") if kind == TIMEOUT else ""
        raise error_from_response(kind, body, detail=detail, **self.where)


Retry = int | EllipsisType
"""How often a call may be tried again; `...` for never."""
Life = bool | int | str | EllipsisType
"""Which life of a worker a call is meant for: True for the one that is known, or its number in the
run of the rig that was met first, or as status has it under `life`."""
UNKNOWN = Limits(None, None)
"""The timeouts of a member that nothing is known of."""


def compose(
    id: str,
    sender: str,
    rig: str,
    worker: str,
    operation: Operation,
    member: str,
    *,
    payload: Buffer = NOTHING,
    raw: Buffer | Filling = b"",
    content_type: str = XORCH,
    invocation_timeout: Timeout = ...,
    execution_timeout: Timeout = ...,
    oneway: bool = False,
    usual: Limits = UNKNOWN,
    life: str = "",
    by_slot: bool = False,
    lease: int = 0,
) -> Exchange:
    """Encode a request.

    Args:
        id: Message id.
        sender: Routing id of the client's socket.
        rig: Id of the rig.
        worker: The worker.
        operation: What to do.
        member: The property or action.
        payload: What is encoded of the arguments or the value.
        raw: The raw frame that belongs to it, or the slot in which that is.
        content_type: How the payload is encoded, and the answer is wanted.
        invocation_timeout: Seconds until it must have started.
        execution_timeout: Seconds from then until it must have ended.
        oneway: No reply is wanted.
        usual: The timeouts that the rig takes where none is given, as far as they are known.
        life: The only life of the worker that may do it; empty for any.
        by_slot: Whether a large answer may come through shared memory.
        lease: Number of the lease by which it is made; 0 for none.

    Raises:
        ValueRefused: The message is too large, or a timeout is none.
    """
    context = _context(invocation_timeout, execution_timeout, oneway)
    filling = raw if isinstance(raw, Filling) else None
    frame: Buffer = raw.reference.pack() if isinstance(raw, Filling) else raw
    size = len(payload) + (len(frame) if filling is None else filling.reference.size)
    if size > LARGEST:
        told = f"{worker}.{member}: {size} bytes are more than a rig takes in a message"
        raise ValueRefused(told, worker=worker, member=member)
    thing = f"{worker}{OF_LIFE}{life}" if life else worker
    raw_type = SLOTTED if filling else OCTETS if len(frame) else TEXT
    whom = (sender, rig, thing, operation, member, content_type, raw_type, by_slot, lease)
    span = current_span() if API in _modules else None
    if context is _DEFAULTS and not span:
        before, after = _around(*whom)
        head = before + id.encode() + after
        invocation, execution = usual.invocation_timeout, usual.execution_timeout
    else:
        head = _head(id, context, *whom, span)
        invocation = context.get("invokation_timeout", usual.invocation_timeout)
        execution = context.get("execution_timeout", usual.execution_timeout)
    exchange = Exchange(id, [b"", head, payload, frame], worker, member, oneway)
    exchange.filling = filling
    if invocation is not None and execution is not None:
        exchange.limit = invocation + execution + exchange.size / SLOWEST
    return exchange


def _head(
    id: str,
    context: dict[str, Any],
    sender: str,
    rig: str,
    thing: str,
    operation: Operation,
    member: str,
    content_type: str,
    raw_type: str,
    by_slot: bool,
    lease: int,
    span: dict[str, str] | None = None,
) -> bytes:
    asked: dict[str, Any] = _BY_SLOT if by_slot else _NO_LOGS
    if lease:
        asked = {**asked, LEASE: lease}
    header = RequestHeader(
        messageType=OPERATION,
        messageID=id,
        senderID=sender,
        receiverID=rig,
        serverExecutionContext=context,
        thingExecutionContext={**asked, **span} if span else asked,
        thingID=thing,
        objekt=member,
        operation=operation,
        payloadContentType=content_type,
        preencodedPayloadContentType=raw_type,
    )
    return encode_header(header)


@functools.lru_cache(maxsize=1024)
def _around(*whom: Any) -> tuple[bytes, bytes]:
    """What stands in a header before and after its id, which is the first that isn't fixed."""
    return around_id(_head(ID_MARK, _DEFAULTS, *whom))


def compose_handshake(id: str, sender: str) -> Exchange:
    """Encode the message that asks a rig for its id."""
    header = RequestHeader(
        messageType=HANDSHAKE,
        messageID=id,
        senderID=sender,
        receiverID="",
        serverExecutionContext=_DEFAULTS,
        thingExecutionContext=_NO_LOGS,
    )
    return Exchange(id, [b"", encode_header(header), NULL, b""], "", "")


def value_of(payload: Buffer, content_type: str | None, raw: Buffer) -> Any:
    """The value of a reply or event: the workers' are faithful, the rig's own are JSON.

    Raises:
        SerializationError: The frames aren't what the content type says.
    """
    if content_type == XORCH:
        return codec.decode(payload, raw)
    return decode(payload, content_type)


_NO_LOGS = {FETCH_LOGS: False}
_BY_SLOT = {FETCH_LOGS: False, BY_SLOT: True}
_DEFAULTS: dict[str, Any] = {"defaults": True, "oneway": False}


def _context(invocation: Timeout, execution: Timeout, oneway: bool) -> dict[str, Any]:
    """A context whose missing keys take the worker's configured values."""
    if invocation is ... and execution is ... and not oneway:
        return _DEFAULTS
    context: dict[str, Any] = {"defaults": True, "oneway": oneway}
    if invocation is not ...:
        seconds = _seconds(invocation, "invocation_timeout")
        context["invokation_timeout"] = context["invokationTimeout"] = seconds
    if execution is not ...:
        seconds = _seconds(execution, "execution_timeout")
        context["execution_timeout"] = context["executionTimeout"] = seconds
    return context


def _seconds(value: Any, name: str) -> float | None:
    try:
        return duration(value, name)
    except (TypeError, ValueError) as error:
        raise ValueRefused(str(error)) from error

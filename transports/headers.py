"""Headers of the client side: message types, frozen structs, timeouts, ids of events."""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from transports.durations import duration
from transports.errors import ProtocolError
from transports.serializers import JSON, TEXT

HANDSHAKE = "HANDSHAKE"
OPERATION = "OPERATION"
EXIT = "EXIT"
REPLY = "REPLY"
ERROR = "EXCEPTION"
INVALID_MESSAGE = "INVALID_MESSAGE"
TIMEOUT = "TIMEOUT"
EVENT = "EVENT"
INTERRUPT = "INTERRUPT"

INVOCATION = "invokation"  # the wire's spelling
EXECUTION = "execution"
_TIMEOUTS = {
    name: f"serverExecutionContext.{name}"
    for name in ("invokation_timeout", "execution_timeout", "invokationTimeout", "executionTimeout")
}
"""What they are called in errors, by their names in a context."""

FRAMES = 5
PROBE = b"?"
"""First byte of topics that nothing is published under, but that a rig echoes: who subscribes to
one knows by its echo that the subscriptions before it are live. One that ends with the id of an
event, or nothing, and a topic, both after a space, is echoed with that topic's newest event unless
it is the one named."""
FAITHFUL = "@"
"""Begins the topics under which our own clients have events, in `application/x-orch`; the rest of
such a topic is the plain one. No consumer of the plain form, which matches by prefixes, sees it."""
CHANGE = "_change_event"
"""End of the name under which the changes of an observable property are published."""
EVENT_PUBLISHER = "event-publisher"
"""Last part of the name under which a rig's events are published: `<rig>/event-publisher`."""
OBSERVE = "observeproperty"
SUBSCRIBE = "subscribeevent"
"""Operations of a Thing Description's forms that are no requests."""
KINDS = {"properties": "a property", "actions": "an action", "events": "an event"}
"""What members there are: as a Thing Description has them, and as a sentence names one."""
DESCRIPTION = "get_thing_description"
"""Action that every worker has: its Thing Description."""
REFRESH = "_describe_anew"
"""Action that has a worker look at its driver again; its description follows."""
CACHED = "get_cached_value"
"""Action that a worker has which polls: the last value of a property that it polls."""
STREAM = "_stream"
STREAM_BESIDE = "_stream_beside"
"""Actions by which a client has the next item of a stream, or ends it: in turn with what is queued,
and beside it where the action that opened the stream runs there."""
STREAMS = (STREAM, STREAM_BESIDE)
FETCH_LOGS = "fetchExecutionLogs"
"""Key of a thing execution context: the answer is to carry what was logged meanwhile."""
TRACE_PARENT = "traceparent"
"""Key of a thing execution context: the client's span, as W3C's Trace Context writes it."""
TRACE_STATE = "tracestate"
"""Likewise: what tracing systems keep with that span, which is passed on as it is."""
LEASE = "lease"
"""Key of a thing execution context: the number of the lease by which a request is made."""
OF_LIFE = "#"
"""Stands between a thing id and the one life of that worker that a request is meant for."""
MAX_HEADER = 64 * 1024
"""Bytes of a header above which it isn't read."""
DEFAULT_TIMEOUT = 5.0


class ZMQ_TRANSPORTS(StrEnum):
    """The transports of ZeroMQ that are spoken here."""

    TCP = "TCP"
    IPC = "IPC"
    INPROC = "INPROC"


class Operation(StrEnum):
    """What a request asks of a worker."""

    READ = "readproperty"
    WRITE = "writeproperty"
    INVOKE = "invokeaction"
    READ_MANY = "readmultipleproperties"
    READ_ALL = "readallproperties"
    WRITE_MANY = "writemultipleproperties"
    WRITE_ALL = "writeallproperties"
    DELETE = "deleteproperty"
    PENDING = "pending"
    """Ours alone: which of these message ids of mine do you still hold?"""


READS = frozenset((str(Operation.READ), str(Operation.READ_MANY), str(Operation.READ_ALL)))
"""What has no effect on a device."""


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent has the fields of its kind and no other; unknown ones received are ignored."""

    def __getitem__(self, key: str) -> Any:
        if key not in self.__struct_fields__:
            raise KeyError(f"{type(self).__name__} has no field {key!r}")
        return getattr(self, key)

    def json(self) -> dict[str, Any]:
        """The header as a dictionary of its fields."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


Context = dict[str, Any] | None | msgspec.UnsetType


class RequestHeader(_Header, frozen=True, kw_only=True):
    """Header of a request; `messageID` is echoed as it came."""

    messageType: str
    messageID: str | int
    senderID: str
    receiverID: str
    serverExecutionContext: Context = msgspec.UNSET
    thingExecutionContext: Context = msgspec.UNSET
    thingID: str | None = ""
    objekt: str | None = ""
    operation: str | None = ""
    payloadContentType: str | None = JSON
    preencodedPayloadContentType: str | None = TEXT


class ResponseHeader(_Header, frozen=True, kw_only=True):
    """Header of a response: exactly these fields, hololinked's clients fail on any other."""

    messageType: str
    messageID: str | int
    receiverID: str
    senderID: str
    payloadContentType: str | None = JSON
    preencodedPayloadContentType: str | None = ""


class EventHeader(_Header, frozen=True, kw_only=True):
    """Header of an event; `eventID` repeats the topic."""

    messageType: str
    messageID: str
    senderID: str
    eventID: str
    payloadContentType: str | None = JSON
    preencodedPayloadContentType: str | None = ""


encode_header = msgspec.json.Encoder().encode
decode_request_header = msgspec.json.Decoder(RequestHeader).decode
decode_response_header = msgspec.json.Decoder(ResponseHeader).decode
decode_event_header = msgspec.json.Decoder(EventHeader).decode


class Limits(msgspec.Struct, frozen=True):
    """How long a request may wait and run.

    Attributes:
        invocation_timeout: Seconds from arrival until it starts; None waits for ever.
        execution_timeout: Seconds from start until its answer; None waits for ever.
        oneway: No reply is wanted.
    """

    invocation_timeout: float | None = DEFAULT_TIMEOUT
    execution_timeout: float | None = DEFAULT_TIMEOUT
    oneway: bool = False


def read_limits(context: Context, defaults: Limits) -> Limits:
    """Read a server execution context in either spelling, snake_case first.

    An absent context means `defaults`, a null one no limits. A key that is missing or null
    means no limit, unless the context says `"defaults": true`, as our own clients do: then a
    missing key takes its default.

    Raises:
        ProtocolError: A timeout that isn't a number, or is NaN or -inf.
    """
    if context is msgspec.UNSET:
        return defaults
    if context is None:
        return Limits(None, None, False)
    assert isinstance(context, dict)
    fill = context.get("defaults") is True
    if fill and len(context) == 2 and context.get("oneway") is False:
        return defaults  # nearly all of them
    wait, run = defaults.invocation_timeout, defaults.execution_timeout
    return Limits(
        _seconds(context, "invokation_timeout", "invokationTimeout", wait if fill else None),
        _seconds(context, "execution_timeout", "executionTimeout", run if fill else None),
        bool(context.get("oneway", False)),
    )


def _seconds(
    context: Mapping[str, Any], snake: str, camel: str, missing: float | None
) -> float | None:
    name = snake if snake in context else camel
    try:
        return duration(context.get(name, missing), _TIMEOUTS[name], overdue=True)
    except (TypeError, ValueError) as error:
        raise ProtocolError(str(error)) from error


def plain_context(context: Mapping[str, Any] | msgspec.UnsetType | None) -> Context:
    """A context as it is sent: its timeouts by the rule for lengths of time, None for no end.

    JSON has no infinities and no NaN: they would travel as null, as no limit.

    Raises:
        ProtocolError: A timeout that isn't a number of seconds, 0 or more, or None.
    """
    if context is None or context is msgspec.UNSET:
        return context
    assert isinstance(context, Mapping)
    plain = dict(context)
    try:
        for name in _TIMEOUTS:
            if name in plain:
                plain[name] = duration(plain[name], _TIMEOUTS[name])
    except (TypeError, ValueError) as error:
        raise ProtocolError(str(error)) from error
    return plain


def execution_context(
    invocation_timeout: float | None = DEFAULT_TIMEOUT,
    execution_timeout: float | None = DEFAULT_TIMEOUT,
    oneway: bool = False,
) -> dict[str, Any]:
    """A server execution context in both spellings, so that every release reads it."""
    return {
        "invokation_timeout": invocation_timeout,
        "execution_timeout": execution_timeout,
        "invokationTimeout": invocation_timeout,
        "executionTimeout": execution_timeout,
        "oneway": oneway,
    }


_UUID4 = (4 << 76) | (0b10 << 62)  # version nibble and variant bits of RFC 9562, section 5.4
_SEQUENCE_BITS = 46
_TAG_BITS = 16
_LENGTH = 36


EVENTS_PER_LIFE = 10**9
"""Each life of a worker numbers its events from a multiple of this, so that a restart shows."""


ID_MARK = "-the-id-"
"""Stands in a header that is encoded once for many messages."""


def around_id(head: bytes) -> tuple[bytes, bytes]:
    """What stands before and after the id in an encoded header whose id is `ID_MARK`."""
    before, _, after = head.partition(ID_MARK.encode())
    return before, after


def event_id(sequence: int, time_ns: int | None = None, tag: int | None = None) -> str:
    """A message id for an event that carries its sequence number and time.

    The header of an event has no room for them and clients of the format refuse further
    fields, so they take the bits of a UUID4 that are free: 60 bits of microseconds since the
    epoch, then 46 bits of sequence and 16 random ones.

    Args:
        sequence: 0 to 2**46 - 1.
        time_ns: Nanoseconds since the epoch; now if left out.
        tag: The random bits; a publisher that keeps to some shows by others that it is another.
    """
    microseconds = (time.time_ns() if time_ns is None else time_ns) // 1000
    low = (sequence & ((1 << _SEQUENCE_BITS) - 1)) << _TAG_BITS
    low |= random.getrandbits(_TAG_BITS) if tag is None else tag
    high = microseconds & ((1 << 60) - 1)
    value = ((high >> 12) << 80) | ((high & 0xFFF) << 64) | low | _UUID4
    text = f"{value:032x}"  # a third of the time that uuid.UUID takes, and back
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def read_event_id(message_id: str) -> tuple[int, float]:
    """Sequence number and time (seconds since the epoch) of an id made by `event_id`.

    Raises:
        ValueError: Not a UUID.
    """
    value = _number_of(message_id)
    high = ((value >> 80) << 12) | ((value >> 64) & 0xFFF)
    return (value & ((1 << 62) - 1)) >> _TAG_BITS, high / 1e6


def new_tag() -> int:
    """A tag for the ids of one publisher's events."""
    return random.getrandbits(_TAG_BITS)


def tag_of(token: bytes) -> int:
    """The tag of what a life publishes, which the rig knows too: by the token of that life."""
    return zlib.crc32(token) & ((1 << _TAG_BITS) - 1)


def is_of_nothing(sequence: int) -> bool:
    """Whether it is the number before the first event of a life, which no event has."""
    return sequence % EVENTS_PER_LIFE == 0


def event_tag(message_id: str) -> int:
    """The tag of an id made by `event_id`. Raises ValueError: Not a UUID."""
    return _number_of(message_id) & ((1 << _TAG_BITS) - 1)


def _number_of(message_id: str) -> int:
    if len(message_id) != _LENGTH:
        raise ValueError(f"{message_id!r:.80} is no UUID")
    return int(message_id.replace("-", ""), 16)

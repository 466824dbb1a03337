"""The private side: control messages between the broker and a worker's lanes.

A lane is one DEALER of a worker. Its routing id is `<token>.<lane>`, where the token is a secret
of that incarnation: knowing it is what opens the link. Frames at the DEALER are::

    [number, header, payload, raw]

Number 0 is a control message, any other the broker's number of a dispatch. A request's last three
frames are the client's, untouched; a reply's are the client's answer, complete.

Beside the queued lane there are tickets: a pipe that the broker writes to, and whose reading end
it shares with the worker. It writes a dispatch's number there before it sends the message, and the
worker takes it from there before it starts the operation. Whatever the broker takes from there
first, while the worker hangs or after it died, never starts. Numbers rise on both ways, so that
the worker runs what comes on both; a message whose ticket is gone it gives back with three empty
frames.
"""

from __future__ import annotations

from typing import Any

import msgspec

from transports.errors import ProtocolError, SerializationError
from transports.serializers import decode

QUEUED = "q"
CONCURRENT = "c"
NUMBER_SIZE = 8
"""Bytes of a request's number, and of its ticket."""
CONTROL = bytes(NUMBER_SIZE)
LINK_FRAMES = 4
PRESENCE = b"\xff"
"""A topic that the rig is always subscribed to, and nothing is published under.

A new publisher is told of subscriptions in the order of their bytes, and no UTF-8 has this one:
whoever is told of it knows the others.
"""


def barrier_topic(number: int) -> bytes:
    """A topic that nothing is published under: whoever is told of it knows the subscriptions that
    the rig passed on before, see `Barrier`."""
    return PRESENCE + pack_number(number)


class LaneOpen(msgspec.Struct, frozen=True, tag_field="type", tag="lane_open"):
    """First message of each lane: the broker may send to it now."""


class Ready(msgspec.Struct, frozen=True, tag_field="type", tag="ready"):
    """The driver is built. The payload frame holds its description.

    Attributes:
        concurrent: Members that go to the concurrent lane.
        capacity: How many of them may run at once.
        pid: Its process: the launch may not have been told yet that it succeeded.
        claims: Whether its queued lane takes an operation's ticket before it starts it.
    """

    concurrent: tuple[str, ...] = ()
    capacity: int = 0
    pid: int | None = None
    claims: bool = False


class Described(msgspec.Struct, frozen=True, tag_field="type", tag="described"):
    """The driver has other members now. The payload frame holds its description.

    Attributes:
        concurrent: Members that go to the concurrent lane.
        capacity: How many of them may run at once.
    """

    concurrent: tuple[str, ...] = ()
    capacity: int = 0


class Starting(msgspec.Struct, frozen=True, tag_field="type", tag="starting"):
    """The driver isn't built yet, which takes a while.

    Attributes:
        doing: The driver's innermost function, such as `Chiller.__init__ (chiller.py:14)`.
    """

    doing: str


class Failed(msgspec.Struct, frozen=True, tag_field="type", tag="failed"):
    """The driver could not be built; the worker exits after this.

    Attributes:
        stage: What was being done: `import`, `arguments`, `build` or `describe`.
        exception: Type, message and traceback, as on the wire.
    """

    stage: str
    exception: dict[str, Any]


class Stop(msgspec.Struct, frozen=True, tag_field="type", tag="stop"):
    """To a worker: close the driver and exit."""


class Reopen(msgspec.Struct, frozen=True, tag_field="type", tag="reopen"):
    """To a worker: close the driver, open it again, and do what is done before it is ready.

    Attributes:
        kept: The frames of writes that are repeated: header, payload, raw.
    """

    kept: tuple[tuple[bytes, bytes, bytes], ...] = ()


class ClientLeft(msgspec.Struct, frozen=True, tag_field="type", tag="client_left"):
    """To a worker: a client that has streams of it is gone.

    Attributes:
        client: Its routing id, the sender of its requests.
    """

    client: str


class Interrupt(msgspec.Struct, frozen=True, tag_field="type", tag="interrupt"):
    """To a worker's concurrent lane: interrupt an operation, where it is the driver's Python code.

    Attributes:
        number: The dispatch; one that has ended is left alone.
        seconds: For how long that is to be tried.
    """

    number: int
    seconds: float


class SetLevel(msgspec.Struct, frozen=True, tag_field="type", tag="set_level"):
    """To a worker: send records from this level on."""

    level: str


class Fenced(msgspec.Struct, frozen=True, tag_field="type", tag="fenced"):
    """To each lane of a worker: requests that name an older lease come too late.

    Attributes:
        number: The least that isn't of a lease that has ended.
        held: Who has it now, for people.
    """

    number: int
    held: str


class Barrier(msgspec.Struct, frozen=True, tag_field="type", tag="barrier"):
    """To each lane of a worker that doesn't go by ZeroMQ: somebody subscribed before what follows.

    Subscriptions come by another connection, which a request may overtake.

    Attributes:
        number: Of the topic that tells that they have come.
    """

    number: int


class Watch(msgspec.Struct, frozen=True, tag_field="type", tag="watch"):
    """To a worker: tell what was read of these properties, now and whenever they are polled.

    Attributes:
        members: In place of those so far.
    """

    members: tuple[str, ...] = ()


class Polled(msgspec.Struct, frozen=True, tag_field="type", tag="polled"):
    """A property that is watched was polled.

    Attributes:
        name: The property.
        value: Its value as the text of a float, as JSON has no infinity; empty for none.
        fault: Why there is none.
        is_final: It won't ever be a number.
    """

    name: str
    value: str = ""
    fault: str = ""
    is_final: bool = False


def decode_description(frame: Any) -> Any:
    """The description in a payload frame.

    Raises:
        ProtocolError: It can't be read.
    """
    try:
        return decode(bytes(frame))
    except SerializationError as error:
        raise ProtocolError(str(error)) from error


Control = (
    LaneOpen
    | Ready
    | Described
    | Starting
    | Failed
    | Stop
    | SetLevel
    | ClientLeft
    | Reopen
    | Interrupt
    | Fenced
    | Barrier
    | Watch
    | Polled
)

encode_control = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Control)


def decode_control(header: bytes | memoryview) -> Control:
    """Decode a control message.

    Raises:
        ProtocolError: Not a control message of this release.
    """
    try:
        control: Control = _decoder.decode(header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"control message: {error}") from error
    return control


def routing_id(token: str, lane: str) -> bytes:
    """The routing id of a lane."""
    return f"{token}.{lane}".encode()


def pack_number(number: int) -> bytes:
    """A request number as its frame."""
    return number.to_bytes(NUMBER_SIZE, "big")


def unpack_number(frame: bytes) -> int:
    """The request number of a frame. Raises ProtocolError if it isn't eight bytes."""
    if len(frame) != 8:
        raise ProtocolError(f"a request number has 8 bytes, this frame {len(frame)}")
    return int.from_bytes(frame, "big")

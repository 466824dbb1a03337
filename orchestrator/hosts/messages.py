"""What a rig and an agent tell each other: JSON, with bytes of output beside it.

A rig connects to nobody: agents come to its address by CURVE, each with keys that the rig has made
for it. What starts an agent gives it one line of JSON, a `Start`; the end of its standard input is
its own.

Messages are of two kinds. Those in `Told` are numbered and come once and in order, whatever
becomes of connections between (see `hosts.channel`). The others are worth something only now.
"""

from __future__ import annotations

from typing import Any

import msgspec

from transports.errors import ProtocolError

PROTOCOL = 1
"""Of agents and rigs that understand each other."""
RELIABLE_PARTS = 4
"""Frames of a message: number, number of the last one taken, the message, bytes of output."""


class Start(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """What an agent is given at its start.

    Attributes:
        protocol: Of the rig.
        release: The rig's release of orch.
        rig: Its id.
        host: The host's name in the rig's config.
        address: Where the agent connects.
        server: Public half of the rig's key.
        public, secret: The agent's own pair.
        token: Names this one agent; it is let in once.
        lost_after: Seconds of silence after which each gives up the other.
        folder: Where drivers are, and workers run; empty for the user's home.
        place: Tells rigs of this id from each other, for the lock of one agent after the other.
    """

    protocol: int
    release: str
    rig: str
    host: str
    address: str
    server: str
    public: str
    secret: str
    token: str
    lost_after: float
    folder: str = ""
    place: str = ""

    def __repr__(self) -> str:
        return f"<Start of {self.rig}/{self.host}>"  # the rest are secrets


class Hello(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """An agent is there.

    Attributes:
        protocol, release: Of the agent.
        python: Its interpreter's version.
        system: Of the machine, such as `Linux 6.1 x86_64`.
        name: What the machine calls itself.
        pid: The agent.
        folder: Where workers run, absolute.
    """

    protocol: int
    release: str
    python: str
    system: str
    name: str
    pid: int
    folder: str


class Usage(msgspec.Struct, frozen=True, array_like=True):
    """What a worker's process has used: CPU seconds since its start, and bytes of memory."""

    cpu: float
    memory: int


class Renew(msgspec.Struct, frozen=True, tag_field="type", tag="renew"):
    """An agent asks that its lease be renewed, counted from when it sent this.

    Attributes:
        number: Of this question.
        granted: Of the last one whose answer has come.
        clock: Seconds since the epoch, by the host's clock.
        held: Bytes that the rig isn't known to have.
        over: Why the agent has no lease any more; empty while it has.
        usage: By worker.
    """

    number: int
    granted: int
    clock: float
    held: int = 0
    over: str = ""
    usage: dict[str, Usage] = {}


class Grant(msgspec.Struct, frozen=True, tag_field="type", tag="grant"):
    """A rig answers an agent's question.

    Attributes:
        number: Of the question.
        renews: Whether the lease is renewed; not that of an agent that was given up.
        paused: As of `Taken`.
    """

    number: int
    renews: bool = True
    paused: tuple[tuple[str, int, str], ...] = ()


class Taken(msgspec.Struct, frozen=True, tag_field="type", tag="taken"):
    """A rig has taken much of what an agent has sent; the number is among the frames.

    Attributes:
        paused: Streams of which it has more than it can store: worker, incarnation, name.
    """

    paused: tuple[tuple[str, int, str], ...] = ()


class Refused(msgspec.Struct, frozen=True, tag_field="type", tag="refused"):
    """An agent isn't one that the rig waits for, or any more: it ends all that it has, and itself.

    Attributes:
        why: For people.
    """

    why: str


class Launch(msgspec.Struct, frozen=True, tag_field="type", tag="launch"):
    """Have a worker started.

    Attributes:
        worker, incarnation: Whose life it is; of each number there is one at most.
        spec: What its process is told, as builtins.
        python: Its interpreter; empty for the agent's own.
        cwd: Its folder; empty for the agent's.
        env: Variables to add to its environment.
        recipe: How its device is made safe once it has ended, as `workers.process.recipe` reads it;
            None if it isn't.
    """

    worker: str
    incarnation: int
    spec: dict[str, Any]
    python: str = ""
    cwd: str = ""
    env: dict[str, str] = {}
    recipe: dict[str, Any] | None = None


class Signal(msgspec.Struct, frozen=True, tag_field="type", tag="signal"):
    """Signal a worker, as `launchers.handle.Handle.signal` does, or `insist`."""

    worker: str
    incarnation: int
    how: str


class Secure(msgspec.Struct, frozen=True, tag_field="type", tag="secure"):
    """Make the device of a worker safe that has ended."""

    worker: str
    incarnation: int


class Bye(msgspec.Struct, frozen=True, tag_field="type", tag="bye"):
    """The rig needs the agent no more."""


class Started(msgspec.Struct, frozen=True, tag_field="type", tag="started"):
    """A worker has a process."""

    worker: str
    incarnation: int
    pid: int


class Unstarted(msgspec.Struct, frozen=True, tag_field="type", tag="unstarted"):
    """A worker couldn't be started.

    Attributes:
        worker, incarnation: Whose life it was to be.
        number: The error's `errno`; 0 for none.
        text: The reason.
        lived: Whether it may have lived for a moment.
    """

    worker: str
    incarnation: int
    number: int
    text: str
    lived: bool = False


class Output(msgspec.Struct, frozen=True, tag_field="type", tag="output"):
    """What a worker has written; the bytes are beside it.

    Attributes:
        worker, incarnation: Whose.
        stream: `stdout`, `stderr` or `record`.
        mark: What marks of requests in it begin with (see `workers.output.request_marks`).
        lost: Bytes before these that there was no room to keep.
    """

    worker: str
    incarnation: int
    stream: str
    mark: str = ""
    lost: int = 0


class Held(msgspec.Struct, frozen=True, tag_field="type", tag="held"):
    """Something keeps a worker from running Python code: see `Handle.insist`."""

    worker: str
    incarnation: int
    held: str


class Secured(msgspec.Struct, frozen=True, tag_field="type", tag="secured"):
    """What `Secure` asked for has been done.

    Attributes:
        worker, incarnation: Whose device it is.
        failure, trace: What was in the way, and its traceback; empty if nothing was.
        output: The last lines that were written meanwhile.
    """

    worker: str
    incarnation: int
    failure: str
    trace: str
    output: list[str]


class Ended(msgspec.Struct, frozen=True, tag_field="type", tag="ended"):
    """A worker's process, and all below it, is over; all of its output came before.

    Attributes:
        worker, incarnation: Whose.
        text, normal, unusable, wants, status: As of `core.children.Exit`.
    """

    worker: str
    incarnation: int
    text: str
    normal: bool
    unusable: bool = False
    wants: bool = False
    status: int = 1


Told = Launch | Signal | Secure | Bye | Started | Unstarted | Output | Held | Secured | Ended
"""Messages that come once, and in order."""
Message = Told | Hello | Renew | Grant | Taken | Refused

encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Message)


def decode(frame: bytes) -> Message:
    """A message.

    Raises:
        ProtocolError: It is none of this release.
    """
    try:
        message: Message = _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"a host's message: {error}") from error
    return message

"""What the supervisor and the collector tell each other, one JSON line each, over their socket."""

from __future__ import annotations

import msgspec

from orchestrator.logs.store.records import Source
from workers.output.pipes import Stream

MAX_MESSAGE = 4096


class Collect(msgspec.Struct, frozen=True, tag="collect"):
    """Read a stream; the read end of its pipe comes with the message.

    `slot` is where its last mark is kept for the next collector, -1 nowhere.
    """

    worker: str
    incarnation: int
    stream: Stream
    shared: bool = False
    slot: int = -1

    @property
    def source(self) -> Source:
        """The stream's names."""
        return Source(self.worker, self.incarnation, self.stream, self.shared)


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """An incarnation is over; `how` says in what words, None if as it should."""

    worker: str
    incarnation: int
    how: str | None = None


class Hide(msgspec.Struct, frozen=True, tag="hide"):
    """From now on mask this text in whatever is collected."""

    text: str


class Close(msgspec.Struct, frozen=True, tag="close"):
    """No more streams will come: exit when all have ended, or at `deadline`.

    That is the system's monotonic time in seconds, which is the same in both processes.
    """

    deadline: float


class Stacks(msgspec.Struct, frozen=True, tag="stacks"):
    """From the collector: an incarnation has written its stacks.

    Attributes:
        where: Where it is, in one line.
        text: The stacks.
    """

    worker: str
    incarnation: int
    where: str
    text: str


class LastLines(msgspec.Struct, frozen=True, tag="last lines"):
    """From the collector: what an incarnation wrote last that died, after its `Ended`."""

    worker: str
    incarnation: int
    lines: list[str]


Message = Collect | Ended | Hide | Close
News = Stacks | LastLines

_decoder = msgspec.json.Decoder(Message)


_news_decoder = msgspec.json.Decoder(News)


def decode_news(line: bytes) -> News:
    """What the collector told. Raises msgspec.DecodeError if it isn't that."""
    news: News = _news_decoder.decode(line)
    return news


def encode(message: Message | News) -> bytes:
    """The message as a line."""
    return msgspec.json.encode(message) + b"\n"


def decode(line: bytes) -> Message:
    """The message of a line.

    Raises:
        msgspec.DecodeError: It isn't one.
    """
    message: Message = _decoder.decode(line)
    return message

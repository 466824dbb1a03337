"""A bench for the broker's core: frames as a client and a worker would send them.

Written from the wire format with the standard library's JSON, so that a mistake in the
project's own codec can't hide itself.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.admission import Caps
from orchestrator.core.broker import Broker
from orchestrator.core.effects import Describe, Effect, Fact, ToClient, ToWorker
from tests.core.told import KeeperTold, taken
from transports.headers import Limits

RIG = "rig"
CONTROL = bytes(8)
ABSENT = object()
RESPONSE_FIELDS = {
    "messageType",
    "messageID",
    "receiverID",
    "senderID",
    "payloadContentType",
    "preencodedPayloadContentType",
}


def request(
    id: Any = "1",
    worker: Any = "stage",
    member: str = "move",
    *,
    client: str = "alice",
    context: Any = ABSENT,
    payload: bytes = b"null",
    raw: bytes = b"",
    without: Iterable[str] = (),
    **header: Any,
) -> list[bytes]:
    """A client's request as the broker's ROUTER receives it.

    Args:
        id: Message id.
        worker: Thing id.
        member: Name of the property or action.
        client: Identity of its socket and sender in its header.
        context: Server execution context; left out if not given.
        payload: Frame 3.
        raw: Frame 4.
        without: Fields to leave out.
        header: Further or other header fields.
    """
    fields: dict[str, Any] = {
        "messageType": "OPERATION",
        "messageID": id,
        "senderID": client,
        "receiverID": RIG,
        "thingID": worker,
        "objekt": member,
        "operation": "invokeaction",
    }
    if context is not ABSENT:
        fields["serverExecutionContext"] = context
    fields |= header
    for name in without:
        del fields[name]
    return [client.encode(), b"", json.dumps(fields).encode(), payload, raw]


def reply_frames(asked: dict[str, Any], payload: Any = None, kind: str = "REPLY") -> list[bytes]:
    """Header, payload and raw frame of a worker's answer to a request header."""
    header = {
        "messageType": kind,
        "messageID": asked["messageID"],
        "receiverID": asked["senderID"],
        "senderID": RIG,
        "payloadContentType": "application/json",
        "preencodedPayloadContentType": "text/plain",
    }
    return [json.dumps(header).encode(), json.dumps(payload).encode(), b""]


@dataclass(frozen=True)
class Answer:
    """What a client is sent."""

    client: str
    header: dict[str, Any]
    payload: bytes
    raw: bytes

    @classmethod
    def read(cls, effect: ToClient) -> Answer:
        """Read the five frames and check what holds for every answer."""
        identity, empty, header, payload, raw = (bytes(frame) for frame in effect.frames)
        assert empty == b""
        assert payload, "an empty JSON payload makes clients fail"
        fields = json.loads(header)
        assert set(fields) == RESPONSE_FIELDS, "any other key makes clients fail"
        assert fields["senderID"] == RIG
        return cls(identity.decode("utf-8", "replace"), fields, payload, raw)

    @property
    def id(self) -> Any:
        return self.header["messageID"]

    @property
    def kind(self) -> str:
        kind: str = self.header["messageType"]
        return kind

    @property
    def value(self) -> Any:
        """The payload, decoded."""
        return json.loads(self.payload)

    @property
    def error(self) -> dict[str, Any]:
        """The exception in the payload, checked to be one that clients can raise."""
        error: dict[str, Any] = self.value["exception"]
        assert isinstance(error["traceback"], list)
        assert error["traceback"], "an empty traceback makes clients fail"
        return error

    @property
    def summary(self) -> tuple[Any, ...]:
        """Id, type, and outcome or value: enough to compare."""
        if self.kind in ("EXCEPTION", "INVALID_MESSAGE"):
            return self.id, self.kind, self.error["type"], self.error["outcome"]
        return self.id, self.kind, self.value


@dataclass(frozen=True)
class Sent:
    """What a worker's lane is sent."""

    lane: str
    number: int
    header: dict[str, Any]
    payload: bytes
    raw: bytes

    @classmethod
    def read(cls, effect: ToWorker) -> Sent:
        """Read the frames: routing id, number, header, payload, raw."""
        lane, number, header, payload, raw = (bytes(frame) for frame in effect.frames)
        assert int.from_bytes(number, "big") == effect.number
        return cls(lane.decode(), effect.number, json.loads(header), payload, raw)

    @property
    def id(self) -> Any:
        return self.header["messageID"]


@dataclass
class Bench:
    """A broker's core with a clock of its own and everything that it gave back.

    Attributes:
        answers: What clients were sent, in order.
        sent: What workers were sent, control messages included.
        facts: What was worth a record.
        others: All other effects.
    """

    caps: Caps | None = None
    now: float = 100.0
    answers: list[Answer] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    others: list[Effect] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.effects: deque[Any] = deque()
        self.keeper = KeeperTold(self.effects)
        self.broker = Broker(RIG, self.effects, self.keeper, self.caps)

    def add(
        self,
        worker: str = "stage",
        limits: Limits | None = None,
        timeouts: dict[str, float | None] | None = None,
    ) -> None:
        """Make a worker known."""
        self.broker.add_worker(worker, limits or Limits(None, None), timeouts)

    def collect(self) -> None:
        """Sort the new effects into the lists."""
        for effect in taken(self.effects):
            match effect:
                case ToClient():
                    self.answers.append(Answer.read(effect))
                case ToWorker():
                    self.sent.append(Sent.read(effect))
                case Fact():
                    self.facts.append(effect)
                case _:
                    self.others.append(effect)

    # -- clients --------------------------------------------------------------------------

    def ask(self, *args: Any, **kwargs: Any) -> None:
        """Send a request; arguments as of `request`."""
        self.give(request(*args, **kwargs))

    def give(self, frames: list[Any], count: int | None = None) -> None:
        """Send frames as they are."""
        self.broker.receive_client(frames, self.now, count)
        self.collect()

    # -- workers --------------------------------------------------------------------------

    def expect(self, worker: str = "stage", incarnation: int = 1) -> None:
        """Await an incarnation, with a token made of its name and number."""
        self.tokens[worker] = token = f"{worker}{incarnation}"
        self.broker.expect(worker, incarnation, token)
        self.collect()

    def control(self, lane: str, message: dict[str, Any], payload: bytes = b"") -> None:
        """Send a control message from a lane, named by its routing id."""
        self.link(lane, [CONTROL, json.dumps(message).encode(), payload, b""])

    def link(self, lane: str, frames: list[Any]) -> None:
        """Send frames from a lane."""
        self.broker.receive_link([lane.encode(), *frames], self.now)
        self.collect()

    def open_lanes(self, worker: str = "stage") -> None:
        """Open both lanes of the expected incarnation."""
        for lane in "qc":
            self.control(f"{self.tokens[worker]}.{lane}", {"type": "lane_open"})

    def say_ready(
        self,
        worker: str = "stage",
        concurrent: Iterable[str] = (),
        capacity: int = 0,
        description: Any = None,
        *,
        claims: bool = False,
    ) -> None:
        """Report the expected incarnation ready; `claims`: it takes tickets."""
        message: dict[str, Any] = {"type": "ready", "concurrent": list(concurrent)}
        message |= {"capacity": capacity, "claims": claims}
        said = json.dumps(description or {"title": "Stage"}).encode()
        self.control(f"{self.tokens[worker]}.q", message, said)

    def bring_up(
        self,
        worker: str = "stage",
        incarnation: int = 1,
        concurrent: Iterable[str] = (),
        capacity: int = 0,
        *,
        claims: bool = False,
    ) -> None:
        """Take an incarnation from expected to ready."""
        self.expect(worker, incarnation)
        self.open_lanes(worker)
        self.say_ready(worker, concurrent, capacity, claims=claims)

    def reply(self, sent: Sent, value: Any = None, kind: str = "REPLY") -> None:
        """Answer an operation as its worker would."""
        number = sent.number.to_bytes(8, "big")
        self.link(sent.lane, [number, *reply_frames(sent.header, value, kind)])

    def give_back(self, sent: Sent) -> None:
        """Give back an operation whose ticket is gone, as its worker would."""
        self.link(sent.lane, [sent.number.to_bytes(8, "big"), b"", b"", b""])

    def take_back(self, *unclaimed: Sent, worker: str = "stage", incarnation: int = 1) -> None:
        """Take tickets back: those of these operations are there."""
        numbers = [sent.number for sent in unclaimed]
        self.broker.taken_back(worker, incarnation, numbers, self.now)
        self.collect()

    def lose(self, worker: str = "stage", *, holds: bool = True, reason: str = "died") -> None:
        """End the incarnation."""
        self.broker.lost(worker, self.now, reason=reason, holds=holds)
        self.collect()

    def unreachable(self, sent: Sent) -> None:
        """Tell that a message couldn't be sent."""
        self.broker.unreachable(sent.number, self.now)
        self.collect()

    def stop(self, worker: str = "stage", *, hold: bool, reason: str = "stopping") -> bool:
        """Ask a worker to stop."""
        told = self.broker.ask_to_stop(worker, self.now, hold=hold, reason=reason)
        self.collect()
        return told

    def describe(self, effect: Effect, value: Any, kind: str = "REPLY") -> None:
        """Give the answer that a `Describe` effect asks for."""
        assert isinstance(effect, Describe)
        self.broker.described(effect.number, kind, json.dumps(value).encode())
        self.collect()

    # -- time and looks -------------------------------------------------------------------

    def at(self, now: float) -> None:
        """Move the clock and let what is due happen."""
        self.now = now
        self.broker.tick(now)
        self.collect()

    @property
    def last(self) -> Answer:
        """The latest answer."""
        return self.answers[-1]

    @property
    def summaries(self) -> list[tuple[Any, ...]]:
        """All answers, short."""
        return [answer.summary for answer in self.answers]

    @property
    def started(self) -> list[Any]:
        """Ids of the requests that workers were given, in order."""
        return [sent.id for sent in self.sent if sent.number]

    def assert_empty(self) -> None:
        """Nothing is kept of anything any more."""
        broker = self.broker
        assert not broker.ledger.requests
        assert not broker.ledger.unanswered
        assert broker.ledger.deadlines.next() is None
        for name, peer in broker.peers.items():
            assert broker.queued(name) == 0
            assert broker.running(name) == []
            assert peer.waiting_bytes == 0
            assert [len(lane.queue) for lane in peer.lanes] == [0, 0]

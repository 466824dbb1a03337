"""Message bytes against frames recorded between hololinked 0.4.2's clients and servers.

The recording is made by `scripts/record.py`, against the Things of `scripts/serve.py`; nothing
here needs hololinked.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zmq

from orchestrator.core.broker import Broker
from orchestrator.core.effects import ToClient, ToWorker
from tests.core.told import KeeperTold, taken
from transports.headers import Limits
from transports.hololinked.messages import EventMessage, RequestMessage, ResponseMessage
from transports.link import CONTROL, QUEUED, LaneOpen, Ready, encode_control, routing_id
from transports.serializers import PreserializedData, SerializableData
from workers.driver.describe import describe
from workers.driver.markers import Event, prop
from workers.serving.dispatch import Dispatcher
from workers.serving.events import ChangeWatcher, EventPublisher

Frames = list[bytes]
RAW_LABELS = {"application/json": "application/octet-stream"}
"""How hololinked labels raw bytes, and how they are labelled here; no client reads the label."""


@dataclass
class Step:
    """What was seen during one step.

    Attributes:
        requests: As a server's socket receives them: frame 0 is the client.
        responses: As a client's socket receives them: frame 0 is the server.
        events: As consumers receive them.
    """

    requests: list[Frames] = field(default_factory=list)
    responses: list[Frames] = field(default_factory=list)
    events: list[Frames] = field(default_factory=list)


def recorded() -> dict[str, Step]:
    """The recording, by step."""
    path = Path(__file__).with_name("frames") / "hololinked-0.4.2.json"
    steps: dict[str, Step] = {}
    for seen in json.loads(path.read_text()):
        frames = [text.encode("latin-1") for text in seen["frames"]]
        getattr(steps.setdefault(seen["step"], Step()), f"{seen['kind']}s").append(frames)
    return steps


STEPS = recorded()
TIMEOUTS = "client runs into timeouts"


class Box:
    """The Thing of the recording, as a plain driver."""

    ticked = Event()
    blob = Event()
    label: str = "box"

    def __init__(self) -> None:
        self._level = 1.0

    @prop(observable=True)
    def level(self) -> float:
        return self._level

    @level.setter
    def level(self, value: float) -> None:
        self._level = value

    def add(self, a: int | float, b: int | float = 2) -> int | float:
        return a + b

    def raw(self, size: int = 4) -> bytes:
        return bytes(range(size))

    def pair(self) -> tuple[dict[str, int], bytes]:
        return {"size": 3}, b"\x01\x02\x03"

    def take(self, data: bytes, factor: int = 1) -> int:
        return len(data) * factor

    def fail(self, text: str = "it failed") -> None:
        raise ValueError(text)

    def wait(self, seconds: float) -> float:
        return seconds

    def tick(self) -> None:
        self.ticked.emit({"n": 0})

    def send_blob(self) -> None:
        self.blob.emit(b"\x07\x08")


class Rig:
    """A broker's core and a worker's dispatcher joined by their frames; events over inproc."""

    def __init__(self, context: zmq.Context[Any]) -> None:
        self.now = 0.0
        self.events = context.socket(zmq.SUB)
        self.events.bind("inproc://events")
        self.events.subscribe(b"one/")  # as its consumers do: the form for ours has another topic
        publisher = EventPublisher(
            context, "inproc://events", rig="holo", worker="one", base=0, token="token"
        )
        self.events.poll(0)  # sees the publisher, and tells it of the subscription
        self.close = lambda: (publisher.close(0), self.events.close(0))
        box, description = Box(), describe(Box)
        for name in ("ticked", "blob"):
            getattr(box, name).attach(lambda value, name=name: publisher.publish(name, value))
        self.dispatcher = Dispatcher(
            box,
            description,
            rig="holo",
            worker="one",
            wait=lambda awaitable: awaitable,
            seen=ChangeWatcher(publisher).seen,
        )
        self.effects: deque[Any] = deque()
        self.broker = Broker("holo", self.effects, KeeperTold(self.effects))
        self.broker.add_worker("one", Limits(5.0, 5.0))
        self.broker.expect("one", 1, "token")
        self.lane = routing_id("token", QUEUED)
        self._say(LaneOpen())
        self._say(Ready(), json.dumps(description).encode())
        taken(self.effects)

    def published(self) -> list[Frames]:
        """The events since the last call."""
        found = []
        while self.events.poll(0):
            topic, token, *frames = self.events.recv_multipart()
            assert token == b"token"
            found.append([topic, b"", *frames])  # as the rig passes it on
        return found

    def _say(self, control: Any, payload: bytes = b"") -> None:
        frames = [self.lane, CONTROL, encode_control(control), payload, b""]
        self.broker.receive_link(frames, self.now)

    def ask(self, frames: Frames, *, answer: bool = True) -> list[Frames]:
        """Send a client's frames; what the client receives, frame 0 still being its identity."""
        self.broker.receive_client(list(frames), self.now)
        return self.answers(answer)

    def answers(self, answer: bool = True) -> list[Frames]:
        """Let the worker perform what it was given, if it shall; what clients receive."""
        told: list[Frames] = []
        while effects := taken(self.effects):
            for effect in effects:
                if isinstance(effect, ToClient):
                    told.append([bytes(frame) for frame in effect.frames])
                elif isinstance(effect, ToWorker) and answer:
                    _, number, *request = effect.frames
                    answered = self.dispatcher.respond(*request)
                    self.broker.receive_link([self.lane, number, *answered], self.now)
        return told


@pytest.fixture
def rig() -> Iterator[Rig]:
    with zmq.Context() as context:
        rig = Rig(context)
        yield rig
        rig.close()


def assert_same_response(ours: Frames, theirs: Frames) -> None:
    """The same bytes, but for the words of errors and timeouts, and the label of raw bytes."""
    ours_header, theirs_header = json.loads(ours[2]), json.loads(theirs[2])
    assert (len(ours), ours[1]) == (5, b"")
    assert ours[0] == theirs_header["receiverID"].encode()
    if theirs[4]:
        label = theirs_header["preencodedPayloadContentType"]
        theirs_header["preencodedPayloadContentType"] = RAW_LABELS[label]
    assert ours_header == theirs_header
    if theirs_header["messageType"] != "TIMEOUT":  # in ours it says what kept the worker
        assert ours[4] == theirs[4]
    if theirs_header["messageType"] in ("EXCEPTION", "INVALID_MESSAGE"):
        error, their_error = (json.loads(each[3])["exception"] for each in (ours, theirs))
        assert set(their_error) <= set(error)
        assert error["type"] == their_error["type"]
        assert error["traceback"]
        assert all(isinstance(line, str) for line in error["traceback"])
    else:
        assert ours[3] == theirs[3]


def assert_same_event(ours: Frames, theirs: Frames) -> None:
    """The same bytes, but for the message id and the label of raw bytes."""
    ours_header, theirs_header = json.loads(ours[2]), json.loads(theirs[2])
    assert len(ours_header.pop("messageID")) == len(theirs_header.pop("messageID"))
    if theirs[4]:
        label = theirs_header["preencodedPayloadContentType"]
        theirs_header["preencodedPayloadContentType"] = RAW_LABELS[label]
    assert ours_header == theirs_header
    assert [*ours[:2], *ours[3:]] == [*theirs[:2], *theirs[3:]]


def test_the_recording_is_answered_alike(rig: Rig) -> None:
    """Every step after the other, on one driver: answers and events."""
    compared = 0
    for name, step in STEPS.items():
        if name in ("connect", TIMEOUTS):
            continue
        answers = [answer for request in step.requests for answer in rig.ask(request)]
        assert len(answers) == len(step.responses), name
        published = rig.published()
        assert len(published) == len(step.events), name
        for ours, theirs in zip(answers, step.responses, strict=True):
            assert_same_response(ours, theirs)
            compared += 1
        for ours, theirs in zip(published, step.events, strict=True):
            assert_same_event(ours, theirs)
            compared += 1
    assert compared >= 30


def test_handshakes_are_answered_alike(rig: Rig) -> None:
    responses = {json.loads(each[2])["messageID"]: each for each in STEPS["connect"].responses}
    shaken = 0
    for request in STEPS["connect"].requests:
        header = json.loads(request[2])
        theirs = responses.get(header["messageID"])
        if header["messageType"] == "HANDSHAKE" and theirs is not None:
            (ours,) = rig.ask(request)
            assert_same_response(ours, theirs)
            shaken += 1
    assert shaken >= 2


def test_timeouts_are_answered_alike(rig: Rig) -> None:
    """An operation that overruns, and one behind it that doesn't get its turn."""
    step = STEPS[TIMEOUTS]
    assert rig.ask(step.requests[0], answer=False) == []
    rig.now = 0.3
    rig.broker.tick(rig.now)
    (overrun,) = rig.answers()
    assert rig.ask(step.requests[1]) == []
    rig.now = 0.5
    rig.broker.tick(rig.now)
    (not_started,) = rig.answers()
    assert_same_response(overrun, step.responses[0])
    assert_same_response(not_started, step.responses[1])


CRAFTED: dict[str, tuple[Any, ...]] = {
    "client reads": ("level", "readproperty"),
    "client writes": ("level", "writeproperty", SerializableData(4.5)),
    "client sends msgpack": (
        "level",
        "writeproperty",
        SerializableData(5.5, "application/msgpack"),
    ),
    "client sends bytes": (
        "take",
        "invokeaction",
        SerializableData({"factor": 2}),
        PreserializedData(b"\x00\xff", "application/octet-stream"),
    ),
    "client reads several": ("level,label", "readmultipleproperties"),
    "client writes several": ("", "writemultipleproperties", SerializableData({"level": 6.5})),
    "client asks an unknown action": ("none", "invokeaction"),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_our_requests_have_the_same_frames(name: str) -> None:
    (theirs,) = STEPS[name].requests
    message = RequestMessage.craft_from_arguments("holo", "recorder", "one", *CRAFTED[name])
    ours = [bytes(frame) for frame in message.byte_array]
    header, their_header = json.loads(ours[2]), json.loads(theirs[2])
    assert len(header.pop("messageID")) == len(their_header.pop("messageID"))
    context, their_context = (each.pop("serverExecutionContext") for each in (header, their_header))
    assert their_context.items() <= context.items()  # and the other spelling beside it
    logs, their_logs = (each.pop("thingExecutionContext") for each in (header, their_header))
    assert their_logs.items() <= logs.items()
    assert header == their_header
    assert ours[3:] == theirs[3:]
    assert ours[1] == b""


def test_their_frames_are_read() -> None:
    """By our clients: each answer and each event."""
    read = 0
    for step in STEPS.values():
        for frames in step.responses:
            response = ResponseMessage(frames)
            assert response.header.senderID == "holo"
            response.payload.deserialize()
            read += 1
        for frames in step.events:
            event = EventMessage(frames)
            assert event.event_id.encode() == frames[0]
            event.payload.deserialize()
            read += 1
    assert read >= 35
    pair = ResponseMessage(STEPS["proxy gets a pair"].responses[0])
    assert pair.payload.deserialize() == {"size": 3}
    assert pair.preserialized_payload.value == b"\x01\x02\x03"

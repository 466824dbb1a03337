"""Events on their way to subscribers, and subscriptions on theirs back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.rig import event_relay as module
from orchestrator.rig.event_relay import EventRelay
from tests.rig.sockets_kit import FakeSocket, fake_frames
from transports.headers import PROBE, EventHeader, encode_header, event_id

EVENT = [b"rig/stage/moved", b"", b"{}", b"null", b""]


class Scene:
    """A relay between two fake sockets."""

    def __init__(self) -> None:
        self.collector, self.publisher = FakeSocket(), FakeSocket()
        self.records: list[tuple[str, str]] = []
        sockets: Any = SimpleNamespace(collector=self.collector, publisher=self.publisher)
        self.relay = EventRelay(sockets, self.record)

    def record(self, level: str, text: str, fields: dict[str, Any]) -> None:
        self.records.append((level, text))


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    fake_frames(monkeypatch, module)
    return Scene()


def test_events_pass_untouched_and_in_order(scene: Scene) -> None:
    """All that are there by one call."""
    events = [[*EVENT[:3], str(number).encode(), b""] for number in range(3)]
    for event in events:
        scene.collector.put(*event)
    scene.relay.forward_events(64)
    assert scene.publisher.sent == events
    assert scene.records == []


def test_no_more_than_asked_for(scene: Scene) -> None:
    """So that a flood of events doesn't keep the loop from requests; the rest comes later."""
    for _ in range(5):
        scene.collector.put(*EVENT)
        scene.publisher.put(b"\x01topic")
    scene.relay.forward_events(2)
    scene.relay.forward_subscriptions(3)
    assert (len(scene.publisher.sent), len(scene.collector.sent)) == (2, 3)
    assert (len(scene.collector.inbox), len(scene.publisher.inbox)) == (3, 2)


@pytest.mark.parametrize("frames", [1, 4, "too many"])
def test_a_malformed_event_is_dropped(scene: Scene, frames: int | str) -> None:
    """It is told, and the next one passes."""
    if isinstance(frames, int):
        scene.collector.put(*EVENT[:frames])
    else:
        scene.collector.put_too_many()
    scene.collector.put(*EVENT)
    scene.relay.forward_events(64)
    assert scene.publisher.sent == [EVENT]
    assert scene.records == [("error", "malformed event of a worker dropped")]


@pytest.mark.parametrize("message", [b"\x01rig/stage/moved", b"\x00rig/stage/moved", b"\x01"])
def test_subscriptions_pass_to_workers(scene: Scene, message: bytes) -> None:
    """And their ends; to all topics as well."""
    scene.publisher.put(message)
    scene.relay.forward_subscriptions(64)
    assert scene.collector.sent == [[message]]
    assert scene.publisher.sent == []


def test_a_probe_is_echoed_to_who_asks(scene: Scene) -> None:
    """It doesn't reach workers, and its end is no probe."""
    scene.publisher.put(b"\x01" + PROBE + b"17")
    scene.publisher.put(b"\x00" + PROBE + b"17")
    scene.relay.forward_subscriptions(64)
    assert scene.publisher.sent == [[PROBE + b"17", b"", b"", b"", b""]]
    assert scene.collector.sent == []


def test_what_is_no_subscription_is_dropped(scene: Scene) -> None:
    """A subscriber that sends more frames disturbs nobody."""
    scene.publisher.put_too_many()
    scene.publisher.put(b"\x01topic")
    scene.relay.forward_subscriptions(64)
    assert scene.collector.sent == [[b"\x01topic"]]


@pytest.mark.parametrize("message", [b"", b"\x02topic", b"hello"])
def test_what_a_subscriber_says_besides_goes_nowhere(scene: Scene, message: bytes) -> None:
    """XPUB hands through messages that are no subscriptions; workers never see them."""
    scene.publisher.put(message)
    scene.publisher.put(b"\x01topic")
    scene.relay.forward_subscriptions(64)
    assert scene.collector.sent == [[b"\x01topic"]]


def test_who_asks_is_given_what_is_newer(scene: Scene) -> None:
    """The newest event of just that topic; nothing if it has that, or nobody is subscribed."""
    ids = [event_id(number) for number in (1, 2)]
    heads = [
        encode_header(EventHeader(messageType="EVENT", messageID=each, senderID="", eventID=""))
        for each in ids
    ]
    for head, value in zip(heads, (b"1", b"2"), strict=True):
        scene.collector.put(EVENT[0], b"", head, value, b"raw")
    scene.collector.put(EVENT[0] + b"_far", b"", heads[0], b"9", b"")
    scene.relay.forward_events(64)

    def answer(known: str, topic: bytes = EVENT[0]) -> list[bytes]:
        probe = PROBE + f"any {known} ".encode() + topic
        scene.publisher.sent.clear()
        scene.publisher.put(b"\x01" + probe)
        scene.relay.forward_subscriptions(64)
        (message,) = scene.publisher.sent
        assert message[:2] == [probe, b""]
        return message[2:]

    assert answer(ids[0]) == answer("") == [heads[1], b"2", b"raw"]
    assert answer(ids[1]) == [b"", b"", b""]
    assert answer("", b"rig/stage/none") == [b"", b"", b""]
    scene.publisher.put(b"\x00" + EVENT[0])
    scene.relay.forward_subscriptions(64)
    assert answer(ids[0]) == [b"", b"", b""]

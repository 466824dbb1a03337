"""Events on their way to subscribers, and subscriptions on theirs back."""

from __future__ import annotations

from collections import Counter, deque
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.core.effects import Fact
from orchestrator.core.peers import Formers
from orchestrator.core.tally import Tally
from orchestrator.rig import event_relay as module
from orchestrator.rig.connections import Connection
from orchestrator.rig.event_relay import SUBSCRIPTIONS, EventRelay
from orchestrator.rig.gate import Gate
from tests.rig.sockets_kit import FakeSocket, fake_frames
from transports.headers import PROBE, EventHeader, encode_header, event_id
from transports.link import PRESENCE, barrier_topic

TOKEN, FORMER = b"secret", b"of the life before"
EVENT = [b"stage/moved", b"", b"{}", b"null", b""]


class Scene:
    """A relay between two fake sockets, and connections that are what the test says.

    Attributes:
        connection: Of whatever is received next; None if it is gone.
        cut: Those that were cut off.
    """

    def __init__(self) -> None:
        self.collector, self.publisher = FakeSocket(), FakeSocket()
        self.counts: Counter[str] = Counter()
        self.connection: Connection | None = Connection("tcp://127.0.0.1:1")
        self.cut: list[Connection | None] = []
        self._facts: deque[Any] = deque()
        sockets: Any = SimpleNamespace(collector=self.collector, publisher=self.publisher)
        connections: Any = SimpleNamespace(
            of=lambda *_: self.connection, cut=self._cut, gate=Gate({})
        )
        peers: Any = {"stage": None}
        formers = Formers()
        formers.add("stage", [FORMER])
        self.relay = EventRelay(
            sockets,
            connections,
            publishers={TOKEN: b"stage/"},
            formers=formers,
            peers=peers,
            tally=Tally(self._facts),
            counts=self.counts,
        )
        self.leave = connections.left

    def _cut(self, *_: Any) -> bool:
        self.cut.append(self.connection)
        return True

    def publish(self, *frames: bytes, token: bytes = TOKEN) -> None:
        """Let a worker's event be received."""
        self.collector.put(frames[0], token, *frames[2:])

    @property
    def passed(self) -> list[list[bytes]]:
        """What was passed on to workers, but for barriers."""
        return [each for each in self.collector.sent if each[0][1:2] != PRESENCE]

    @property
    def barriers(self) -> list[list[bytes]]:
        """What tells workers that subscriptions have come."""
        return [each for each in self.collector.sent if each[0][1:2] == PRESENCE]

    @property
    def told(self) -> list[str]:
        return [fact.text for fact in self._facts if isinstance(fact, Fact)]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    fake_frames(monkeypatch, module)
    return Scene()


def test_events_pass_in_order_and_without_their_token(scene: Scene) -> None:
    """All that are there by one call."""
    events = [[*EVENT[:3], str(number).encode(), b""] for number in range(3)]
    for event in events:
        scene.publish(*event)
    scene.relay.forward_events(64, 0.0)
    assert scene.publisher.sent == events
    assert scene.told == []


def test_who_records_has_all_events_in_our_own_form(scene: Scene) -> None:
    """Subscribed to or not; and subscribers have them too."""
    kept: list[tuple[Any, float]] = []
    scene.relay.record(lambda frames, now: kept.append(([each.bytes for each in frames], now)))
    assert scene.passed == [[b"\1@"]]
    scene.publish(*EVENT)
    scene.publish(*EVENT, token=b"nobody's")
    scene.relay.forward_events(64, 7.0)
    assert kept == [([EVENT[0], TOKEN, *EVENT[2:]], 7.0)]
    assert scene.publisher.sent == [EVENT]


def test_subscriptions_are_followed_by_a_barrier(scene: Scene) -> None:
    """One for all that are passed on at once, in place of the one before."""
    for number in range(2):
        scene.publisher.put(b"\x01stage/%d" % number)
    scene.relay.forward_subscriptions(8, 0.0)
    assert scene.collector.sent[-1] == [b"\x01" + barrier_topic(1)]
    assert (len(scene.barriers), scene.relay.barrier) == (1, 1)
    scene.publisher.put(b"\x01stage/2")
    scene.relay.forward_subscriptions(8, 0.0)
    assert scene.barriers[1:] == [[b"\x01" + barrier_topic(2)], [b"\x00" + barrier_topic(1)]]
    scene.publisher.put(b"\x00stage/2")
    scene.relay.forward_subscriptions(8, 0.0)
    assert (len(scene.barriers), scene.relay.barrier) == (3, 2)


def test_no_more_than_asked_for(scene: Scene) -> None:
    """So that a flood of events doesn't keep the loop from requests; the rest comes later."""
    for number in range(5):
        scene.publish(*EVENT)
        scene.publisher.put(b"\x01stage/" + str(number).encode())
    scene.relay.forward_events(2, 0.0)
    scene.relay.forward_subscriptions(3, 0.0)
    assert (len(scene.publisher.sent), len(scene.passed)) == (2, 3)
    assert (len(scene.collector.inbox), len(scene.publisher.inbox)) == (3, 2)


@pytest.mark.parametrize("frames", [2, 4, "too many"])
def test_a_malformed_event_is_dropped(scene: Scene, frames: int | str) -> None:
    """It is told, and the next one passes."""
    if isinstance(frames, int):
        scene.publish(*EVENT[:frames])
    else:
        scene.collector.put_too_many()
    scene.publish(*EVENT)
    scene.relay.forward_events(64, 0.0)
    assert scene.publisher.sent == [EVENT]
    assert scene.told == ["malformed event dropped"]
    assert scene.counts["events dropped"] == 1


def test_a_thread_that_was_left_behind_is_no_stranger(scene: Scene) -> None:
    """Its worker is named; so many events are one record."""
    for _ in range(3):
        scene.publish(*EVENT, token=FORMER)
    scene.relay.forward_events(64, 0.0)
    assert scene.told == ["event dropped: its worker has ended, and a thread runs on"]
    assert scene.counts["events dropped"] == 3


@pytest.mark.parametrize(("topic", "token"), [(b"stage/moved", b"other"), (b"camera/x", TOKEN)])
def test_an_event_of_nobody_or_in_anothers_name_is_dropped(
    scene: Scene, topic: bytes, token: bytes
) -> None:
    """Who publishes is known by the incarnation's token, as who replies is."""
    scene.publish(topic, *EVENT[1:], token=token)
    scene.relay.forward_events(64, 0.0)
    assert scene.publisher.sent == []
    assert scene.counts["events dropped"] == 1
    assert len(scene.told) == 1


@pytest.mark.parametrize("topic", [b"stage/moved", b"sta", b""])
def test_subscriptions_pass_to_workers_once_and_end_with_the_last(
    scene: Scene, topic: bytes
) -> None:
    """Whatever workers could publish, for as long as anybody wants it."""
    one, other = Connection("tcp://127.0.0.1:1"), Connection("tcp://127.0.0.1:1")
    for connection, message in ((one, b"\1"), (other, b"\1"), (one, b"\1"), (one, b"\0")):
        scene.connection = connection
        scene.publisher.put(message + topic)
        scene.relay.forward_subscriptions(64, 0.0)
    assert scene.passed == [[b"\1" + topic]]
    scene.leave(other)
    assert scene.passed == [[b"\1" + topic], [b"\0" + topic]]


def test_nobody_ends_anothers_subscription(scene: Scene) -> None:
    """Though a message that says so reaches the rig."""
    one, other = Connection("tcp://127.0.0.1:1"), Connection("tcp://127.0.0.1:1")
    for connection, message in ((one, b"\1stage/"), (other, b"\0stage/")):
        scene.connection = connection
        scene.publisher.put(message)
        scene.relay.forward_subscriptions(64, 0.0)
    assert scene.passed == [[b"\1stage/"]]


@pytest.mark.parametrize("topic", [b"camera/moved", b"x"])
def test_workers_do_not_see_what_is_not_theirs(scene: Scene, topic: bytes) -> None:
    """However many such subscriptions there are, they cost no worker anything."""
    scene.publisher.put(b"\x01" + topic)
    scene.relay.forward_subscriptions(64, 0.0)
    assert scene.passed == []


def test_who_subscribes_without_end_is_cut_off(scene: Scene) -> None:
    """At the cap, and told."""
    for number in range(SUBSCRIPTIONS + 1):
        scene.publisher.put(b"\x01stage/" + str(number).encode())
    scene.relay.forward_subscriptions(SUBSCRIPTIONS + 1, 0.0)
    assert scene.cut == [scene.connection]
    assert len(scene.passed) == SUBSCRIPTIONS
    assert scene.told == ["subscriber cut off"]


def test_a_probe_is_echoed_to_who_asks(scene: Scene) -> None:
    """It doesn't reach workers, and its end is no probe."""
    scene.publisher.put(b"\x01" + PROBE + b"17")
    scene.publisher.put(b"\x00" + PROBE + b"17")
    scene.relay.forward_subscriptions(64, 0.0)
    assert scene.publisher.sent == [[PROBE + b"17", b"", b"", b"", b""]]
    assert scene.passed == []


@pytest.mark.parametrize("message", [[b""], [b"\x02topic"], [b"hello"], [b"torn", b"\x03"]])
def test_what_a_subscriber_says_besides_goes_nowhere(scene: Scene, message: list[bytes]) -> None:
    """XPUB hands through messages that are no subscriptions; workers never see them."""
    scene.publisher.put(*message)
    scene.publisher.put(b"\x01stage/moved")
    scene.relay.forward_subscriptions(64, 0.0)
    assert scene.passed == [[b"\x01stage/moved"]]
    assert scene.counts["strangers"] == len(message)


def test_a_connection_that_is_gone_wants_nothing(scene: Scene) -> None:
    """What it said last is of no use to anybody."""
    scene.connection = None
    scene.publisher.put(b"\x01stage/moved")
    scene.relay.forward_subscriptions(64, 0.0)
    assert scene.passed == []


def test_who_asks_is_given_what_is_newer(scene: Scene) -> None:
    """The newest event of just that topic; nothing if it has that, or nobody is subscribed."""
    ids = [event_id(number) for number in (1, 2)]
    heads = [
        encode_header(EventHeader(messageType="EVENT", messageID=each, senderID="", eventID=""))
        for each in ids
    ]
    for head, value in zip(heads, (b"1", b"2"), strict=True):
        scene.publish(EVENT[0], b"", head, value, b"raw")
    scene.publish(EVENT[0] + b"_far", b"", heads[0], b"9", b"")
    scene.publisher.put(b"\x01" + EVENT[0])
    scene.relay.forward_subscriptions(64, 0.0)
    scene.relay.forward_events(64, 0.0)

    asked = iter(range(99))

    def answer(known: str, topic: bytes = EVENT[0]) -> list[bytes]:
        probe = PROBE + f"{next(asked)} {known} ".encode() + topic
        scene.publisher.sent.clear()
        scene.publisher.put(b"\x01" + probe)
        scene.relay.forward_subscriptions(64, 0.0)
        (message,) = scene.publisher.sent
        assert message[:2] == [probe, b""]
        return message[2:]

    assert answer(ids[0]) == answer("") == [heads[1], b"2", b"raw"]
    assert answer(ids[1]) == [b"", b"", b""]
    assert answer("", b"stage/none") == [b"", b"", b""]
    scene.publisher.put(b"\x00" + EVENT[0])
    scene.relay.forward_subscriptions(64, 0.0)
    assert answer(ids[0]) == [b"", b"", b""]

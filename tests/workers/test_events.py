from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import zmq
from zmq.auth.thread import ThreadAuthenticator

from tests.joined import joined
from transports.headers import decode_event_header, read_event_id
from transports.link import PRESENCE, barrier_topic
from workers.serving.events import ChangeWatcher, EventPublisher


class Listener:
    """A subscriber to all events, in the publisher's own context."""

    def __init__(self, base: int = 0, form: bytes = b"@") -> None:
        self.form = form
        self.context: zmq.Context[Any] = zmq.Context()
        address = f"inproc://{uuid4().hex}"
        self.socket = self.context.socket(zmq.XSUB)
        self.socket.setsockopt(zmq.RCVTIMEO, 10_000)
        self.socket.bind(address)
        self.socket.send(b"\x01" + form)
        self.publisher = EventPublisher(
            self.context, address, rig="bench", worker="stage", base=base, token="secret"
        )
        # over inproc a subscription is there before the next message, or is not: probe
        while not self.socket.poll(1):
            self.publisher.publish("probe", None)

    def next(self) -> tuple[str, Any, int]:
        """Topic, value and sequence of the next event that isn't a probe."""
        topic = b"@stage/probe"
        while topic.endswith(b"stage/probe"):
            topic, empty, header, payload, raw = self.socket.recv_multipart()
        assert empty == b"secret", "by it the rig knows whose event this is"
        decoded = decode_event_header(header)
        assert decoded.messageType == "EVENT"
        assert topic.startswith(self.form)
        topic = topic.removeprefix(self.form)
        assert decoded.eventID == topic.decode()
        assert decoded.senderID == "bench/event-publisher"
        value = joined(
            payload, decoded.payloadContentType, raw, decoded.preencodedPayloadContentType
        )
        return topic.decode(), value, read_event_id(decoded.messageID)[0]

    def close(self) -> None:
        self.publisher.close(0)
        self.socket.close(0)
        self.context.term()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def test_each_name_has_its_own_sequence(listener: Listener):
    for name in ("moved", "moved", "ended", "moved"):
        listener.publisher.publish(name, {"n": 1})
    assert [listener.next() for _ in range(4)] == [
        ("stage/moved", {"n": 1}, 1),
        ("stage/moved", {"n": 1}, 2),
        ("stage/ended", {"n": 1}, 1),
        ("stage/moved", {"n": 1}, 3),
    ]


def test_the_sequence_goes_on_where_the_last_incarnation_ended():
    listener = Listener(base=41)
    try:
        listener.publisher.publish("moved", None)
        assert listener.next() == ("stage/moved", None, 42)
    finally:
        listener.close()


def test_bytes_and_arrays_travel_raw(listener: Listener):
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    listener.publisher.publish("frame", image)
    image[:] = 0  # what was published stays as it was
    listener.publisher.publish("blob", b"\x00\xff")
    received = listener.next()[1]
    assert isinstance(received, np.ndarray)
    assert (received == np.arange(12).reshape(3, 4)).all()
    assert listener.next()[1] == b"\x00\xff"


def test_a_value_that_cannot_be_sent_is_the_emitters_error(listener: Listener):
    with pytest.raises(TypeError):
        listener.publisher.publish("moved", object())
    listener.publisher.publish("moved", 1)
    assert listener.next() == ("stage/moved", 1, 2), "its subscribers see that one is missing"


def test_hololinkeds_clients_have_json_and_what_has_no_form_there_is_told_once(
    caplog: pytest.LogCaptureFixture,
):
    listener = Listener(form=b"stage/")
    listener.form = b""
    try:
        for value in (2j, 3j, [1.5]):
            listener.publisher.publish("moved", value)
        assert listener.next() == ("stage/moved", [1.5], 3)
        assert [each.message.partition(":")[0] for each in caplog.records] == [
            "hololinked's clients can't have event moved"
        ]
    finally:
        listener.close()


def test_what_nobody_is_subscribed_to_is_not_encoded(listener: Listener):
    """No form but the one that is wanted: object() has none in either."""
    listener.socket.send(b"\x00@")
    listener.socket.send(b"\x01@stage/moved")
    listener.publisher.publish("moved", 1)
    assert listener.next() == ("stage/moved", 1, 1)
    listener.publisher.publish("ended", object())
    listener.socket.send(b"\x01@stage/ended")
    listener.publisher.publish("moved", 2)
    listener.publisher.publish("ended", 3)
    assert listener.next() == ("stage/moved", 2, 2)
    assert listener.next() == ("stage/ended", 3, 2)


def test_threads_publish_whole_events_in_sequence(listener: Listener):
    def emit() -> None:
        for _ in range(100):
            listener.publisher.publish("moved", "x" * 100)

    threads = [threading.Thread(target=emit) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert [listener.next()[2] for _ in range(400)] == list(range(1, 401))
    for thread in threads:
        thread.join()


def test_a_closed_publisher_drops(listener: Listener):
    listener.publisher.close(0)
    listener.publisher.publish("moved", 1)


class Fake:
    def __init__(self) -> None:
        self.events: list[tuple[str, bytes]] = []

    def publish(self, name: str, value: Any, encoded: Any) -> None:
        self.events.append((name, bytes(encoded[0]) + bytes(encoded[1])))


def changes(*values: Any) -> int:
    fake = Fake()
    watcher = ChangeWatcher(fake)  # type: ignore[arg-type]
    for value in values:
        watcher.seen("level", value)
    return len(fake.events)


def test_a_change_is_published_once():
    fake = Fake()
    watcher = ChangeWatcher(fake)  # type: ignore[arg-type]
    for value in (1, 1, 2, 2, 1):
        watcher.seen("level", value)
    watcher.seen("other", 1)
    assert fake.events == [
        ("level_change_event", b"\x01"),
        ("level_change_event", b"\x02"),
        ("level_change_event", b"\x01"),
        ("other_change_event", b"\x01"),
    ]


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ((2, 2.0), 1),
        ((float("nan"), float("nan")), 1),
        ((np.zeros(3), np.zeros(3)), 1),
        ((np.zeros(3), np.ones(3)), 2),
        ((np.zeros(3), np.zeros(4)), 2),
        ((np.zeros(3, np.int8), np.zeros(3, np.int16)), 2),
        ((np.zeros(3), None, np.zeros(3)), 3),
        (([1, 2], [1.0, 2.0]), 1),
        (({"a": 1}, {"a": 1}), 1),
        ((b"a", b"b"), 2),
        (("1", 1), 2),
    ],
)
def test_what_counts_as_a_change(values: tuple[Any, ...], count: int):
    assert changes(*values) == count


def test_an_object_that_changes_in_place_has_changed():
    fake = Fake()
    watcher = ChangeWatcher(fake)  # type: ignore[arg-type]
    array = np.zeros(3)
    watcher.seen("image", array)
    array[0] = 1
    watcher.seen("image", array)
    assert len(fake.events) == 2


def test_nothing_empty_bytes_and_a_pair_of_both_are_three_values():
    fake = Fake()
    watcher = ChangeWatcher(fake)  # type: ignore[arg-type]
    for value in (None, b"", (None, b""), None):
        watcher.seen("level", value)
    assert len(fake.events) == 4


@pytest.mark.parametrize("others", [0, 500])  # all of which aren't in one read of the socket
def test_a_new_publisher_waits_until_it_knows_all_subscriptions(tmp_path: Path, others: int):
    context: zmq.Context[Any] = zmq.Context()
    rig = context.socket(zmq.XSUB)
    rig.setsockopt(zmq.SNDHWM, 0)
    rig.setsockopt(zmq.RCVTIMEO, 10_000)
    rig.setsockopt(zmq.PLAIN_SERVER, 1)
    door = ThreadAuthenticator(context)
    door.start()
    door.configure_plain(passwords={"stage": "secret"})
    address = f"ipc://{tmp_path}/x"
    rig.bind(address)
    topics = [b"@stage/moved", *(b"@stage/%0100d" % number for number in range(others))]
    for topic in (PRESENCE, *topics, "@stage/\U0010ffff".encode()):
        rig.send(b"\x01" + topic)
    publisher = EventPublisher(
        context, address, rig="bench", worker="stage", base=0, token="secret"
    )
    try:
        # It is connected, but the rig's loop is busy with something else.
        assert not publisher.await_subscriptions(0.05)
        looking = threading.Thread(target=rig.poll, args=(10_000,))
        looking.start()
        assert publisher.await_subscriptions(10)
        for topic in topics:
            publisher.publish(topic.decode().removeprefix("@stage/"), None)
        looking.join()
        assert [rig.recv_multipart()[0] for _ in topics] == topics
    finally:
        publisher.close(0)
        rig.close(0)
        door.stop()
        context.term()


def test_the_newest_event_is_kept_until_there_is_room(listener: Listener) -> None:
    """One of each name, in order; what was dropped shows by the numbers."""
    count = 5000
    for number in range(count):
        listener.publisher.publish("moved", number)
    listener.publisher.publish("stopped", "end")
    got = []
    while not got or got[-1][0] != "stage/stopped":
        if not listener.socket.poll(0):
            assert zmq.zmq_poll([(listener.publisher.fd, zmq.POLLIN)], 10_000)
            listener.publisher.take_subscriptions()
        else:
            got.append(listener.next())
    moved = [value for topic, value, _ in got if topic == "stage/moved"]
    assert moved[-1] == count - 1
    assert 0 < len(moved) < count
    assert got[-1][1] == "end"


def test_a_barrier_waits_until_the_subscriptions_before_it_have_come(tmp_path: Path) -> None:
    context: zmq.Context[Any] = zmq.Context()
    rig = context.socket(zmq.XSUB)
    address = "inproc://barrier"
    rig.bind(address)
    publisher = EventPublisher(
        context, address, rig="bench", worker="stage", base=0, token="secret"
    )
    try:
        publisher.await_barrier(3, 0.05)
        assert not publisher.is_wanted("moved")

        def subscribe() -> None:
            rig.send(b"\x01stage/moved")
            rig.send(b"\x01" + barrier_topic(3))

        later = threading.Timer(0.2, subscribe)
        later.start()
        publisher.await_barrier(3, 20)
        later.join()
        assert publisher.is_wanted("moved")
        publisher.await_barrier(2, 20)
    finally:
        publisher.close(0)
        rig.close(0)
        context.destroy(0)
    publisher.await_barrier(9, 20)

"""Events: exactly those asked for, waits that end, and a publisher for any thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import zmq

from tests.integration.transports_kit import Place, short_folder
from transports import AsyncEventConsumer, EventConsumer, EventMessage, EventPublisher
from transports.errors import BreakLoop, SerializationError
from transports.headers import read_event_id
from transports.serializers import (
    MSGPACK,
    NPY,
    PreserializedData,
    SerializableData,
    decode_array,
    encode,
)


@pytest.fixture(params=["INPROC", "IPC", "TCP"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with short_folder() as folder:
        place = Place(request.param, folder)
        yield place
        place.close()


@pytest.fixture
def publisher(place: Place) -> Iterator[EventPublisher]:
    with EventPublisher(
        "bench/event-publisher", context=place.context, socket_address=place.address
    ) as publisher:
        yield publisher


def consume(place: Place, topic: str = "t/tick", **kwargs: Any) -> EventConsumer:
    return EventConsumer("me", topic, place.address, place.context, **kwargs)


def settle(publisher: EventPublisher, consumer: EventConsumer) -> None:
    """Publish until the subscription has reached the publisher, then until all were read."""
    topic = consumer.event_unique_identifier.decode()
    while True:
        publisher.publish(topic, "settle")
        if consumer.receive(timeout=10):
            break
    while consumer.receive(timeout=20):
        pass


@contextmanager
def subscribed(
    place: Place, publisher: EventPublisher, topic: str = "t/tick", **kwargs: Any
) -> Iterator[EventConsumer]:
    with consume(place, topic, **kwargs) as consumer:
        consumer.subscribe()
        settle(publisher, consumer)
        yield consumer


def received(consumer: EventConsumer) -> EventMessage:
    event = consumer.receive(timeout=10_000)
    assert event is not None
    return event


def test_an_event_is_received_as_on_the_wire(place: Place, publisher: EventPublisher) -> None:
    with subscribed(place, publisher) as consumer:
        publisher.publish("t/tick", {"n": 1})
        event = received(consumer)
        assert event.payload.deserialize() == {"n": 1}
        assert event.byte_array[:2] == [b"t/tick", b""]
        assert event.header.json() == {
            "messageType": "EVENT",
            "messageID": event.id,
            "senderID": "bench/event-publisher",
            "eventID": "t/tick",
            "payloadContentType": "application/json",
            "preencodedPayloadContentType": "text/plain",
        }


def test_the_id_of_an_event_carries_sequence_and_time(
    place: Place, publisher: EventPublisher
) -> None:
    with subscribed(place, publisher) as consumer:
        before = time.time()
        for _ in range(3):
            publisher.publish("t/tick", None)
            publisher.publish("t/other", None)
        found = [read_event_id(received(consumer).id) for _ in range(3)]
        first = found[0][0]
        assert [sequence for sequence, _ in found] == [first, first + 1, first + 2]
        assert all(before - 1 < moment < time.time() + 1 for _, moment in found)


def test_a_topic_that_only_begins_alike_is_not_received(
    place: Place, publisher: EventPublisher
) -> None:
    with subscribed(place, publisher) as consumer:
        publisher.publish("t/ticking", 1)
        publisher.publish("t/tick_change_event", 2)
        publisher.publish("t/tic", 3)
        publisher.publish("t/tick", 4)
        assert received(consumer).payload.deserialize() == 4


@pytest.mark.parametrize(
    ("data", "payload", "raw", "raw_type"),
    [
        (b"\0\1", None, b"\0\1", "application/octet-stream"),
        (bytearray(b"\0\1"), None, b"\0\1", "application/octet-stream"),
        (PreserializedData(b"x", "image/png"), None, b"x", "image/png"),
        (SerializableData({"n": 1}, MSGPACK), {"n": 1}, b"", "text/plain"),
        ("text", "text", b"", "text/plain"),
    ],
)
def test_what_is_published_is_labelled_truthfully(
    place: Place, publisher: EventPublisher, data: Any, payload: Any, raw: bytes, raw_type: str
) -> None:
    with subscribed(place, publisher) as consumer:
        publisher.publish("t/tick", data)
        event = received(consumer)
        assert event.payload.deserialize() == payload
        assert event.preserialized_payload.value == raw
        assert event.preserialized_payload.content_type == raw_type


def test_an_array_travels_raw(place: Place, publisher: EventPublisher) -> None:
    picture = np.arange(1080 * 1920, dtype=np.uint8).reshape(1080, 1920)
    with subscribed(place, publisher) as consumer:
        publisher.publish("t/tick", picture)
        event = received(consumer)
        assert event.preserialized_payload.content_type == NPY
        np.testing.assert_array_equal(decode_array(event.preserialized_payload.value), picture)


def test_a_value_without_a_form_is_told_and_takes_no_number(
    place: Place, publisher: EventPublisher
) -> None:
    with subscribed(place, publisher) as consumer:
        publisher.publish("t/tick", 1)
        with pytest.raises(TypeError):
            publisher.publish("t/tick", object())
        with pytest.raises(SerializationError):
            publisher.publish("t/tick", SerializableData(1, "image/png"))
        publisher.publish("t/tick", 2)
        first, second = (read_event_id(received(consumer).id)[0] for _ in range(2))
        assert second == first + 1


def test_a_publisher_that_calls_all_json_is_read_all_the_same(
    place: Place, publisher: EventPublisher
) -> None:
    """As a hololinked 0.4 server labels events of another codec."""
    with subscribed(place, publisher, content_type=MSGPACK) as consumer:
        publisher.publish("t/tick", SerializableData(encode({"n": 1}, MSGPACK)))
        assert received(consumer).payload.deserialize() == {"n": 1}


def test_receive_returns_after_its_timeout(place: Place, publisher: EventPublisher) -> None:
    with consume(place) as consumer:
        with pytest.raises(RuntimeError, match="subscribe"):
            consumer.receive(timeout=0)
        consumer.subscribe()
        start = time.monotonic()
        assert consumer.receive(timeout=30) is None
        assert consumer.receive(timeout=0) is None
        assert consumer.receive(timeout=30, raise_interrupt_as_exception=True) is None
        assert 0.05 < time.monotonic() - start < 5


def in_thread(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    result: list[Any] = []

    def run() -> None:
        try:
            result.append(call())
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, result


@pytest.mark.parametrize("end", ["interrupt", "stop_polling", "exit"])
def test_an_endless_wait_is_ended_from_another_thread(place: Place, end: str) -> None:
    with consume(place) as consumer:
        consumer.subscribe()
        quiet, quietly = in_thread(lambda: consumer.receive(None))
        loud, loudly = in_thread(lambda: consumer.receive(None, True))
        getattr(consumer, end)()
        quiet.join(10)
        loud.join(10)
        # A wait that begins after its consumer has exited is told so.
        too_late = (ConnectionAbortedError,) if end == "exit" else ()
        assert quietly == [None] or isinstance(quietly[0], too_late)
        assert isinstance(loudly[0], (BreakLoop, *too_late))


def test_subscribing_again_receives_again(place: Place, publisher: EventPublisher) -> None:
    with subscribed(place, publisher) as consumer:
        consumer.interrupt()
        assert consumer.receive(timeout=None) is None
        publisher.publish("t/tick", 1)
        consumer.subscribe()
        assert received(consumer).payload.deserialize() == 1


def test_a_consumer_needs_to_know_where(place: Place) -> None:
    for wrong in ({}, {"transport": "IPC"}, {"access_point": "INPROC"}):
        with pytest.raises(ValueError, match="publisher's address"):
            EventConsumer("me", "t/tick", context=place.context, **wrong)


@pytest.mark.parametrize("spelling", ["socket_address", "access_point", "transport"])
def test_the_address_has_three_names(
    place: Place, publisher: EventPublisher, spelling: str
) -> None:
    with EventConsumer(
        "me", "t/tick", context=place.context, **{spelling: place.address}
    ) as consumer:
        consumer.subscribe()
        settle(publisher, consumer)


@pytest.mark.parametrize("place", ["INPROC", "IPC"], indirect=True)
def test_a_publisher_is_found_by_its_id(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    publisher_id = "bench/event-publisher"
    with short_folder() as home:
        monkeypatch.setenv("HOME", str(home))
        with (
            EventPublisher(publisher_id, place.transport, place.context) as publisher,
            EventConsumer(
                "me",
                "t/tick",
                transport=place.transport,
                server_id=publisher_id,
                context=place.context,
            ) as consumer,
        ):
            if place.transport == "IPC":
                assert publisher.socket_address.endswith("/bench.event-publisher.ipc")
            consumer.subscribe()
            settle(publisher, consumer)


@pytest.mark.parametrize(
    "frames",
    [
        [b"t/tick"],
        [b"t/tick", b"", b"{}", b"null"],
        [b"t/tick", b"", b"{}", b"null", b""],
        [b"t/tick", b"", b"\xff", b"null", b"", b"six"],
    ],
)
def test_what_is_no_event_is_skipped(
    place: Place, publisher: EventPublisher, frames: list[bytes]
) -> None:
    with subscribed(place, publisher) as consumer:
        publisher.socket.send_multipart(frames)
        publisher.publish("t/tick", 1)
        assert received(consumer).payload.deserialize() == 1


def test_any_thread_may_publish(place: Place, publisher: EventPublisher) -> None:
    with subscribed(place, publisher) as consumer:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: publisher.publish("t/tick", n), range(400)))
        assert {received(consumer).payload.deserialize() for _ in range(400)} == set(range(400))


def test_a_publisher_that_has_exited_says_so(place: Place) -> None:
    publisher = EventPublisher("p", context=place.context, socket_address=place.address)
    publisher.exit()
    publisher.exit()
    with pytest.raises(ConnectionAbortedError, match="exited"):
        publisher.publish("t/tick", 1)


def test_topics_are_claimed(place: Place, publisher: EventPublisher) -> None:
    class Moved:
        unique_identifier = "stage/moved"

    class Old:
        _unique_identifier = b"stage/moved"

    mine = Moved()
    publisher.register(mine)
    publisher.register(mine)
    publisher.register("t/tick")
    assert publisher.event_ids == {"stage/moved", "t/tick"}
    with pytest.raises(AttributeError, match="another event"):
        publisher.register(Old())
    publisher.publish(mine, 1)
    publisher.publish(Old(), 1)
    publisher.unregister(mine)
    publisher.register(Old())
    with pytest.raises(KeyError):
        publisher.unregister("t/unknown")
    with pytest.raises(TypeError, match="unique_identifier"):
        publisher.publish(object(), 1)


@pytest.mark.parametrize("place", ["IPC", "TCP"], indirect=True)
def test_a_consumer_outlives_its_publisher(place: Place) -> None:
    def publish() -> EventPublisher:
        return EventPublisher("p", context=place.context, socket_address=place.address)

    with consume(place) as consumer:
        consumer.subscribe()
        for _ in range(2):
            publisher = None
            while publisher is None:
                with contextlib.suppress(zmq.ZMQError):  # the first one's socket is closing
                    publisher = publish()
            with publisher:
                settle(publisher, consumer)


def test_awaited_consumers_share_everything_but_the_wait(
    place: Place, publisher: EventPublisher
) -> None:
    async def main() -> None:
        async with AsyncEventConsumer("me", "t/tick", place.address, place.aio) as consumer:
            with pytest.raises(RuntimeError, match="subscribe"):
                await consumer.receive()
            consumer.subscribe()
            assert await consumer.receive(timeout=0) is None
            event = None
            while event is None:
                publisher.publish("t/ticking", 0)
                publisher.publish("t/tick", {"n": 1})
                event = await consumer.receive(timeout=10)
            assert event.payload.deserialize() == {"n": 1}
            while await consumer.receive(timeout=20):
                pass
            cancelled = asyncio.create_task(consumer.receive(timeout=None))
            await asyncio.sleep(0)
            cancelled.cancel()
            publisher.publish("t/tick", 2)
            event = await consumer.receive(timeout=10_000)
            assert event is not None
            assert event.payload.deserialize() == 2

    asyncio.run(main())


def test_an_awaited_wait_is_ended_from_a_task_or_a_thread(place: Place) -> None:
    async def main() -> None:
        async with AsyncEventConsumer("me", "t/tick", place.address, place.aio) as consumer:
            consumer.subscribe()
            waiting = asyncio.create_task(consumer.receive(None))
            await asyncio.sleep(0)
            await consumer.interrupt()
            assert await asyncio.wait_for(waiting, 10) is None
            consumer.subscribe()
            loud = asyncio.create_task(consumer.receive(None, raise_interrupt_as_exception=True))
            await asyncio.sleep(0)
            await asyncio.to_thread(consumer.stop_polling)
            with pytest.raises(BreakLoop):
                await asyncio.wait_for(loud, 10)
            consumer.subscribe()
            last = asyncio.create_task(consumer.receive(None))
            await asyncio.sleep(0)
            consumer.exit()
            assert await asyncio.wait_for(last, 10) is None

    asyncio.run(main())

"""Subscriptions against a rig in a thread."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import Any

import numpy as np
import pytest

from orchestrator import aconnect, errors
from orchestrator.client import Rig, Subscription, feed
from orchestrator.client.feed import HELD
from tests.integration.fake_rig import FakeRig
from tests.rigs import wait_until

TOPIC = "stage/moved"


def test_a_subscription_is_live_when_it_is_there(rig: Rig, fake: FakeRig) -> None:
    """The first event after it arrives, with value, time and number."""
    before = time.time()
    with rig.stage.subscribe("moved", timeout=5) as subscription:
        fake.emit(TOPIC, {"x": 1.5})
        fake.emit(TOPIC, [1, 2])
        first, second = next(subscription), next(subscription)
    assert (first.value, second.value) == ({"x": 1.5}, [1, 2])
    assert second.sequence == first.sequence + 1
    assert before - 0.001 <= first.time <= time.time()
    assert subscription.missed == 0
    assert list(subscription) == []  # it is closed


@pytest.mark.parametrize("seconds", [1e10, 10**400])
def test_a_timeout_may_be_longer_than_any_lock_waits(
    rig: Rig, fake: FakeRig, seconds: float
) -> None:
    """There is a longest wait, of centuries."""
    with rig.stage.subscribe("moved", timeout=seconds) as subscription:
        threading.Timer(0.1, fake.emit, (TOPIC, 1)).start()
        assert next(subscription).value == 1


def test_a_topic_that_begins_alike_is_another(rig: Rig, fake: FakeRig) -> None:
    """ZeroMQ matches prefixes; a subscriber gets the event that it named."""
    with rig.stage.subscribe("moved", timeout=5) as subscription:
        fake.emit("stage/moved_far", 1)
        fake.emit(TOPIC, 2)
        assert next(subscription).value == 2


def test_events_that_were_missed_are_counted(rig: Rig, fake: FakeRig) -> None:
    """By the gaps in their numbers."""
    with rig.stage.subscribe("moved", timeout=5) as subscription:
        fake.emit(TOPIC, 0)
        fake.emit(TOPIC, 1, skip=3)
        fake.emit(TOPIC, 2)
        assert [next(subscription).value for _ in range(3)] == [0, 1, 2]
        assert subscription.missed == 3


def test_arrays_in_events(rig: Rig, fake: FakeRig) -> None:
    """Arrive writable, small or large."""
    with rig.stage.subscribe("moved", timeout=5) as subscription:
        for shape in ((2, 2), (400, 300)):
            image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
            fake.emit(TOPIC, image)
            got = next(subscription).value
            assert np.array_equal(got, image)
            got[0, 0] = 7


def test_no_event_in_time(rig: Rig, fake: FakeRig) -> None:
    """Is a TimeoutError; the subscription lives on."""
    with rig.stage.subscribe("moved", timeout=0.05) as subscription:
        with pytest.raises(TimeoutError, match=r"no event stage/moved within 0\.05 s"):
            next(subscription)
        fake.emit(TOPIC, 1)
        event = subscription.next(5)
        assert event is not None
        assert event.value == 1


def test_malformed_events_are_passed_over(rig: Rig, fake: FakeRig) -> None:
    """Whatever is published, the next good event arrives."""
    with rig.stage.subscribe("moved", timeout=5) as subscription:
        topic = TOPIC.encode()
        for frames in ([topic], [topic, b"", b"{", b"1", b""], [topic] * 7):
            fake.perform(lambda frames=frames: fake._publisher.send_multipart(frames))
        fake.emit(TOPIC, "good")
        assert next(subscription).value == "good"


def test_closing_from_another_thread_ends_the_iteration(rig: Rig, fake: FakeRig) -> None:
    """At once, and so does closing the rig."""
    for close_rig in (False, True):
        subscription = rig.stage.subscribe("moved")
        fake.emit(TOPIC, 1)
        seen = []
        first = threading.Event()

        def watch(
            subscription: Subscription = subscription,
            seen: list[object] = seen,
            first: threading.Event = first,
        ) -> None:
            for event in subscription:
                seen.append(event.value)
                first.set()

        thread = threading.Thread(target=watch)
        thread.start()
        assert first.wait(10)
        if close_rig:
            rig.close()
        else:
            subscription.close()
        thread.join(5)
        assert not thread.is_alive()
        assert seen == [1]


def test_a_loop_that_is_left_leaves_nothing_open(rig: Rig, fake: FakeRig) -> None:
    """A dropped subscription closes its sockets without a warning."""
    subscription = rig.stage.subscribe("moved", timeout=5)
    fake.emit(TOPIC, 1)
    for event in subscription:
        assert event.value == 1
        break
    feed = subscription._feed
    del subscription
    gc.collect()
    feed.join(10)
    assert feed._socket.closed


def test_a_rig_that_went_away(rig: Rig, fake: FakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends the wait that has no timeout, if that is asked for; the next one goes on."""
    monkeypatch.setattr(feed, "INTERVAL", 0.1)
    with rig.stage.subscribe("moved", on_loss="raise") as subscription:
        fake.emit(TOPIC, 1)
        assert next(subscription).value == 1
        fake.stop()
        with pytest.raises(errors.RigLost, match="publishes stage/moved went away"):
            next(subscription)
        fake.start()
        fake.wait_for_subscriber(TOPIC)
        fake.emit(TOPIC, 2)
        while True:  # it may have been told of the loss once more
            try:
                assert next(subscription).value == 2
                break
            except errors.RigLost:
                continue


@pytest.mark.parametrize("on_loss", ["", "ignore", None])
def test_what_a_loss_cannot_do(rig: Rig, on_loss: Any) -> None:
    with pytest.raises(ValueError, match="'reconnect' or 'raise'"):
        rig.stage.subscribe("moved", on_loss=on_loss)


def test_an_outage_of_any_length_is_outlived(
    rig: Rig, fake: FakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that leaves the connection up, as a rig that was stopped or cut off does."""
    monkeypatch.setattr(feed, "INTERVAL", 0.02)
    with rig.stage.subscribe("moved", timeout=20) as subscription:
        fake.emit(TOPIC, 1)
        assert next(subscription).value == 1
        first = subscription._feed._socket
        fake.mute = True
        wait_until(lambda: subscription._feed._socket is not first)
        fake.stop()
        second = subscription._feed._socket
        wait_until(lambda: subscription._feed._socket is not second)
        fake.mute = False
        fake.start()
        fake.wait_for_subscriber(TOPIC)
        fake.emit(TOPIC, 2, skip=2)
        assert next(subscription).value == 2
        assert (subscription.restarts, subscription.missed) == (1, 2)


def test_a_loss_at_the_tail_is_counted_and_the_newest_comes(
    rig: Rig, fake: FakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing follows that would show it."""
    monkeypatch.setattr(feed, "INTERVAL", 0.05)
    with (
        rig.stage.subscribe("moved", timeout=10) as subscription,
        rig.stage.subscribe("moved", timeout=10, conflate=True) as newest,
    ):
        fake.emit(TOPIC, 0)
        assert next(subscription).value == next(newest).value == 0
        for value in range(1, 6):
            fake.emit(TOPIC, value, lost=True)
        assert next(subscription).value == 5
        assert subscription.missed == 4
        assert next(newest).value == 5
        assert newest.missed == 4
        with pytest.raises(TimeoutError):  # it is given once
            subscription.next(0.3)
        fake.emit(TOPIC, 6)
        assert next(subscription).value == 6
        assert subscription.missed == 4


def test_what_was_before_a_subscription_is_not_of_it(
    rig: Rig, fake: FakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rig's newest event is then old."""
    monkeypatch.setattr(feed, "INTERVAL", 0.05)
    fake.emit(TOPIC, 0)
    with rig.stage.subscribe("moved", timeout=10) as subscription:
        with pytest.raises(TimeoutError):
            subscription.next(0.3)
        fake.emit(TOPIC, 1, lost=True)
        assert next(subscription).value == 1


def test_a_reader_that_sleeps_gets_the_newest(rig: Rig, fake: FakeRig) -> None:
    """What finds no room pushes out the oldest, and is counted: by number and by size."""
    for values, held in ((range(HELD + 500), HELD), ([b"x" * 2**24] * 6, 4)):
        with rig.stage.subscribe("moved", timeout=10) as subscription:
            for value in values:
                fake.emit(TOPIC, value)
            fake.emit(TOPIC, "last")
            wait_until(lambda s=subscription: s._feed.items[-1].payload == b"\xa4last")
            got = [next(subscription).value for _ in range(held)]
            assert got[-1] == "last"
            assert held + subscription.missed == len(values) + 1


def test_all_events_of_a_worker(rig: Rig, fake: FakeRig) -> None:
    """With their names, each counted by its own numbers."""
    with rig.stage.subscribe(timeout=10) as subscription:
        fake.emit(TOPIC, 1)
        fake.emit("stage/moved_far", 2)
        fake.emit("laser/moved", 3)
        fake.emit(TOPIC, 4)
        got = [next(subscription) for _ in range(3)]
    assert [(each.name, each.value) for each in got] == [
        ("moved", 1),
        ("moved_far", 2),
        ("moved", 4),
    ]


def test_an_idle_rig_is_not_gone(rig: Rig, fake: FakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It confirms the subscription as often as it is asked, and across its own restart."""
    monkeypatch.setattr(feed, "INTERVAL", 0.02)
    with rig.stage.subscribe("moved", on_loss="raise") as subscription:
        with pytest.raises(TimeoutError):
            subscription.next(0.3)
        fake.emit(TOPIC, 1)
        assert next(subscription).value == 1
        monkeypatch.setattr(feed, "UNANSWERED", 500)
        fake.stop()
        fake.start()
        fake.wait_for_subscriber(TOPIC)  # though nobody waits for an event meanwhile
        fake.emit(TOPIC, 2, skip=2)
        event = subscription.next(20)
        assert event is not None
        assert event.value == 2
        assert (subscription.restarts, subscription.missed) == (1, 2)


def test_nobody_confirms(fake: FakeRig) -> None:
    """A subscription that can't be known to be live isn't made."""
    fake.mute = True
    with pytest.raises(errors.RigNotReachable, match="no rig confirms"):
        Subscription(fake.events, TOPIC, connect_timeout=0.1)


def test_asyncio(fake: FakeRig) -> None:
    """`async for` gives the same events; leaving it and closing the rig end its thread."""

    async def use() -> None:
        async with aconnect(fake.address) as rig:
            async with rig.stage.subscribe("moved", timeout=5) as subscription:
                for number in range(250):  # more than are read ahead
                    await asyncio.to_thread(fake.emit, TOPIC, number, number % 2)
                got = []
                async for event in subscription:
                    got.append(event.value)
                    if len(got) == 250:
                        break
                assert got == list(range(250))
                assert subscription.missed == 125
            assert [event async for event in subscription] == []
            with pytest.raises(TimeoutError, match="no event stage/moved"):
                async for _ in rig.stage.subscribe("moved", timeout=0.05):
                    pass
            with pytest.raises(AttributeError, match="is an action"):
                await rig.stage.subscribe("move").__aenter__()

    asyncio.run(use())
    for thread in threading.enumerate():
        if thread.name.startswith("orch-events"):
            thread.join(5)
            assert not thread.is_alive()

"""Events of a real rig: whose they are, across restarts, to slow consumers."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from collections.abc import Iterator

import pytest

from orchestrator import aconnect, errors
from orchestrator.client import Subscription
from orchestrator.client.rig import Rig
from tests.rigs import RunningRig, running, wait_until

SOURCE = """
import os, signal
from workers import Event, prop

class Source:
    tick = Event()
    tick_tock = Event()

    def __init__(self):
        self._level = 0

    @prop(observable=True)
    def level(self) -> int:
        return self._level

    @level.setter
    def level(self, value: int) -> None:
        self._level = value

    @prop(observable=True)
    def level_max(self) -> int:
        return 9

    def emit(self, count: int, size: int = 0) -> None:
        for number in range(count):
            self.tick.emit([number, "x" * size])

    def emit_tock(self) -> None:
        self.tick_tock.emit("tock")

    def kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
"""
CONFIG = """
rig: source
workers:
  a: {driver: "source:Source", max_restarts: 50 in 1min}
  ab: {driver: "source:Source"}
"""


@pytest.fixture(scope="module")
def running_rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"source": SOURCE}) as rig:
        yield rig


@pytest.fixture
def rig(running_rig: RunningRig) -> Iterator[Rig]:
    with running_rig.connected() as rig:
        yield rig


def test_names_that_begin_alike_are_others(rig: Rig) -> None:
    """Of events, of properties and of workers."""
    with (
        rig["a"].subscribe("tick", timeout=5) as ticks,
        rig["a"].subscribe("level", timeout=5) as levels,
    ):
        rig["ab"].call("emit", 1)
        rig["a"].call("emit_tock")
        rig["a"].read("level_max")
        rig["ab"].write("level", 5)
        rig["a"].write("level", rig["a"].read("level") + 1)
        rig["a"].call("emit", 1)
        assert next(ticks).value == [0, ""]
        values = [next(levels).value, next(levels).value]
        assert values[1] == values[0] + 1
        for subscription in (ticks, levels):
            with pytest.raises(TimeoutError):
                subscription.next(0.05)
            assert subscription.missed == 0


def test_a_restarted_worker_s_events_go_on(rig: Rig) -> None:
    """The subscription is the same, the gap is visible."""
    with rig["a"].subscribe("tick", timeout=10) as ticks:
        rig["a"].call("emit", 2)
        before = [next(ticks).sequence, next(ticks).sequence]
        with pytest.raises(errors.WorkerDied):
            rig["a"].call("kill")
        rig["a"].call("emit", 1)
        after = next(ticks)
        assert after.value == [0, ""]
        assert after.sequence > before[1] + 1
        assert (ticks.restarts, ticks.missed) == (1, 0)


@pytest.mark.parametrize("before", [0, 3])
def test_a_restart_before_the_first_event_is_told(rig: Rig, before: int) -> None:
    """Also to who had nothing of the life that ended, whatever others had of it."""
    with rig["ab"].subscribe("tick_tock"):
        rig["ab"].call("emit", before)
    with rig["ab"].subscribe("tick", timeout=10) as ticks:
        with pytest.raises(errors.WorkerDied):
            rig["ab"].call("kill")
        rig["ab"].call("emit", 1)
        assert next(ticks).value == [0, ""]
        assert (ticks.restarts, ticks.missed) == (1, 0)
    with rig["ab"].subscribe("tick", timeout=10) as ticks:
        rig["ab"].call("emit", 1)
        assert next(ticks).value == [0, ""]
        assert (ticks.restarts, ticks.missed) == (0, 0)


def test_a_restart_of_the_rig_before_the_first_event_is_told() -> None:
    """Another rig's first life has the same number, but isn't the same."""
    with running(CONFIG, {"source": SOURCE}) as own, own.connected() as rig:
        ticks = rig["a"].subscribe("tick", timeout=20)
        assert own.stop() == 0
        own.start()
        own.wait_settled()
        while not ticks._feed.items:  # the connection is made anew in its own time
            rig["a"].call("emit", 1)
        assert next(ticks).sequence
        assert ticks.restarts == 1


def test_a_slow_consumer_is_told_how_many_it_missed(rig: Rig) -> None:
    """It neither holds up the worker nor makes the rig keep what it doesn't take."""
    count = 20_000
    with rig["a"].subscribe("tick", timeout=10) as ticks:
        rig["a"].call("emit", count, 2000, execution_timeout=60)
        rig["a"].call("emit_tock")
        seen = 0
        while True:
            try:
                event = ticks.next(2.5)
            except TimeoutError:
                break
            assert event is not None
            last = event.value[0]
            seen += 1
        assert 0 < seen < count
        assert last == count - 1
        assert seen + ticks.missed == count
        # others have missed nothing, and this one misses nothing more
        missed = ticks.missed
        rig["a"].call("emit", 100)
        assert [next(ticks).value[0] for _ in range(100)] == list(range(100))
        assert ticks.missed == missed


def test_a_storm_ends_with_its_last_event(rig: Rig) -> None:
    """Whatever of it was lost where, for readers that slept through it."""
    count = 30_000
    with (
        rig["a"].subscribe("tick", timeout=10) as ticks,
        rig["a"].subscribe("tick", timeout=10, conflate=True) as newest,
    ):
        rig["a"].call("emit", count, execution_timeout=60)
        seen, last = 0, -1
        while last < count - 1:
            last = next(ticks).value[0]
            seen += 1
        assert seen + ticks.missed == count
        wait_until(lambda: newest._subscription._feed.items[-1].sequence == ticks_end(ticks))
        assert next(newest).value[0] == count - 1
        assert newest.skipped + newest.missed == count - 1


def ticks_end(ticks: Subscription) -> int | None:
    """Number of the newest event that came."""
    (topic,) = ticks._feed._topics.values()
    return topic.sequence


def test_an_idle_subscription_outlives_its_rig() -> None:
    """It goes on, and tells that there was a restart and what it hasn't seen."""
    with running(CONFIG, {"source": SOURCE}) as own, own.connected() as rig:
        ticks = rig["a"].subscribe("tick", timeout=20)
        rig["a"].call("emit", 1)
        first = next(ticks)
        assert own.stop() == 0
        own.start()
        own.wait_settled()
        rig["a"].call("emit", 3)
        while not ticks._feed.items:  # the connection is made anew in its own time
            rig["a"].call("emit", 1)
        seen, last = 1, next(ticks)
        while ticks._feed.items:
            seen, last = seen + 1, next(ticks)
        assert first.sequence == 1
        assert ticks.restarts == 1
        assert seen + ticks.missed == last.sequence


def test_states_of_workers_are_events_of_the_rig(running_rig: RunningRig, rig: Rig) -> None:
    """Each change, in order, of a death as of an order; for both faces."""

    async def use(address: str) -> str:
        async with aconnect(address) as other, other.subscribe("worker-state", 20) as states:
            await other[other.id].call("stop", ["ab"])
            async for state in states:
                if state.value["worker"] == "ab":
                    return str(state.value["state"])
        return ""

    with rig.subscribe("worker-state", timeout=20) as states:
        with pytest.raises(errors.WorkerDied):
            rig["a"].call("kill")
        rig["a"].call("emit", 0)
        seen = []
        while not seen or seen[-1]["state"] != "READY":
            seen.append(next(states).value)
        path = ["READY", "BACKOFF", "WAITING", "STARTING", "READY"]
        assert [(each["was"], each["state"]) for each in seen] == list(itertools.pairwise(path))
        assert {each["worker"] for each in seen} == {"a"}
        assert "SIGKILL" in seen[0]["reason"]
        assert seen[-1]["incarnation"] == seen[0]["incarnation"] + 1
        assert asyncio.run(use(rig.address)) == "STOPPING"
        rig[rig.id].call("start", ["ab"])
        assert (states.missed, states.restarts) == (0, 0)


def test_latest_only(rig: Rig) -> None:
    """Whole messages, the newest, each once."""
    with rig["a"].subscribe("tick", timeout=10, conflate=True) as ticks:
        rig["a"].call("emit", 500, 100)
        wait_until(lambda: ticks.skipped >= 499)
        assert next(ticks).value == [499, "x" * 100]
        with pytest.raises(TimeoutError):
            ticks.next(0.05)
        rig["a"].call("emit", 1)
        assert next(ticks).value == [0, ""]
        assert ticks.missed == 0
    assert list(ticks) == []


def test_latest_only_waits_and_is_closed_from_another_thread(rig: Rig) -> None:
    with rig["a"].subscribe("tick", conflate=True) as ticks:
        emitting = threading.Thread(target=rig["a"].call, args=("emit", 1))
        emitting.start()
        assert next(ticks).value == [0, ""]
        emitting.join(5)
        got: list[object] = []
        waiting = threading.Thread(target=lambda: got.extend(ticks))
        waiting.start()
        ticks.close()
        waiting.join(5)
        assert not waiting.is_alive()
        assert got == []


def test_latest_only_leaves_nothing_behind(rig: Rig) -> None:
    """A loop that is left by `break` ends its thread."""

    def threads() -> list[threading.Thread]:
        return [each for each in threading.enumerate() if each.name == "orch-feed-a/tick"]

    subscription = rig["a"].subscribe("tick", conflate=True)
    rig["a"].call("emit", 1)
    for event in subscription:
        assert event.value == [0, ""]
        break
    assert threads()
    del subscription, event
    gc.collect()
    wait_until(lambda: not threads())


def test_latest_only_in_asyncio(running_rig: RunningRig) -> None:
    async def use(address: str) -> list[object]:
        values: list[object] = []
        async with (
            aconnect(address) as rig,
            rig["a"].subscribe("tick", timeout=10, conflate=True) as ticks,
        ):
            await rig["a"].call("emit", 300)
            await rig["a"].call("emit", 1, 7)
            async for event in ticks:
                values.append(event.value)
                if event.value == [0, "x" * 7]:
                    break
        return values

    with running_rig.connected() as rig:
        address = rig.address
    values = asyncio.run(use(address))
    assert values[-1] == [0, "x" * 7]
    assert len(values) < 200

"""An alarm that stops workers and has their devices made safe, whatever they are at."""

from __future__ import annotations

import msgspec
import pytest

from orchestrator.core.alarms import Alarm
from orchestrator.core.children import ChildSpec
from orchestrator.core.effects import Launch, Moved, OrderDone, Secure, Signal
from orchestrator.core.states import Status
from tests.core.kit import Answer
from tests.core.rig_kit import CRASH, DONE, Bench
from transports.link import Polled

OVEN = ChildSpec("oven")
HEATER = ChildSpec("heater", secures=True, backoff=(1.0, 1.0))
WHY = "alarm: oven.t is 61, above 60"


def watched(*secures: str, alarm: Alarm | None = None) -> Bench:
    """An oven, a heater and a pump, all ready; an alarm of the oven makes some of them safe."""
    alarm = msgspec.structs.replace(alarm or Alarm(above=60, most=55), secures=secures)
    bench = Bench(OVEN, HEATER, ChildSpec("pump"), alarms={"oven": {"t": alarm}})
    bench.start("oven", "heater", "pump")
    return bench


def read(bench: Bench, value: float) -> None:
    message = msgspec.json.decode(msgspec.json.encode(Polled("t", repr(value))))
    token = f"oven{bench.rig.children['oven'].incarnation}"
    bench.control(f"{token}.q", {"type": "polled", **message})


def test_a_worker_is_stopped_and_made_safe_and_stays_stopped() -> None:
    bench = watched("heater")
    read(bench, 61)
    assert bench.status("heater") is Status.STOPPING
    assert (bench.status("oven"), bench.status("pump")) == (Status.READY, Status.READY)
    bench.ask("1", worker="heater")
    (answer,) = bench.of(Answer)
    assert b'"outcome":"not started"' in answer.payload
    bench.exit("heater", DONE)
    assert bench.of(Secure) == [Secure("heater", 1)]
    bench.rig.secured("heater", 1, "", bench.now)
    assert bench.of(Launch) == []
    assert bench.status("heater") is Status.STOPPED
    assert bench.rig.why("heater", bench.now) == WHY
    assert [move.reason for move in bench.moves[-2:]] == [WHY, WHY]
    told = [fact for fact in bench.facts if "made safe:" in fact.text]
    assert [(f.level, f.text, f.fields["worker"]) for f in told] == [
        ("warning", f"is stopped, to be made safe: {WHY}", "heater")
    ]


def test_an_order_starts_it_again_and_the_same_alarm_lets_it_run() -> None:
    """Until it has cleared and begins anew."""
    bench = watched("heater")
    read(bench, 61)
    bench.exit("heater", DONE)
    bench.rig.secured("heater", 1, "", bench.now)
    bench.start("heater")
    read(bench, 62)
    assert bench.status("heater") is Status.READY
    assert bench.rig.children["heater"].stopped_for == ""
    read(bench, 50)
    read(bench, 61)
    assert bench.status("heater") is Status.STOPPING


def test_pending_is_no_reason() -> None:
    bench = watched("heater", alarm=Alarm(above=60, lasting=5))
    read(bench, 61)
    assert bench.status("heater") is Status.READY
    bench.now += 5
    read(bench, 61)
    assert bench.status("heater") is Status.STOPPING


def test_several_are_and_the_one_that_is_watched() -> None:
    bench = watched("oven", "heater")
    read(bench, 61)
    assert (bench.status("oven"), bench.status("heater")) == (Status.STOPPING, Status.STOPPING)
    bench.exit("oven", DONE)
    assert bench.status("oven") is Status.STOPPED
    assert bench.rig.alarms.of("oven")["t"].raised


def test_one_that_hangs_is_ended() -> None:
    """As in each stop: what runs has its time, then it is signalled."""
    bench = watched("heater")
    bench.ask("1", worker="heater")
    read(bench, 61)
    bench.at(bench.now + HEATER.stop_timeout)
    assert Signal("heater", "term") in bench.take()


def test_one_between_two_lives_has_no_next_one() -> None:
    bench = watched("heater")
    bench.exit("heater", CRASH)
    bench.rig.secured("heater", 1, "", bench.now)
    assert bench.status("heater") is Status.BACKOFF
    read(bench, 61)
    assert bench.status("heater") is Status.STOPPED
    bench.at(bench.now + 10)
    assert bench.of(Launch) == []
    assert [f.text for f in bench.facts if "started again" in f.text] == [
        f"isn't started again: {WHY}"
    ]


def test_one_that_crashes_as_it_is_stopped_has_no_next_one() -> None:
    bench = watched("heater")
    read(bench, 61)
    bench.exit("heater", CRASH)
    assert bench.of(Secure) == [Secure("heater", 1)]
    assert bench.status("heater") is Status.STOPPED


@pytest.mark.parametrize("verb", ["restart", "start"])
def test_one_that_is_restarted_meanwhile_is_by_whoever_asks(verb: str) -> None:
    bench = watched("heater")
    read(bench, 61)
    bench.order(verb, "heater")  # type: ignore[arg-type]
    bench.exit("heater", DONE)
    assert bench.of(Launch) == []
    bench.rig.secured("heater", 1, "", bench.now)
    assert bench.of(Launch) == [Launch("heater", 2)]


def test_one_that_is_stopped_is_told_of_and_left_alone() -> None:
    bench = watched("heater", "gone")
    number = bench.order("stop", "heater")
    bench.exit("heater", DONE)
    bench.rig.secured("heater", 1, "", bench.now)
    assert bench.of(OrderDone) == [OrderDone(number, {"heater": "STOPPED"})]
    read(bench, 61)
    assert bench.of(Moved) == []
    assert [f.text for f in bench.facts if "already" in f.text] == [f"is STOPPED already: {WHY}"]


def test_a_stop_that_is_taken_back_leaves_no_reason() -> None:
    """One that waits for its turn hasn't begun; a later stop has another reason."""
    user = ChildSpec("user", after=("heater",))
    alarm = Alarm(above=60, secures=("heater", "user"))
    bench = Bench(OVEN, HEATER, user, alarms={"oven": {"t": alarm}})
    bench.start("oven", "heater", "user")
    read(bench, 61)
    assert bench.status("heater") is Status.READY
    bench.order("start", "heater")
    bench.exit("user", DONE)
    assert bench.status("heater") is Status.READY
    bench.order("stop", "heater")
    bench.exit("heater", DONE)
    assert bench.rig.why("heater", bench.now) == ""

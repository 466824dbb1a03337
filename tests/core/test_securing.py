"""A device that is made safe after each life of its worker, before anything else happens to it."""

from __future__ import annotations

from orchestrator.core.children import ChildSpec
from orchestrator.core.effects import Launch, OrderDone, Secure
from orchestrator.core.states import Status
from tests.core.kit import Answer
from tests.core.rig_kit import CRASH, DONE, Bench, up

SAFE = ChildSpec("a", secures=True, backoff=(0.1, 0.1))


def test_the_next_life_waits_for_the_device_to_be_safe_clients_do_not() -> None:
    bench = up(SAFE)
    bench.ask("1")
    bench.take()
    bench.exit("a", CRASH)
    effects = bench.take()
    assert Secure("a", 1) in effects
    assert [each.id for each in effects if isinstance(each, Answer)] == ["1"]
    bench.to_deadline()
    assert bench.of(Launch) == []
    assert bench.status() is Status.WAITING
    bench.rig.secured("a", 1, "", bench.now)
    assert bench.of(Launch) == [Launch("a", 2)]
    assert "its device was made safe by on_loss" in [fact.text for fact in bench.facts]


def test_a_failure_is_told_and_the_worker_lives_on() -> None:
    bench = up(SAFE)
    bench.exit("a", CRASH)
    bench.rig.secured("a", 1, "no device", bench.now, "Traceback")
    assert bench.rig.children["a"].unsecured == "no device"
    bench.take()
    (fact,) = [each for each in bench.facts if "on_loss" in each.text]
    assert (fact.level, fact.text) == (
        "error",
        "on_loss failed, its device may not be safe: no device",
    )
    assert fact.fields["exception"] == "Traceback"
    assert bench.rig.status == 0
    bench.to_deadline()
    assert bench.of(Launch) == [Launch("a", 2)]
    bench.come_up("a")
    bench.exit("a", CRASH)
    bench.rig.secured("a", 1, "an old one", bench.now)
    assert bench.rig.children["a"].securing == 2
    bench.rig.secured("a", 2, "", bench.now)
    assert bench.rig.children["a"].unsecured == ""


def test_a_stop_is_over_when_the_device_is_safe_and_then_those_before_it_stop() -> None:
    """A supply isn't switched off while what it supplies is being made safe."""
    bench = up(ChildSpec("supply"), ChildSpec("a", after=("supply",), secures=True))
    alone = bench.order("stop", "a")
    number = bench.order("stop", "supply")
    bench.exit("a", DONE)
    assert bench.of(OrderDone) == []
    assert bench.status("supply") is Status.READY
    bench.rig.secured("a", 1, "", bench.now)
    assert bench.status("supply") is Status.STOPPING
    assert bench.of(OrderDone) == [OrderDone(alone, {"a": "STOPPED"})]
    bench.exit("supply", DONE)
    assert bench.of(OrderDone) == [OrderDone(number, {"supply": "STOPPED"})]


def test_those_that_are_restarted_together_wait_for_all_devices() -> None:
    bench = Bench(
        ChildSpec("a", backoff=(0.0, 0.0)),
        ChildSpec("b", after=("a",), secures=True),
        strategy="one_for_all",
    )
    bench.order("start", "a", "b")
    bench.come_up("a")
    bench.come_up("b")
    bench.exit("a", CRASH)
    bench.exit("b", DONE)
    bench.take()
    bench.to_deadline()
    assert bench.of(Launch) == []
    bench.rig.secured("b", 1, "", bench.now)
    assert bench.of(Launch) == [Launch("a", 2)]


def test_a_rig_is_over_when_all_is_safe_also_when_it_is_killed() -> None:
    """With a status of its own if a device that it can't do without may not be."""
    bench = up(ChildSpec("a", secures=True, required=True))
    bench.rig.kill(bench.now)
    bench.exit("a", CRASH)
    assert Secure("a", 1) in bench.take()
    assert not bench.rig.is_over
    bench.rig.secured("a", 1, "no device", bench.now)
    assert bench.rig.is_over
    assert bench.rig.status == 1


def test_what_is_done_after_a_life_is_what_it_began_with() -> None:
    bench = up(SAFE)
    bench.rig.children["a"].spec = ChildSpec("a", backoff=(0.1, 0.1))
    bench.exit("a", CRASH)
    assert Secure("a", 1) in bench.take()
    bench.rig.secured("a", 1, "", bench.now)
    bench.to_deadline()
    bench.come_up("a")
    bench.exit("a", CRASH)
    assert bench.of(Secure) == []

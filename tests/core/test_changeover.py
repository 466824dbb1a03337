"""A rig whose workers come, go and change while it runs."""

from __future__ import annotations

from typing import Any

from orchestrator.core.changeover import Settings
from orchestrator.core.children import ChildSpec
from orchestrator.core.effects import Launch, OrderDone, Signal
from orchestrator.core.health import Probe
from orchestrator.core.plan import Change, Plan
from orchestrator.core.states import Status
from tests.core.kit import Answer, Sent
from tests.core.rig_kit import DONE, Bench, up
from transports.exceptions import NOT_STARTED
from transports.headers import Limits


def change(bench: Bench, *changes: Change, wanted: Any, strategy: str = "one_for_one") -> int:
    """Carry out a plan; `wanted` are specifications or all settings."""
    settings = [each if isinstance(each, Settings) else Settings(each) for each in wanted]
    by_name = {each.spec.name: each for each in settings}
    return bench.rig.change(Plan(changes), by_name, strategy, bench.now)


def test_one_that_is_added_starts_after_those_before_it() -> None:
    bench = up(ChildSpec("b"))
    specs = (ChildSpec("a"), ChildSpec("c", after=("a",)), ChildSpec("b"))
    number = change(bench, Change("a", "add"), Change("c", "add"), wanted=specs)
    assert bench.of(Launch) == [Launch("a", 1)]
    assert list(bench.rig.children) == ["a", "c", "b"]
    bench.come_up("a")
    assert bench.of(Launch) == [Launch("c", 1)]
    bench.ask("1", "c")
    bench.come_up("c")
    effects = bench.take()
    assert [each.id for each in effects if isinstance(each, Sent)] == ["1"]
    done = [each for each in effects if isinstance(each, OrderDone)]
    assert done == [OrderDone(number, {"a": "READY", "c": "READY"})]


def test_what_waits_for_one_that_is_removed_was_not_started() -> None:
    """What runs may end; what waits and what comes is refused, and then nobody knows it."""
    bench = up(ChildSpec("a"), ChildSpec("b"))
    bench.ask("runs")
    bench.ask("waits")
    (sent,) = bench.of(Sent)
    number = change(bench, Change("a", "remove"), wanted=[ChildSpec("b")])
    (answer,) = bench.of(Answer)
    assert answer.id == "waits"
    assert f"'outcome': {NOT_STARTED!r}" in str(answer.value)
    assert "was removed from the config" in str(answer.value)
    bench.ask("comes")
    assert "was removed" in str(bench.of(Answer)[0].value)
    assert bench.rig.kept == ["b"]
    bench.reply(sent)
    (answer,) = bench.of(Answer)
    assert answer.id == "runs"
    bench.exit("a", DONE)
    assert bench.of(OrderDone) == [OrderDone(number, {"a": "STOPPED"})]
    assert list(bench.rig.children) == list(bench.rig.broker.peers) == ["b"]
    bench.ask("late")
    (answer,) = bench.of(Answer)
    assert "has no worker" in str(answer.value)


def test_those_removed_stop_in_reverse_order_and_go_together() -> None:
    bench = up(ChildSpec("a"), ChildSpec("b", after=("a",)), ChildSpec("c"))
    number = change(bench, Change("b", "remove"), Change("a", "remove"), wanted=[ChildSpec("c")])
    assert (bench.status("a"), bench.status("b")) == (Status.READY, Status.STOPPING)
    bench.exit("b", DONE)
    assert bench.status("a") is Status.STOPPING
    assert set(bench.rig.children) == {"a", "b", "c"}
    bench.exit("a", DONE)
    assert bench.of(OrderDone) == [OrderDone(number, {"b": "STOPPED", "a": "STOPPED"})]
    assert set(bench.rig.children) == {"c"}


def test_one_that_somebody_waits_for_is_kept_until_that_is_told() -> None:
    bench = up(ChildSpec("a"), ChildSpec("b"))
    first = bench.order("restart", "a", "b")
    second = change(bench, Change("a", "remove"), wanted=[ChildSpec("b")])
    bench.exit("a", DONE)
    assert bench.of(OrderDone) == [OrderDone(second, {"a": "STOPPED"})]
    assert "a" in bench.rig.children
    bench.exit("b", DONE)
    bench.come_up("b")
    assert bench.of(OrderDone) == [OrderDone(first, {"a": "STOPPED", "b": "READY"})]
    assert "a" not in bench.rig.children


def test_a_name_that_comes_again_has_lives_of_its_own() -> None:
    """Nothing that belongs to a life is taken for that of another."""
    bench = up(ChildSpec("a"), ChildSpec("b"))
    change(bench, Change("a", "remove"), wanted=[ChildSpec("b")])
    bench.exit("a", DONE)
    bench.take()
    change(bench, Change("a", "add"), wanted=[ChildSpec("a"), ChildSpec("b")])
    assert bench.of(Launch) == [Launch("a", 2)]


def test_one_that_comes_again_while_somebody_waits_for_its_end_stays() -> None:
    """It went and came before all that others had asked for was done."""
    bench = up(ChildSpec("a"), ChildSpec("b"))
    first = bench.order("restart", "a", "b")
    second = change(bench, Change("a", "remove"), wanted=[ChildSpec("b")])
    bench.exit("a", DONE)
    assert OrderDone(second, {"a": "STOPPED"}) in bench.take()
    change(bench, Change("a", "add"), wanted=[ChildSpec("a"), ChildSpec("b")])
    assert bench.of(Launch) == [Launch("a", 2)]
    bench.come_up("a")
    bench.exit("b", DONE)
    bench.come_up("b")
    assert OrderDone(first, {"a": "READY", "b": "READY"}) in bench.take()
    assert list(bench.rig.children) == ["a", "b"]
    bench.ask("1")
    assert [each.id for each in bench.of(Sent)] == ["1"]


def test_one_that_waits_waits_for_one_that_is_added_too() -> None:
    """What it started after before doesn't count any more."""
    bench = up(ChildSpec("x"))
    bench.order("stop", "x")
    bench.exit("x", DONE)
    bench.order("start", "x")
    specs = [ChildSpec("x"), ChildSpec("c", after=("x",))]
    change(bench, Change("c", "add"), wanted=specs)
    assert bench.status("c") is Status.WAITING
    bench.take()
    specs = [ChildSpec("x"), ChildSpec("s"), ChildSpec("c", after=("s",))]
    change(bench, Change("s", "add"), Change("c", "restart", ("args",)), wanted=specs)
    assert bench.of(Launch) == [Launch("s", 1)]
    bench.come_up("s")
    assert bench.of(Launch) == [Launch("c", 1)]


def test_a_client_that_leaves_is_no_matter_of_who_has_gone() -> None:
    bench = up(ChildSpec("a"), ChildSpec("b"))
    bench.rig.broker.ledger.streams[b"client"] = {"a", "b"}
    change(bench, Change("a", "remove"), wanted=[ChildSpec("b")])
    bench.exit("a", DONE)
    bench.take()
    bench.rig.client_left(b"client")
    assert [each.lane for each in bench.of(Sent)] == ["b1.q"]


def test_one_that_changes_is_restarted_and_what_waits_is_kept() -> None:
    bench = up(ChildSpec("a"), ChildSpec("b"))
    number = change(
        bench, Change("a", "restart", ("kwargs",)), wanted=[ChildSpec("a"), ChildSpec("b")]
    )
    assert (bench.status("a"), bench.status("b")) == (Status.STOPPING, Status.READY)
    bench.ask("1")
    bench.exit("a", DONE)
    assert Launch("a", 2) in bench.take()
    bench.come_up("a")
    effects = bench.take()
    assert OrderDone(number, {"a": "READY"}) in effects
    assert [each.number for each in effects if isinstance(each, Sent)] == [1]


def test_one_that_was_stopped_on_purpose_stays_so_one_that_failed_does_not() -> None:
    bench = up(ChildSpec("a"), ChildSpec("b", restart="temporary"))
    bench.order("stop", "a")
    bench.exit("a", DONE)
    bench.exit("b")
    assert (bench.status("a"), bench.status("b")) == (Status.STOPPED, Status.FAILED)
    bench.take()
    both = [Change("a", "restart", ("args",)), Change("b", "restart", ("args",))]
    change(bench, *both, wanted=[ChildSpec("a"), ChildSpec("b")])
    assert bench.of(Launch) == [Launch("b", 2)]


def test_a_life_ends_as_what_it_is_not_as_what_is_to_follow() -> None:
    """A process that is to become a thread is signalled as a process."""
    bench = up(ChildSpec("a", stop_timeout=1.0))
    change(
        bench,
        Change("a", "restart", ("transport",)),
        wanted=[ChildSpec("a", stop_timeout=1.0, thread=True)],
    )
    bench.take()
    bench.to_deadline()
    assert bench.of(Signal) == [Signal("a", "term")]
    bench.exit("a", DONE)
    assert bench.rig.children["a"].thread


def test_what_runs_stops_in_the_order_in_which_it_was_started() -> None:
    """Whom a life relies on is what it began with, not what the next one will."""
    bench = up(ChildSpec("a"), ChildSpec("b", after=("a",)))
    changes = Change("a", "remove"), Change("b", "restart", ("kwargs", "after"))
    change(bench, *changes, wanted=[ChildSpec("b")])
    assert (bench.status("a"), bench.status("b")) == (Status.READY, Status.STOPPING)
    bench.exit("b", DONE)
    assert bench.status("a") is Status.STOPPING
    assert bench.status("b") is Status.STARTING


def test_another_order_holds_at_once_for_those_that_run_on() -> None:
    bench = up(ChildSpec("a"), ChildSpec("b"))
    change(
        bench,
        Change("b", "limits", ("after",)),
        wanted=[ChildSpec("a"), ChildSpec("b", after=("a",))],
    )
    bench.order("stop", "a", "b")
    assert (bench.status("a"), bench.status("b")) == (Status.READY, Status.STOPPING)


def test_an_order_that_is_turned_round_stops_nobody_from_stopping() -> None:
    """Through a third one too: the last one that began, or was told so, goes first."""
    specs = ChildSpec("a"), ChildSpec("b", after=("a",)), ChildSpec("c", after=("b",))
    bench = up(*specs)
    turned = [ChildSpec("a", after=("c",)), ChildSpec("b"), ChildSpec("c", after=("b",))]
    changes = Change("a", "limits", ("after",)), Change("b", "restart", ("after", "kwargs"))
    change(bench, *changes, wanted=turned)
    bench.rig.shut_down(bench.now)
    for name in ("a", "c", "b"):
        assert bench.status(name) is Status.STOPPING
        bench.exit(name, DONE)
    assert bench.rig.is_over


def test_limits_hold_at_once_and_restart_nobody() -> None:
    bench = up(ChildSpec("a"))
    settings = Settings(
        ChildSpec("a", backoff=(7.0, 7.0)),
        limits=Limits(None, 3.0),
        timeouts={"home": 9.0},
        restore=("gain",),
        probe=Probe("level", every=5.0),
    )
    number = change(bench, Change("a", "limits", ("execution_timeout",)), wanted=[settings])
    assert bench.take() == [OrderDone(number, {})]
    peer = bench.rig.broker.peers["a"]
    assert peer.limits_of("move").execution_timeout == 3.0
    assert peer.limits_of("home").execution_timeout == 9.0
    assert peer.kept.members == {"gain"}
    assert bench.rig.next_deadline == bench.now + 5.0
    change(bench, Change("a", "limits", ("probe",)), wanted=[Settings(settings.spec)])
    assert bench.rig.next_deadline is None
    bench.exit("a")
    assert bench.rig.next_deadline == bench.now + 7.0


def test_the_strategy_holds_from_now_on() -> None:
    bench = up(ChildSpec("a"), ChildSpec("b"))
    wanted = [ChildSpec("a"), ChildSpec("b")]
    change(bench, wanted=wanted, strategy="one_for_all")
    bench.exit("a")
    assert bench.status("b") is Status.STOPPING

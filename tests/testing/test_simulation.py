"""The whole rig simulated: its promises under seeded chaos, and a judge that can fail."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from orchestrator.core import broker, dispatch, evidence, lives, queues, starts, supervision
from orchestrator.core.children import ChildSpec
from orchestrator.core.effects import Fact, Secure
from orchestrator.core.requests import Ledger
from orchestrator.core.states import Goal
from orchestrator.testing import Boot, Calm, Operation, SimulatedRig, Violation
from orchestrator.testing.chaos import run_chaos

EVENTS = 5_000
BLOCKS, SEEDS = 8, 10
"""Together 400,000 events; `scripts/soak` goes on for longer."""


@pytest.mark.unmeasured
@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_promise_is_broken(block: int) -> None:
    """Whatever clients, operators, links, drivers and processes do, by seeds."""
    counts: Counter[str] = Counter()
    for seed in range(block * SEEDS, (block + 1) * SEEDS):
        counts += run_chaos(seed, EVENTS)
    assert counts["events"] >= SEEDS * EVENTS
    states = ("starting", "idle", "in flight", "in flight with more waiting", "closing")
    assert min(counts[f"process ended while {state}"] for state in states) >= 20, counts
    outcomes = ("done", "failed", "not started", "unknown")
    assert min(counts[f"answered {outcome}"] for outcome in outcomes) >= 50, counts
    assert counts["recipes followed"] >= 100, counts
    starts = ("for want of something", "of a driver", "that took too long", "until it went well")
    assert min(counts[f"failed starts {what}"] for what in starts) >= 3, counts
    cancels = ("withdrawn", "ended after stop", "ended after interrupt", "runs after interrupt")
    assert min(counts[f"cancelled: {what}"] for what in cancels) >= 3, counts


def test_a_seed_gives_the_same_run() -> None:
    """So that a failure can be repeated anywhere."""
    assert run_chaos(7, 2_000) == run_chaos(7, 2_000)
    assert run_chaos(7, 2_000) != run_chaos(8, 2_000)


def test_a_violation_tells_how_to_repeat_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seed and the number of events are enough."""
    monkeypatch.setattr(Ledger, "pass_on", lambda self, request, frames: None)
    with pytest.raises(Violation) as caught:
        run_chaos(3, 2_000)
    assert "repeat: python -m orchestrator.testing --seed 3 --events 2000" in caught.value.__notes__


@pytest.mark.measured
def test_the_command_counts() -> None:
    """`python -m orchestrator.testing` is what a failure names."""
    command = [sys.executable, "-m", "orchestrator.testing", "--seed", "1", "--events", "300"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "requests" in done.stdout


# -- the judge ----------------------------------------------------------------------------

Breakage = Callable[[pytest.MonkeyPatch], None]


def _answers_twice(patch: pytest.MonkeyPatch) -> None:
    once = Ledger.pass_on

    def twice(self: Ledger, request: Any, frames: Any) -> None:
        once(self, request, frames)
        self.answer_error(request, "OSError", "again", "unknown")

    patch.setattr(Ledger, "pass_on", twice)


def _lies_about_starts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(evidence, "UNKNOWN", "not started")


def _gives_a_life_what_is_meant_for_another(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lives, "split", lambda thing_id: (thing_id.partition("#")[0], ""))


def _forgets_what_ran(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dispatch.Dispatch, "settle", lambda self, lane, lost: None)


def _takes_all_for_unclaimed(patch: pytest.MonkeyPatch) -> None:
    """As if the tickets that are gone weren't claimed."""
    taken_back = dispatch.Dispatch.taken_back

    def take(self: Any, worker: str, incarnation: int, numbers: Any, now: float) -> None:
        given = list(self._peers[worker].queued.given)
        taken_back(self, worker, incarnation, given, now)

    patch.setattr(dispatch.Dispatch, "taken_back", take)


def _times_out_what_has_not_begun(patch: pytest.MonkeyPatch) -> None:
    def take_back(self: Any, lane: Any) -> None:
        for request in list(lane.requests()):
            request.claimed = True
            self._ledger.deadlines.add(request)

    patch.setattr(dispatch.Dispatch, "take_back", take_back)


def _dispatches_too_much(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(broker.Broker, "unreachable", lambda self, number, now: None)


def _last_comes_first(patch: pytest.MonkeyPatch) -> None:
    def pop(self: Any) -> Any:
        client, queue = next(iter(self._clients.items()))
        _, request = queue.popitem(last=True)
        self._count -= 1
        if not queue:
            del self._clients[client]
        return request

    patch.setattr(queues.FairQueue, "pop", pop)


def _deadlines_are_late(patch: pytest.MonkeyPatch) -> None:
    start = Ledger.start

    def late(self: Ledger, request: Any, now: float) -> None:
        request.execution_timeout = (request.execution_timeout or 1.0) + 0.01
        start(self, request, now)

    patch.setattr(Ledger, "start", late)


def _starts_out_of_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(supervision, "may_start", lambda child, children: True)


def _stops_out_of_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(supervision, "may_stop", lambda child, children: True)


def _never_stops(patch: pytest.MonkeyPatch) -> None:
    def stop(self: Any, names: Any, now: float, **more: bool) -> None:
        for name in names:
            self.children[name].goal = Goal.STOP

    patch.setattr(supervision.Supervision, "stop", stop)


def _keeps_requests(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "leave", lambda self, number: self.requests[number])


def _gives_up_for_want(patch: pytest.MonkeyPatch) -> None:
    unlaunched = supervision.Supervision.unlaunched

    def for_good(self: Any, *told: Any, wants: bool) -> None:
        unlaunched(self, *told, wants=False)

    patch.setattr(supervision.Supervision, "unlaunched", for_good)


def _starts_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(starts, "is_overdue", lambda child, now: False)
    patch.setattr(starts, "next_look", lambda child, now: now + 1.0)


def _starts_before_it_is_safe(patch: pytest.MonkeyPatch) -> None:
    def may_start(self: Any, child: Any) -> bool:
        return self.verdict is None and starts_in_turn(child, self.children)

    starts_in_turn = supervision.may_start
    patch.setattr(supervision.Supervision, "_may_start", may_start)


def _leaves_devices_as_they_are(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(supervision, "Secure", lambda worker, incarnation: Fact("info", "", {}))


def _makes_safe_while_it_lives(patch: pytest.MonkeyPatch) -> None:
    begin_stop = supervision.Supervision._begin_stop

    def too_soon(self: Any, child: Any, now: float) -> None:
        begin_stop(self, child, now)
        if child.secures:
            self._effects.append(Secure(child.spec.name, child.incarnation))

    patch.setattr(supervision.Supervision, "_begin_stop", too_soon)


def _keeps_who_waits_for_one_that_goes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(broker.Broker, "_close", lambda self, peer, reason: None)


BREAKAGES = [
    _starts_before_it_is_safe,
    _leaves_devices_as_they_are,
    _makes_safe_while_it_lives,
    _keeps_who_waits_for_one_that_goes,
    _gives_up_for_want,
    _starts_for_ever,
    _answers_twice,
    _lies_about_starts,
    _gives_a_life_what_is_meant_for_another,
    _forgets_what_ran,
    _takes_all_for_unclaimed,
    _times_out_what_has_not_begun,
    _dispatches_too_much,
    _last_comes_first,
    _deadlines_are_late,
    _starts_out_of_order,
    _stops_out_of_order,
    _never_stops,
    _keeps_requests,
]


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_the_judge_sees_a_broken_core(breakage: Breakage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that can't fail proves nothing."""
    breakage(monkeypatch)
    with pytest.raises((Violation, KeyError)):
        _run_seeds(6)


def _run_seeds(seeds: int) -> None:
    for seed in range(seeds):
        run_chaos(seed, EVENTS)


# -- as a fixture for tests ---------------------------------------------------------------


class Script(Calm):
    """A stage whose first life dies, and whose move takes as long as is said."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def boot(self, worker: str, incarnation: int) -> Boot:
        return Boot(0.1, "dies" if incarnation == 1 else "ready")

    def operation(self, worker: str, member: str) -> Operation:
        return Operation(self.seconds)


def test_a_rig_comes_up_answers_and_goes() -> None:
    """Time passes as fast as it can."""
    rig = SimulatedRig([ChildSpec("stage"), ChildSpec("camera", after=("stage",))], Script(5.0))
    rig.start()
    asked = rig.ask("alice", "stage", "move", execution_timeout=10.0)
    assert rig.run()
    assert rig.up is not None
    assert rig.up.ready == 2
    assert [answer.outcome for answer in asked.answers] == ["done"]
    assert asked.starts == ["stage-2"]
    number = rig.order("restart", ["stage"])
    assert rig.run(until=lambda: number in rig.orders)
    assert rig.orders[number] == {"stage": "READY"}
    rig.shut_down()
    assert rig.run(until=lambda: rig.core.is_over)
    rig.rest()


def test_a_timeout_is_told_in_time_and_the_stacks_are_asked_for() -> None:
    """The worker is stalled until its operation ends."""
    rig = SimulatedRig([ChildSpec("stage")], Script(5.0))
    rig.start()
    assert rig.run(until=lambda: rig.up is not None)
    asked = rig.ask("alice", "stage", execution_timeout=1.0)
    began = rig.now
    assert rig.run(until=lambda: bool(asked.answers))
    assert asked.answers[0].outcome == "unknown"
    assert rig.now - began == pytest.approx(1.0, abs=0.01)
    assert rig.core.children["stage"].status == "STALLED"
    assert rig.run()
    assert rig.core.children["stage"].status == "READY"


class Unready(Calm):
    """A worker whose first starts fail for now, each in another way."""

    def __init__(self) -> None:
        self.began: list[float] = []
        self.rig: SimulatedRig

    def boot(self, worker: str, incarnation: int) -> Boot:
        self.began.append(self.rig.now)
        outcomes: tuple[Any, ...] = ("wanting", "starved", "unbuilt", "ready")
        return Boot(7.0 if incarnation == 4 else 0.0, outcomes[incarnation - 1])


def test_starts_that_fail_for_now_are_tried_again() -> None:
    """After 1, 2 and 4 s; the last one takes long, and is told."""
    script = Unready()
    rig = script.rig = SimulatedRig([ChildSpec("stage", intensity=0)], script)
    rig.start()
    assert rig.run(until=lambda: rig.core.children["stage"].status == "READY")
    pauses = [after - before for before, after in pairwise(script.began)]
    assert pauses == pytest.approx([1.0, 2.0, 4.0], abs=0.01)
    told = [fact.text for fact in rig.facts if fact.text.startswith("still starting")]
    assert told == ["still starting, 5 s in Stage.__init__ (stage.py:1)"]


def test_a_frozen_process_is_killed_in_the_end() -> None:
    """It takes no notice of anything but the last signal."""
    rig = SimulatedRig([ChildSpec("stage")], Script(0.1))
    rig.start()
    assert rig.run(until=lambda: rig.up is not None)
    rig.freeze("stage")
    rig.cut("stage")
    rig.shut_down()
    assert rig.run()
    assert rig.core.is_over
    rig.rest()

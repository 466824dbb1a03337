"""Orders: when workers that were to be started, stopped or restarted are told to be so."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from orchestrator.core.children import Child, ChildSpec
from orchestrator.core.effects import OrderDone
from orchestrator.core.orders import Orders, Verb
from orchestrator.core.states import Goal
from orchestrator.core.states import Status as S
from tests.core.told import taken

VERBS: list[Verb] = ["start", "stop", "restart"]


class Desk:
    """Orders for two workers whose states the test sets."""

    def __init__(self) -> None:
        self.children = {name: Child(ChildSpec(name)) for name in "ab"}
        self._effects: deque[Any] = deque()
        self.orders = Orders(self.children, self._effects)

    def put(self, status: S, life: int = 1, name: str = "a", goal: Goal = Goal.RUN) -> None:
        """A worker comes into a state."""
        child = self.children[name]
        child.status, child.incarnation, child.goal = status, life, goal

    def done(self) -> list[Any]:
        """What is told by now."""
        self.orders.settle()
        return taken(self._effects)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", list(S))
def test_done_in_states_that_last(desk: Desk, verb: Verb, status: S) -> None:
    """One that starts, stops or waits is waited for; who failed isn't."""
    number = desk.orders.place(verb, ["a"])
    desk.put(status)
    lasts = status in (S.READY, S.STALLED, S.STOPPED, S.FAILED)
    assert desk.done() == [OrderDone(number, {"a": str(status)})] * lasts


def test_done_when_a_start_has_failed_for_now(desk: Desk) -> None:
    """It is tried again without end: nobody waits for a device to be switched on."""
    number = desk.orders.place("start", ["a"])
    desk.put(S.BACKOFF)  # after a crash
    assert desk.done() == []
    desk.children["a"].failures = 1
    desk.put(S.STARTING)
    assert desk.done() == []
    desk.put(S.BACKOFF)
    assert desk.done() == [OrderDone(number, {"a": "BACKOFF"})]


@pytest.mark.parametrize("goal", [Goal.STOP, Goal.RESTART])
def test_one_that_waits_for_its_turn_to_end_is_not_done(desk: Desk, goal: Goal) -> None:
    """It still serves, but not for long."""
    number = desk.orders.place("start", ["a"])
    desk.put(S.READY, goal=goal)
    assert desk.done() == []
    desk.put(S.STOPPED, goal=Goal.STOP)
    assert desk.done() == [OrderDone(number, {"a": "STOPPED"})]


def test_told_once(desk: Desk) -> None:
    """However often it is looked."""
    desk.orders.place("start", ["a"])
    assert len(desk.done()) == 1
    assert desk.done() == []


def test_done_when_all_are(desk: Desk) -> None:
    """With the states of all of them, in the order's order."""
    number = desk.orders.place("start", ["b", "a"])
    desk.put(S.READY)
    desk.put(S.STARTING, name="b")
    assert desk.done() == []
    desk.put(S.FAILED, name="b")
    (done,) = desk.done()
    assert done == OrderDone(number, {"a": "READY", "b": "FAILED"})
    assert list(done.states) == ["b", "a"]


def test_each_has_its_number_and_waits_for_its_own(desk: Desk) -> None:
    """Those that are done at once are told in the order in which they were placed."""
    desk.put(S.STARTING)
    desk.put(S.STARTING, name="b")
    first, second, third = (desk.orders.place("start", [name]) for name in "aba")
    assert len({first, second, third}) == 3
    desk.put(S.READY, name="b")
    assert [done.number for done in desk.done()] == [second]
    desk.put(S.READY)
    assert [done.number for done in desk.done()] == [first, third]


@pytest.mark.parametrize("before", [S.STARTING, S.READY, S.STALLED, S.STOPPING])
def test_a_life_that_is_to_be_replaced_does_not_count(desk: Desk, before: S) -> None:
    """A restart of what lives is done when the next life serves."""
    desk.put(before, life=4)
    number = desk.orders.place("restart", ["a"])
    desk.put(S.READY, life=4)
    assert desk.done() == []
    desk.put(S.READY, life=5)
    assert desk.done() == [OrderDone(number, {"a": "READY"})]


@pytest.mark.parametrize("status", [S.STOPPED, S.FAILED])
def test_a_restart_that_ends_without_another_life_is_done(desk: Desk, status: S) -> None:
    """As when a stop overrules it: nothing more is to come."""
    desk.put(S.READY)
    number = desk.orders.place("restart", ["a"])
    desk.put(status)
    assert desk.done() == [OrderDone(number, {"a": str(status)})]


@pytest.mark.parametrize("before", [S.WAITING, S.BACKOFF])
def test_a_life_that_is_still_to_begin_counts(desk: Desk, before: S) -> None:
    """A restart of what doesn't live replaces nothing."""
    desk.put(before, life=0)
    number = desk.orders.place("restart", ["a"])
    desk.put(S.READY, life=0)
    assert desk.done() == [OrderDone(number, {"a": "READY"})]


@pytest.mark.parametrize("verb", ["start", "stop"])
def test_only_a_restart_replaces(desk: Desk, verb: Verb) -> None:
    """A start of what serves is done with the life that it has."""
    desk.put(S.READY)
    number = desk.orders.place(verb, ["a"])
    assert desk.done() == [OrderDone(number, {"a": "READY"})]


def test_an_order_for_nobody_is_done(desk: Desk) -> None:
    """There is nothing to wait for."""
    number = desk.orders.place("stop", [])
    assert desk.done() == [OrderDone(number, {})]

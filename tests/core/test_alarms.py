"""Alarms: what raises and clears them, what isn't known, and what is told of that."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.alarms import Alarm, Alarms, State
from orchestrator.core.effects import Alarmed, Fact
from transports.errors import ProtocolError
from transports.link import Polled, Watch

HOT = Alarm(above=60, lasting=5, most=55, stale=10)


class Watching:
    """Alarms about the value `t` of the worker `a`, which is ready, with a clock."""

    def __init__(self, alarm: Alarm = HOT) -> None:
        self.effects: deque[Any] = deque()
        self.told: list[Watch] = []
        self.alarms = Alarms({"a": {"t": alarm}}, self._tell, self.effects)
        self.now = 100.0
        self.alarms.ready("a", self.now)

    def _tell(self, worker: str, message: Watch) -> bool:
        assert worker == "a"
        self.told.append(message)
        return True

    def read(self, value: float, after: float = 1.0) -> str:
        """Read a value after a while; the state then."""
        self.wait(after)
        self.alarms.read("a", Polled("t", repr(value)), self.now)
        return self.state

    def fail(self, fault: str = "OSError: gone", after: float = 1.0) -> str:
        self.wait(after)
        self.alarms.read("a", Polled("t", fault=fault), self.now)
        return self.state

    def wait(self, seconds: float) -> str:
        self.now += seconds
        self.alarms.tick(self.now)
        return self.state

    @property
    def state(self) -> str:
        return str(self.alarms.of("a")["t"].state)

    @property
    def raised(self) -> bool:
        return self.alarms.of("a")["t"].raised

    def take(self) -> tuple[list[str], list[Alarmed]]:
        """Facts, as level and text, and changes since the last call."""
        facts = [f"{e.level}: {e.text}" for e in self.effects if isinstance(e, Fact)]
        changes = [e for e in self.effects if isinstance(e, Alarmed)]
        self.effects.clear()
        return facts, changes


def test_it_is_raised_when_all_readings_of_its_time_are_beyond() -> None:
    it = Watching()
    assert it.told == [Watch(("t",))]
    assert [it.read(value) for value in (20, 61, 62, 59, 61)] == [
        *("ok", "pending", "pending", "ok", "pending")
    ]
    assert it.take() == ([], [])
    assert [it.read(61, 4.9), it.read(63.25, 0.1)] == ["pending", "raised"]
    facts, (change,) = it.take()
    assert facts == ["error: alarm: t is 63.25, above 60 for 5 s"]
    assert (change.was, change.state, change.value) == ("pending", "raised", 63.25)
    assert change.raised
    assert change.is_new


def test_only_readings_decide() -> None:
    """Time alone raises nothing: nobody knows what the value was meanwhile."""
    it = Watching()
    it.read(61)
    assert it.wait(9) == "pending"
    assert it.read(61, 0) == "raised"


def test_it_ends_where_it_clears() -> None:
    it = Watching(Alarm(above=60, most=55))
    assert it.read(61) == "raised"
    it.take()
    assert [it.read(value) for value in (59, 55.1, 60)] == ["raised"] * 3
    assert it.alarms.of("a")["t"].reason == "60, not cleared yet"
    assert it.take() == ([], [])
    assert it.read(55) == "ok"
    facts, (change,) = it.take()
    assert facts == ["info: alarm: t is 55 again after 4.0 s: cleared"]
    assert (change.raised, change.is_new) == (False, False)


def test_a_range_has_two_limits() -> None:
    it = Watching(Alarm(above=60, below=10, least=12, most=55, level="warning"))
    assert [it.read(v) for v in (10, 60, 9, 11, 58, 12)] == [
        *("ok", "ok", "raised", "raised", "raised", "ok")
    ]
    assert it.take()[0][0] == "warning: alarm: t is 9, below 10"


def test_infinity_is_beyond_and_nan_is_no_value() -> None:
    it = Watching(Alarm(above=60))
    assert it.read(math.inf) == "raised"
    it = Watching(Alarm(above=60))
    it.read(20)
    assert it.read(math.nan) == "ok"
    assert it.wait(9) == "stale"
    assert it.alarms.of("a")["t"].reason == "no value for 10 s: it is NaN"


def test_what_isn_t_read_is_stale_and_that_is_told_once() -> None:
    it = Watching()
    it.read(20)
    assert it.alarms.next_deadline is not None
    assert [it.fail() for _ in range(9)] == ["ok"] * 9
    assert it.fail() == "stale"
    facts, (change,) = it.take()
    assert facts == ["warning: alarm: t isn't known: no value for 10 s: OSError: gone"]
    assert (change.was, change.raised) == ("ok", False)
    assert [it.fail(), it.wait(100)] == ["stale", "stale"]
    assert it.take() == ([], [])
    assert it.read(21) == "ok"
    assert it.take()[0] == ["info: alarm: t is known again: 21"]


def test_what_was_never_read_is_told_too() -> None:
    it = Watching()
    assert it.state == "stale"
    assert it.take() == ([], [])
    it.wait(10)
    facts, _ = it.take()
    assert facts == ["warning: alarm: t isn't known: no value for 10 s: it wasn't read"]


def test_no_alarm_ends_because_nothing_is_known() -> None:
    it = Watching(Alarm(above=60, most=55, stale=10))
    it.read(61)
    it.take()
    assert it.wait(10) == "stale"
    assert it.raised
    facts, (change,) = it.take()
    assert facts == [
        "warning: alarm: t isn't known: no value for 10 s: it wasn't read; its alarm stays"
    ]
    assert change.raised
    assert it.read(58) == "raised"
    facts, (change,) = it.take()
    assert facts == ["error: alarm: t is still 58, not cleared yet"]
    assert not change.is_new
    it.wait(10)
    it.take()
    assert it.read(50) == "ok"
    assert it.take()[0] == ["info: alarm: t is 50 again after 22.0 s: cleared"]


def test_what_was_pending_begins_anew_after_it_was_stale() -> None:
    it = Watching()
    it.read(61)
    assert it.wait(10) == "stale"
    assert it.read(61) == "pending"
    assert it.read(61, 5) == "raised"


def test_a_value_that_is_no_number_is_told_at_once() -> None:
    it = Watching()
    for _ in range(2):
        it.alarms.read("a", Polled("t", fault="it is no number", is_final=True), it.now)
    assert it.take()[0] == ["warning: alarm: t isn't known: it is no number"]
    with pytest.raises(ProtocolError, match="polled value"):
        it.alarms.read("a", Polled("t", "hot"), it.now)
    it.alarms.read("a", Polled("else", "1.0"), it.now)  # not watched any more
    it.alarms.read("b", Polled("t", "1.0"), it.now)
    assert it.take() == ([], [])


def test_an_alarm_outlives_its_worker() -> None:
    it = Watching(Alarm(above=60, most=55))
    it.read(61)
    it.take()
    it.alarms.ended("a", it.now)
    assert it.take()[0] == ["warning: alarm: t isn't known: its worker has ended; its alarm stays"]
    assert it.wait(1000) == "stale"
    assert it.take() == ([], [])
    it.alarms.ready("a", it.now)
    assert it.read(20) == "ok"
    assert it.take()[0] == ["info: alarm: t is 20 again after 1001.0 s: cleared"]


def test_that_a_worker_ends_without_an_alarm_is_no_warning() -> None:
    it = Watching()
    it.read(20)
    it.alarms.ended("a", it.now)
    assert it.take()[0] == ["info: alarm: t isn't known: its worker has ended"]
    it.alarms.ready("a", it.now)
    it.read(20)
    assert it.take() == ([], [])  # that it is READY again says it


def test_other_limits_hold_from_the_next_reading_on() -> None:
    it = Watching(Alarm(above=60, most=60))
    it.read(61)
    it.take()
    cooler = {"t": Alarm(above=70, most=70), "u": Alarm(below=1)}
    it.alarms.change("a", cooler, it.now)
    it.alarms.change("a", cooler, it.now)
    assert it.told[1:] == [Watch(("t", "u"))]
    assert it.state == "raised"
    assert it.read(61) == "ok"
    it.read(71)
    it.take()
    it.alarms.change("a", {}, it.now)
    assert it.take()[0] == ["warning: alarm: t isn't watched any more, it was 71, above 70"]
    assert it.alarms.of("a") == {}
    assert it.told[2:] == [Watch(())]
    it.alarms.tick(it.now + 1000)
    assert it.alarms.next_deadline is None


STEPS = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 100), st.just(math.nan), st.none()),  # none: it can't be read
        st.floats(0.1, 12),
    ),
    max_size=40,
)


@given(STEPS, st.sampled_from([0.0, 3.0]))
def test_whatever_comes_it_is_as_told(steps: list[tuple[float | None, float]], hold: float) -> None:
    """An alarm begins beyond its limit only and ends where it clears only, and each is told."""
    it = Watching(Alarm(above=60, most=55, lasting=hold, stale=10))
    changes: list[Alarmed] = []
    for value, after in steps:
        before = it.raised
        if value is None:
            it.fail(after=after)
        else:
            it.read(value, after)
        is_known = value is not None and not math.isnan(value)
        if it.raised and not before:
            assert value is not None
            assert value > 60
            assert it.state == "raised"
        if before and not it.raised:
            assert value is not None
            assert value <= 55
        if is_known:
            assert it.state != "stale"
        changes += it.take()[1]
    states = ["stale", *(each.state for each in changes)]
    assert all(one != other for one, other in pairwise(states[1:]))
    assert sum(each.is_new for each in changes) >= it.raised
    if changes:
        assert changes[-1].raised == it.raised


def test_states_are_told_by_their_names() -> None:
    assert [*State] == ["ok", "pending", "raised", "stale"]

"""When polled properties are due, and what is kept of them."""

from __future__ import annotations

import logging
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from transports.link import Polled
from workers.driver.polled import mark_polled
from workers.errors import SpecError, Terminated
from workers.failures import Refused
from workers.serving.polling import Poller, Schedule, as_number


def test_what_is_due_longest_goes_first() -> None:
    schedule = Schedule({"fast": 0.1, "slow": 1.0})
    assert schedule.wait(5.0) == -1  # not begun: no wake-ups
    schedule.begin(5.0)
    assert schedule.wait(5.0) == 100
    assert schedule.take(5.05) is None
    assert schedule.wait(5.2) == 0
    assert schedule.take(5.2) == "fast"
    assert schedule.take(5.2) is None  # it is being read
    assert schedule.wait(5.2) == 800
    schedule.taken("fast", 5.2)
    assert [schedule.take(6.1), schedule.take(6.1)] == ["fast", "slow"]
    assert schedule.wait(9.0) == -1


def test_what_waits_goes_before_a_read_for_an_interval() -> None:
    schedule = Schedule({"x": 1.0})
    schedule.begin(0.0)
    assert schedule.take(1.9, patience=1.0) is None
    assert schedule.take(2.0, patience=1.0) == "x"


def test_nothing_polled_is_never_due() -> None:
    schedule = Schedule({})
    schedule.begin(0.0)
    assert schedule.wait(100.0) == -1
    assert schedule.take(100.0) is None


class Values:
    """Gives what is next in line, or raises it."""

    def __init__(self, *values: Any) -> None:
        self.values = [*values]

    def __call__(self, name: str) -> Any:
        value = self.values.pop(0)
        if isinstance(value, BaseException):
            raise value
        return value


def poller(*values: Any) -> Poller:
    description = {"title": "X", "properties": {"x": {}, "y": {"orch:concurrent": True}, "z": {}}}
    mark_polled(description, {"x": 0.5, "y": 1.0}, "")
    return Poller(description, Values(*values), "w")


def test_members_are_polled_in_their_lanes() -> None:
    found = poller()
    found.queued.begin(0.0)
    found.beside.begin(0.0)
    assert found.names == ["x", "y"]
    assert (found.queued.wait(0.0), found.beside.wait(0.0)) == (500, 1000)


def test_the_last_good_value_is_kept_and_errors_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "workers")
    found = poller(1.5, OSError("gone"), OSError("gone still"), SystemExit(3), 2.5)
    found.poll("x")
    first, value = found.cached("x")
    assert (value, first["error"]) == (1.5, "")
    for error in ("OSError: gone", "OSError: gone still", "SystemExit: 3"):
        found.poll("x")
        assert found.cached("x") == ({"time": first["time"], "error": error}, 1.5)
    found.poll("x")
    told, value = found.cached("x")
    assert (value, told["error"]) == (2.5, "")
    assert told["time"] >= first["time"]
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said == [("WARNING", "x can't be polled"), ("INFO", "x can be polled again")]


def test_what_was_never_read_is_told() -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    found = poller(OSError("off"), Unprintable())
    found.poll("x")
    with pytest.raises(Refused, match=r"w\.x couldn't be read yet: OSError: off"):
        found.cached("x")
    found.poll("x")
    with pytest.raises(Refused, match="yet: Unprintable"):
        found.cached("x")
    with pytest.raises(Refused, match="w doesn't poll 'z'"):
        found.cached("z")
    with pytest.raises(Refused):
        found.cached([])  # type: ignore[arg-type]


def test_a_value_that_changes_in_place_is_kept_as_it_was() -> None:
    listed, array = [1], np.zeros(2)
    found = poller(listed, array)
    found.poll("x")
    found.poll("y")
    listed.append(2)
    array[0] = 7
    assert found.cached("x")[1] == [1]
    assert found.cached("y")[1].tolist() == [0, 0]


def test_a_signal_ends_a_read() -> None:
    with pytest.raises(Terminated):
        poller(Terminated()).poll("x")


def test_only_what_can_be_read_is_polled() -> None:
    description = {"title": "X", "properties": {"x": {}, "w": {"writeOnly": True}}}
    mark_polled(description, {"x": 2.0}, "")
    assert description["properties"]["x"] == {"orch:poll": 2.0, "observable": True}
    with pytest.raises(SpecError, match=r"lab:3: poll: 'y' is no property of X"):
        mark_polled(description, {"y": 1.0}, "lab:3")
    with pytest.raises(SpecError, match="'w' can only be written"):
        mark_polled(description, {"w": 1.0}, "")


def test_what_is_watched_is_told() -> None:
    """At once, and at each read; what is no number is told as such, and never made one."""
    found = poller(20.5, OSError("gone"), 21, True)
    assert found.watch(["x", "y"]) == [
        Polled("x", fault="it wasn't read yet"),
        Polled("y", fault="it wasn't read yet"),
    ]
    assert found.poll("x") == Polled("x", "20.5")
    assert found.poll("x") == Polled("x", fault="OSError: gone")
    assert found.watch(["y"]) == [Polled("y", fault="it wasn't read yet")]
    assert found.poll("x") is None
    assert found.watch(["x", "z"]) == [Polled("x", "21.0")]
    assert found.poll("x") == Polled("x", fault="it is no number, but of type bool", is_final=True)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3.0),
        (np.float32(0.5), 0.5),
        (np.array(2), 2.0),
        (Decimal("1.5"), 1.5),
        (math.inf, math.inf),
        (10**400, math.inf),
        (-(10**400), -math.inf),
        (np.bool_(True), None),
        (np.zeros(1), None),
        ("60", None),
        (1j, None),
    ],
)
def test_numbers_are_compared(value: Any, number: float | None) -> None:
    assert as_number(value) == number

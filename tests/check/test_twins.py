"""A twin is compared with its driver, as far as their classes tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.check.probe import look
from orchestrator.check.runner import Outcome
from orchestrator.check.twins import as_worker, differences
from orchestrator.config.loader import WorkerConfig, load
from workers.driver.markers import Event, prop

TEXT = 'rig: lab\nworkers: {a: {driver: "m:Real", simulate: "m:Twin"}}\n'


class Real:
    moved = Event()

    @property
    def position(self) -> float:
        return 0.0

    @prop(unit="mm")
    def speed(self) -> float:
        return 1.0

    @speed.setter
    def speed(self, value: float) -> None: ...

    def move(self, x: float, fast: bool = False) -> float:
        return x


class Complete(Real):
    def move(self, x: Any, fast: Any = None) -> Any:
        """Other annotations take the same."""


class Lacking:
    def elsewhere(self) -> None: ...


class Otherwise(Real):
    @property
    def position(self) -> str:  # type: ignore[override]
        return ""

    @property
    def speed(self) -> float:  # type: ignore[override]
        return 1.0

    def move(self, x: float) -> float:  # type: ignore[override]
        return x


class OfAnotherUnit(Real):
    @prop(unit="um")
    def speed(self) -> float:  # type: ignore[override]
        return 1.0

    @speed.setter
    def speed(self, value: float) -> None: ...


class Made:
    moved = Event()

    def __init__(self) -> None:
        self.position = self.speed = 0.0

    def move(self, x: float, fast: bool = False) -> float:
        return x


class Anything:
    moved = Event()

    def __getattr__(self, name: str) -> Any: ...


def factory() -> Any: ...


@pytest.fixture
def worker(tmp_path: Path) -> WorkerConfig:
    (tmp_path / "lab.yaml").write_text(TEXT)
    return load(tmp_path / "lab.yaml").workers["a"]


def looked_at(target: Any) -> Outcome:
    """As the probe's process finds it."""
    nothing: dict[str, Any] = {"args": [], "kwargs": {}, "members": [], "calls": [], "stops": []}
    nothing |= {"limited": [], "open_with": None, "stop_with": None, "too_old": False}
    return Outcome(answer=look(target, {**nothing, "describe": "workers.driver.describe"}))


def told(worker: WorkerConfig, twin: Any, real: Any = Real) -> list[str]:
    return [each.message for each in differences(worker, looked_at(real), looked_at(twin))]


@pytest.mark.parametrize("twin", [Real, Complete, Made, Anything])
def test_one_that_has_all_is_good(worker: WorkerConfig, twin: type) -> None:
    assert told(worker, twin) == []


def test_what_lacks_is_told_at_the_twin_s_place(worker: WorkerConfig) -> None:
    found = list(differences(worker, looked_at(Real), looked_at(Lacking)))
    assert [each.message for each in found] == [
        '"Lacking" lacks "position", a property of "Real"',
        '"Lacking" lacks "speed", a property of "Real"',
        '"Lacking" lacks "move", an action of "Real"',
        '"Lacking" lacks "moved", an event of "Real"',
    ]
    assert {str(each.place).rpartition("/")[2] for each in found} == {"lab.yaml:2:43"}


def test_what_is_taken_otherwise_is_told(worker: WorkerConfig) -> None:
    assert told(worker, Otherwise) == [
        '"Otherwise": the type of position is string, not number',
        '"Otherwise": speed can\'t be written',
        '"Otherwise": move(x: float) -> float takes other arguments than'
        " move(x: float, fast: bool = False) -> float",
    ]
    assert told(worker, OfAnotherUnit) == ['"OfAnotherUnit": the unit of speed is um, not mm']


def test_what_a_factory_gives_is_not_known(worker: WorkerConfig) -> None:
    (text,) = told(worker, factory)
    assert (
        text == "the twin can't be compared: what \"m:Twin\" offers isn't known before it is built"
    )
    assert '"m:Real"' in told(worker, Real, factory)[0]


def test_a_twin_is_looked_at_as_a_worker_that_nobody_has(worker: WorkerConfig) -> None:
    twin = as_worker(worker)
    assert (twin.name, twin.driver) == ("a simulate", "m:Twin")

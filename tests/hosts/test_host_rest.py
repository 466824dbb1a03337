"""What lost agents owe, and when it is told that it won't come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.access.keys import Pair
from orchestrator.hosts.lease import HostLease
from orchestrator.rig import host_rest
from orchestrator.rig.host_agent import Agent
from orchestrator.rig.host_rest import WITHIN, HostRest


class FakeRig:
    """Counts time itself."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[str] = []
        self.forgotten: list[str] = []
        self.loop = self
        self._later: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self._later.append((self.now + seconds, call))

    def record(self, level: str, text: str, fields: dict[str, Any]) -> None:
        self.told.append(text)

    def forget(self, token: str) -> None:
        self.forgotten.append(token)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        due = [call for at, call in self._later if at <= self.now]
        self._later = [each for each in self._later if each[0] > self.now]
        for call in due:
            call()


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> FakeRig:
    rig = FakeRig()
    monkeypatch.setattr(host_rest, "clock", lambda: rig.now)
    return rig


def agent(rig: FakeRig, token: str) -> Agent:
    return Agent(token, Pair("p", "s"), HostLease(5.0, rig.now), rig.now, heard=rig.now)


def test_who_is_heard_goes_on_to_tell_and_who_isnt_is_told(rig: FakeRig) -> None:
    rest: Any = HostRest("far", rig)  # type: ignore[arg-type]
    first, second = agent(rig, "a"), agent(rig, "b")
    rest.owed(first, ["cam"])
    rest.owed(second, ["laser", "stage"])
    rig.sleep(60)
    assert not rig.told  # while nobody else is there it may still come
    first.heard = rig.now
    rest.followed()
    assert [("laser" in each) for each in rig.told] == [True]
    assert "what laser, stage wrote last on host far may be missing" in rig.told[0]
    rig.sleep(WITHIN - 1)
    first.heard = rig.now
    rig.sleep(WITHIN - 1)
    assert len(rig.told) == 1
    rest.told(first)
    rig.sleep(2 * WITHIN)
    assert len(rig.told) == 1
    assert rig.forgotten == ["b"]


def test_at_the_rigs_end_it_is_told_and_nothing_of_who_had_no_workers(rig: FakeRig) -> None:
    rest: Any = HostRest("far", rig)  # type: ignore[arg-type]
    rest.owed(agent(rig, "a"), ["cam"])
    rest.owed(agent(rig, "b"), [])
    rest.close()
    assert len(rig.told) == 1
    assert rig.forgotten == ["a", "b"]

"""CPU and memory of workers' processes, as the rig's own worker tells them."""

from __future__ import annotations

import os
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.rig import manager
from orchestrator.rig.manager import USAGE_LASTS, RigControl


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=manager.time.time())
    monkeypatch.setattr(manager, "time", SimpleNamespace(time=lambda: clock.now))
    monkeypatch.setattr(manager, "has_changed", lambda file, digest: False)
    return clock


def control_of(pid: int, incarnation: int) -> RigControl:
    """A rig with one worker, whose process is given."""

    def ask(question: Any) -> Future[Any]:
        worker = {
            "name": "stage",
            "incarnation": incarnation,
            "pid": pid,
            "own": True,
            "used": None,
        }
        future: Future[Any] = Future()
        future.set_result({"workers": [worker]})
        return future

    config = SimpleNamespace(file="", digest="")
    return RigControl(SimpleNamespace(ask=ask, snapshot=None, config=lambda: config))  # type: ignore[arg-type]


def test_a_process_is_looked_at_once_in_a_while(clock: SimpleNamespace) -> None:
    control = control_of(os.getpid(), 1)
    (first,) = control.status()["workers"]
    assert first["memory"] > 0
    (look,) = control._looks.values()
    looked = look.at
    clock.now += USAGE_LASTS / 2
    (second,) = control.status()["workers"]
    assert (second["cpu"], second["memory"], look.at) == (first["cpu"], first["memory"], looked)
    clock.now += USAGE_LASTS
    control.status()
    assert look.at == clock.now


def test_a_clock_that_was_set_back_hides_nothing(clock: SimpleNamespace) -> None:
    control = control_of(os.getpid(), 1)
    control.status()
    clock.now -= 3600
    (found,) = control.status()["workers"]
    assert found["memory"] > 0
    (look,) = control._looks.values()
    assert look.at == clock.now


def test_of_a_process_that_has_ended_nothing_is_told(clock: SimpleNamespace) -> None:
    (found,) = control_of(2**22 + 1, 1).status()["workers"]
    assert (found["cpu"], found["memory"]) == (None, None)

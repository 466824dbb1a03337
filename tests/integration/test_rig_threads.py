"""Workers that are threads of a real rig: what is told of them, and what ends them."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.logs.read.api import select
from orchestrator.logs.read.lookup import Entry
from tests.rigs import RunningRig, running, wait_until

pytestmark = pytest.mark.measured

DRIVER = """
import itertools, time

numbers = itertools.count(1)

class Slow:
    def __init__(self, seconds: float = 0.0):
        self.number = next(numbers)
        time.sleep(seconds if self.number == 1 else 0.0)

    def busy(self, seconds: float) -> int:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.01)
        print("done", self.number, flush=True)
        return self.number

    def which(self) -> int:
        return self.number

    def close(self):
        print("closed", self.number, flush=True)
"""
CONFIG = """
rig: threads
defaults: {transport: inproc, execution_timeout: 20s}
workers:
  reports: {driver: "slow:Slow"}
  restarts: {driver: "slow2:Slow", on_execution_timeout: restart, stop_timeout: 500ms}
  waits: {driver: "slow3:Slow", on_execution_timeout: restart, stop_timeout: 20s}
"""
DRIVERS = {"slow": DRIVER, "slow2": DRIVER, "slow3": DRIVER}


def store(rig: RunningRig) -> Path:
    return next((rig.folder / "state").glob("*/logs"))


def said(rig: RunningRig, worker: str) -> list[str]:
    """What a worker has printed, in order."""
    return [entry.event for entry in select(store(rig), worker=worker) if entry.stream == "stdout"]


def test_its_stack_at_a_timeout_has_the_request() -> None:
    """As that of a process: the log of the request shows where the driver was."""
    with running(CONFIG, DRIVERS) as rig, rig.connected() as client:
        future = client.reports.submit("busy", 1.0, execution_timeout=0.3)
        with pytest.raises(errors.ExecutionTimeout):
            future.result()

        def stacks() -> list[Entry]:
            found = select(store(rig), request=future.request_id)  # type: ignore[attr-defined]
            return [entry for entry in found if entry.exception and "busy" in entry.exception]

        (entry,) = wait_until(stacks)
        assert (entry.worker, entry.member) == ("reports", "busy")
        assert "in slow.py:" in entry.event


def test_one_that_overran_never_serves_again() -> None:
    """It is left behind, said plainly; when what ran has ended, its driver is closed."""
    with running(CONFIG, DRIVERS) as rig, rig.connected() as client:
        with pytest.raises(errors.ExecutionTimeout):
            client.restarts.call("busy", 2.0, execution_timeout=0.2)
        assert client.restarts.which() == 2
        wait_until(lambda: "closed 1" in said(rig, "restarts"))
        assert said(rig, "restarts") == ["done 1", "closed 1"]
        assert client.restarts.which() == 2
        assert "doesn't stop: its thread is left behind, and closes its driver once" in rig.text
        wait_until(lambda: "a thread left behind has ended" in rig.text)
        assert "SIGKILL" not in rig.text
        assert rig.stop() == 0
        assert said(rig, "restarts") == ["done 1", "closed 1", "closed 2"]


def test_one_that_ends_in_its_time_is_closed_before_the_next_is_built() -> None:
    """What is asked for meanwhile waits, and is done by the next."""
    with running(CONFIG, DRIVERS) as rig, rig.connected() as client:
        with pytest.raises(errors.ExecutionTimeout):
            client.waits.call("busy", 1.0, execution_timeout=0.2)
        assert client.waits.which() == 2
        wait_until(lambda: said(rig, "waits") == ["done 1", "closed 1"])
        assert "left behind" not in rig.text


def test_one_whose_start_took_too_long_never_serves() -> None:
    """Its driver is closed once it is built."""
    config = """
rig: lately
workers:
  late: {driver: "slow:Slow", args: [6], transport: inproc, start_timeout: 3s}
"""
    with running(config, DRIVERS) as rig, rig.connected() as client:
        assert client.late.which() == 2
        wait_until(lambda: "closed 1" in said(rig, "late"))
        assert client.late.which() == 2

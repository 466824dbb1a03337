"""A changed config for a rig that runs: planned, applied, refused, rolled back, on save."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import NotStarted
from tests.rigs import RunningRig, running, wait_until

AXIS = """
import threading

class Axis:
    def __init__(self, axes: int = 1):
        if axes > 9:
            raise TypeError("too many axes")
        self.axes = axes
        self.go = threading.Event()

    def count(self) -> int:
        return self.axes

    def hold(self):
        self.go.wait(20)
"""
BEFORE = """
rig: bench
defaults: {stop_timeout: 200ms}
workers:
  gone: {driver: "axis:Axis"}
  other: {driver: "axis:Axis", kwargs: {axes: 2}}
  third: {driver: "axis:Axis"}
"""
AFTER = """
rig: bench
defaults: {stop_timeout: 200ms}
workers:
  other: {driver: "axis:Axis", kwargs: {axes: 3}}
  third: {driver: "axis:Axis", execution_timeout: 7s}
  new: {driver: "axis:Axis", after: [other]}
"""


@pytest.mark.measured
def test_a_changed_config_is_applied_to_a_rig_that_runs() -> None:
    with running(BEFORE, {"axis": AXIS}) as rig, rig.connected() as client:

        def workers() -> dict[str, Any]:
            return {each["name"]: each for each in client.status()["workers"]}

        path = str(rig.config)
        assert rig.orch("plan", path).stdout == "nothing differs from what runs\n"
        before = workers()
        rig.config.write_text(AFTER.replace("3}", "3, axes: 4}"))
        refused = rig.orch("apply", path)
        assert (refused.returncode, workers()["other"]["pid"]) == (2, before["other"]["pid"])
        assert f"{path}:5:" in refused.stderr
        rig.config.write_text(AFTER.replace("axis:Axis", "axis:Axle", 1))
        refused = rig.orch("apply", path)
        assert (refused.returncode, workers().keys()) == (2, before.keys())
        assert "the rig is as it was" in refused.stderr

        rig.config.write_text(AFTER)
        assert f"orch plan {path}" in rig.orch("status").stdout
        planned = rig.orch("plan", path)
        assert planned.stdout.splitlines() == [
            "- gone  is stopped and removed",
            "~ other  restarts: kwargs",
            "~ third  no restart: execution_timeout",
            "+ new  starts",
        ]
        hold = client["gone"].submit("hold", execution_timeout=60)
        wait_until(lambda: workers()["gone"]["in_flight"])
        waits = client["gone"].submit("count", invocation_timeout=60)
        done = rig.orch("apply", "--json", path)
        assert done.returncode == 0, done
        found = json.loads(done.stdout)
        assert found["states"] == {"gone": "STOPPED", "other": "READY", "new": "READY"}
        error = waits.exception(20)
        assert isinstance(error, NotStarted)
        assert "removed from the config" in str(error)
        assert hold.exception(20) is not None
        after = workers()
        assert list(after) == ["other", "third", "new"]
        assert after["third"]["pid"] == before["third"]["pid"]
        assert after["other"]["incarnation"] == 2
        assert client["other"].call("count") == 3
        assert client["new"].call("count") == 1
        assert client["third"].describe(refresh=True)["orch:timeouts"]["execution"] == 7.0
        assert client.status()["config_changed"] is False

        assert rig.orch("wait").returncode == 0
        with ThreadPoolExecutor(1) as beside:
            waits_for_stop = beside.submit(rig.orch, "wait", "third", "--state", "stopped")
            assert rig.orch("stop", "third").returncode == 0
            assert waits_for_stop.result(20).returncode == 0
        rig.config.write_text(AFTER.replace("7s}", "7s, kwargs: {axes: 2}}"))
        told = "~ third  is stopped, and begins so when it is started: kwargs\n"
        assert rig.orch("plan", path).stdout == told
        late = rig.orch("wait", "--timeout", "50ms", "third")
        assert (late.returncode, "third is STOPPED" in late.stderr) == (4, True)
        assert rig.orch("wait", "nobody").returncode == 2

        rig.config.write_text(AFTER.replace("axes: 3", "axes: 10"))
        failed = rig.orch("apply", "--rollback", path)
        assert failed.returncode == 4, failed
        assert "rolled back" in failed.stderr
        assert "too many axes" in failed.stderr
        assert workers()["other"]["state"] == "READY"
        assert client["other"].call("count") == 3
        assert client.status()["config_changed"] is True

        rig.config.write_text(f'{AFTER}listen: [ipc, "ipc://{rig.folder}/also"]\n')
        fixed = rig.orch("plan", path)
        assert fixed.stdout.startswith("! listen of the rig  can't change while it runs")
        assert (fixed.returncode, "orch apply would refuse" in fixed.stderr) == (2, True)
        assert rig.orch("apply", path).returncode == 2


class Watched(RunningRig):
    """A rig that applies its config whenever that is saved."""

    def command(self, *arguments: str) -> list[str]:
        """The argument list of an orch command."""
        watch = ["--watch"] if arguments[0] == "run" else []
        return super().command(*arguments, *watch)


def test_a_config_that_is_saved_is_applied(tmp_path: Path) -> None:
    """Also one that replaces the file; one that can't be used is told and changes nothing."""
    rig = Watched(tmp_path, BEFORE, {"axis": AXIS})
    rig.start()
    try:
        rig.wait_settled()
        rig.config.write_text("rig: bench\nworkers: 7\n")
        wait_until(lambda: "the rig is as it was" in rig.text)
        assert "rig.yaml:2:10" in rig.text
        rig.config.write_text(BEFORE.replace("axis:Axis", "axis:Axsi", 1))
        wait_until(lambda: "'Axsi'" in rig.text or '"Axsi"' in rig.text)
        saved = tmp_path / "saved"
        saved.write_text(AFTER)
        saved.rename(rig.config)
        rig.wait_state("new", "READY")
        wait_until(lambda: list(rig.wait_settled()) == ["other", "third", "new"])
    finally:
        rig.stop()

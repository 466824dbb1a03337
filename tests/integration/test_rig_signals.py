"""Signals from elsewhere: the supervisor alone acts on what comes to all processes of a rig."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.rigs import RunningRig, is_alive, running, wait_until

pytestmark = pytest.mark.fresh_processes

DRIVER = """
import signal, time

class Laser:
    def close(self):
        closing = time.monotonic()
        while time.monotonic() < closing + 0.2:
            time.sleep(0.01)
        print("closed", flush=True)

    def hangup(self) -> str:
        return repr(signal.getsignal(signal.SIGHUP))
"""
CONFIG = """
rig: signals
workers:
  laser: {driver: "laser:Laser"}
  stage: {driver: "laser:Laser", after: [laser]}
  own: {driver: "laser:Laser", after: [stage], env: {FLAVOUR: mint}}
"""


def processes(rig: RunningRig) -> list[psutil.Process]:
    supervisor = psutil.Process(rig.process.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def closed(rig: RunningRig) -> list[str]:
    return [line.split()[2] for line in rig.text.splitlines() if line.endswith(" closed")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("first", ["the supervisor", "the workers"])
def test_a_signal_to_all_processes_closes_all_in_order(number: int, first: str) -> None:
    """As systemd, a container's runtime or `kill` sends it, to whomever it comes first."""
    with running(CONFIG, {"laser": DRIVER}) as rig:
        found = processes(rig)
        for process in found if first == "the supervisor" else reversed(found):
            process.send_signal(number)
        assert rig.process.wait(20) == 0
        assert closed(rig) == ["own", "stage", "laser"]
        wait_until(lambda: not any(is_alive(process.pid) for process in found))


def helpers_start(rig: RunningRig) -> list[psutil.Process]:
    """All processes of a rig whose fork server has begun to import; none before that."""
    with contextlib.suppress(psutil.NoSuchProcess):
        found = processes(rig)
        if any("workers.process.fork_server" in each.cmdline() for each in found):
            return found
    return []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("pause", [0.0, 0.1, 0.3])
def test_a_signal_to_all_processes_while_they_start(number: int, pause: float) -> None:
    """Those that have no handler for it yet are neither ended by it nor leave a traceback."""
    with running(CONFIG, {"laser": DRIVER}, settle=False) as rig:
        wait_until(lambda: helpers_start(rig))
        time.sleep(pause)  # wherever they are by then
        for process in reversed(processes(rig)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        assert rig.process.wait(20) == 0
        assert "Traceback" not in rig.text
        assert "died" not in rig.text


def test_a_sigterm_to_one_worker_is_left_to_the_supervisor_and_said() -> None:
    """It goes on serving in the same life, and the way to end it is told."""
    with running(CONFIG, {"laser": DRIVER}) as rig, rig.connected() as client:
        for worker in client.status()["workers"]:
            os.kill(worker["pid"], signal.SIGTERM)
        for name in ("laser", "own"):
            wait_until(lambda name=name: f"to end this worker: orch stop {name}" in rig.text)
        assert [w["incarnation"] for w in client.status()["workers"]] == [1, 1, 1]
        assert "_do_nothing" in client["laser"].call("hangup")
        client[client.id].call("stop", ["own"])
        assert closed(rig) == ["own"]


def start_with_nohup(rig: RunningRig) -> None:
    with rig.log.open("ab") as log:
        rig.process = subprocess.Popen(
            ["nohup", *rig.command("run", str(rig.config))],
            env=rig.environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def test_what_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    """By the supervisor, by workers of both kinds, and so by the programs that they start."""
    rig = RunningRig(tmp_path, CONFIG, {"laser": DRIVER})
    start_with_nohup(rig)
    try:
        rig.wait_settled()
        for process in processes(rig):
            process.send_signal(signal.SIGHUP)
        with rig.connected() as client:
            for worker in client.status()["workers"]:
                assert (worker["state"], worker["incarnation"]) == ("READY", 1)
                assert "SIG_IGN" in client[worker["name"]].call("hangup")
    finally:
        assert rig.stop() == 0
    assert closed(rig) == ["own", "stage", "laser"]
    assert "SIGHUP" not in rig.text

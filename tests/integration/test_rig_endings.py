"""How rigs and workers end: drivers are closed, in order, and nothing is left behind."""

from __future__ import annotations

import os
import signal
from functools import partial

import pytest

from tests.rigs import is_alive, running, wait_until

DRIVER = """
import os, subprocess, time

class Laser:
    def close(self):
        self.closing = time.monotonic()
        while time.monotonic() < self.closing + 0.2:
            time.sleep(0.01)
        print("closed", flush=True)

    def nothing(self):
        pass

    def stray(self, how: str) -> int:
        if how == "own environment":
            return subprocess.Popen(["sleep", "300"], start_new_session=True, env={}).pid
        pid = os.fork()
        if pid == 0:
            os.setsid()
            time.sleep(300)
            os._exit(0)
        return pid

    def hang(self):
        while True:
            try:
                time.sleep(300)
            except BaseException as error:
                print("not ended by", type(error).__name__)
"""
CONFIG = """
rig: endings
workers:
  laser: {driver: "laser:Laser"}
  stage: {driver: "laser:Laser", after: [laser]}
  own: {driver: "laser:Laser", after: [stage], env: {FLAVOUR: mint}}
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_closes_all_in_order(number: int) -> None:
    """As from `timeout`, a job scheduler or a terminal that is closed."""
    with running(CONFIG, {"laser": DRIVER}) as rig:
        os.killpg(rig.process.pid, number)
        assert rig.process.wait(20) == 0
        closed = [line.split()[2] for line in rig.text.splitlines() if line.endswith(" closed")]
        assert closed == ["own", "stage", "laser"]


@pytest.mark.parametrize("worker", ["laser", "own"])
@pytest.mark.parametrize("how", ["own environment", "fork"])
@pytest.mark.parametrize("hangs", [False, True])
def test_strays_end_with_their_worker(worker: str, how: str, hangs: bool) -> None:
    """Children in sessions of their own that carry no mark, also when the worker is killed."""
    config = CONFIG.replace("workers:", "defaults: {stop_timeout: 500ms}\nworkers:")
    with running(config, {"laser": DRIVER}) as rig, rig.connected() as client:
        stray = client[worker].call("stray", how)
        assert is_alive(stray)
        if hangs:
            client[worker].oneway("hang")  # for good: it has to be killed
        assert rig.orch("restart", worker).returncode == 0
        wait_until(lambda: not is_alive(stray))


MANY = "rig: many\ndefaults: {max_restarts: 50 in 1min}\nworkers:\n" + "".join(
    f'  w{number}: {{driver: "laser:Laser"}}\n' for number in range(8)
)


def test_the_log_survives_the_death_of_all_workers_at_once() -> None:
    """Each death is recorded, by the collector that was there before."""
    with running(MANY, {"laser": DRIVER}) as rig, rig.connected() as client:

        def all_lived(lives: int) -> bool:
            workers = client.status()["workers"]
            return all((w["state"], w["restarts"]) == ("READY", lives) for w in workers)

        for life in range(1, 5):
            for worker in client.status()["workers"]:
                os.kill(worker["pid"], signal.SIGKILL)
            wait_until(partial(all_lived, life))
        wait_until(lambda: len(list(client.logs(grep="restart in"))) == 8 * 4)
        assert "log collector started again" not in rig.text

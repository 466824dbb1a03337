"""What a rig does about workers that die, hang or fall ill, on real processes."""

from __future__ import annotations

import os
import signal
from typing import Any

from orchestrator.errors import ExecutionTimeout, InvocationTimeout
from tests.rigs import running, wait_until

HUNG = """
import ctypes, threading

class Camera:
    def expose(self, seconds: float):
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))

    def wait(self):
        threading.Event().wait(20)
"""
CAMERAS = """
rig: cameras
defaults: {stop_timeout: 300ms}
workers:
  gil: {driver: "hung:Camera", on_stall: restart, stall_timeout: 800ms}
  stopped: {driver: "hung:Camera"}
  thread: {driver: "hung:Camera", transport: inproc}
"""


def test_busy_is_told_from_hung() -> None:
    """What runs is shown; what hangs is STALLED with the evidence, and ended after its time."""
    with running(CAMERAS, {"hung": HUNG}) as rig, rig.connected() as client:

        def worker(name: str) -> dict[str, Any]:
            return next(each for each in client.status()["workers"] if each["name"] == name)

        client["thread"].submit("wait", execution_timeout=60)
        (runs,) = wait_until(lambda: worker("thread")["running"])
        assert (runs["member"], runs["limit"]) == ("wait", 60.0)
        assert worker("thread")["state"] == "READY"
        shown = rig.orch("stacks", "thread")
        assert "in hung.py:9 wait" in shown.stdout, shown

        hang = client["gil"].submit("expose", 20.0, execution_timeout=0.1)
        stalled = wait_until(
            lambda: (w := worker("gil"))["state"] == "STALLED" and "GIL held" in w["reason"] and w
        )
        assert isinstance(hang.exception(20), ExecutionTimeout)
        wait_until(lambda: "hung.py:6 expose" in (worker("gil")["reason"] or ""))
        wait_until(lambda: worker("gil")["incarnation"] == 2)
        assert (
            "s: expose overran its execution timeout and still runs: GIL held in hung.py"
            in rig.text
        )
        assert "was STALLED for" in rig.text
        assert stalled["restarts"] == 0

        pid = worker("stopped")["pid"]
        os.kill(pid, signal.SIGSTOP)
        late = client["stopped"].submit("wait", invocation_timeout=1, execution_timeout=0.1)
        told = late.exception(20)
        assert isinstance(told, InvocationTimeout)
        assert "stopped by a signal; nothing was done" in str(told)
        wait_until(lambda: (worker("stopped")["reason"] or "").endswith(": stopped by a signal"))
        shown = rig.orch("stacks", "stopped")
        assert f"kill -CONT {pid}" in shown.stdout
        os.kill(pid, signal.SIGCONT)


SENSOR = """
import os, resource

class Greedy:
    def __init__(self, size: int = 0):
        self.held = bytearray(size)

    def limits(self) -> list:
        return [resource.getrlimit(resource.RLIMIT_NOFILE)[0], os.getpriority(os.PRIO_PROCESS, 0)]

    def die(self, size: int):
        self.held = bytearray(size)
        self.held[::4096] = bytes(len(self.held[::4096]))
        os.abort()

class Sensor:
    gain: int = 1
    exposure: float = 0.5

    def __init__(self):
        self.homed = 0
        self.level = 20.0
        self.opened = 0

    def connect(self):
        self.opened += 1
        self.ill = False

    def fall_ill(self):
        self.ill = True

    @property
    def temperature(self) -> float:
        if self.ill:
            raise OSError("no device")
        return self.level

    def home(self, times: int = 1):
        self.homed += times

    def count(self) -> int:
        return self.homed

    def refuse(self):
        raise OSError("is it switched on?")
"""
SENSORS = """
rig: sensors
defaults: {backoff: 10ms..20ms}
workers:
  s:
    driver: "sensor:Sensor"
    on_start: [{set: {gain: 2}}, {call: [home, 3]}]
    restore: [exposure, gain]
  off: {driver: "sensor:Sensor", on_start: [{call: refuse}], retry_start: false}
  wrong: {driver: "sensor:Sensor", on_start: [{call: hom}]}
  ill:
    driver: "sensor:Sensor"
    open_with: connect
    on_start: [{call: home}]
    restore: [gain]
    probe: {read: temperature, every: 50ms, failures: 2}
    on_sick: reopen
  greedy: {driver: "sensor:Greedy", limits: {memory: 800MiB, nofile: 200, nice: 1}}
  large:
    {driver: "sensor:Greedy", args: [900000000], limits: {memory: 400MiB}, retry_start: false}
"""


def test_a_life_begins_with_what_it_is_to_have() -> None:
    """First what on_start lists, then what was written last; until somebody wants it fresh."""
    with running(SENSORS, {"sensor": SENSOR}) as rig, rig.connected() as client:

        def worker(name: str) -> dict[str, Any]:
            return next(each for each in client.status()["workers"] if each["name"] == name)

        assert (client["s"].read("gain"), client["s"].call("count")) == (2, 3)
        client["s"].write("exposure", 0.25)
        client["s"].write("gain", 7)
        assert "gain 7" in rig.orch("describe", "s").stdout
        os.kill(worker("s")["pid"], signal.SIGKILL)
        wait_until(lambda: (w := worker("s"))["state"] == "READY" and w["incarnation"] == 2)
        assert (client["s"].read("gain"), client["s"].read("exposure")) == (7, 0.25)
        assert client["s"].call("count") == 3
        assert rig.orch("restart", "--fresh", "s").returncode == 0
        assert (client["s"].read("gain"), client["s"].read("exposure")) == (2, 0.5)
        assert "couldn't do what on_start lists: OSError: is it" in worker("off")["reason"]
        assert worker("wrong")["state"] == "FAILED"
        assert "has no action 'hom'; did you mean 'home'?" in worker("wrong")["reason"]

        client["ill"].write("gain", 9)
        client["ill"].call("fall_ill")
        wait_until(lambda: client["ill"].call("count") == 2)
        assert client["ill"].read("temperature") == 20.0
        assert client["ill"].read("gain") == 9
        assert worker("ill")["incarnation"] == 1
        sick = "is sick: 2 probes of temperature failed: OSError: no device"
        wait_until(lambda: sick in rig.text)

        assert client["greedy"].call("limits") == [200, 1]
        assert "its limit of memory, 400 MiB, was reached" in worker("large")["reason"]
        # Far from both ends: an interpreter has some 160 MiB of what the limit counts, and 60 of
        # these are in memory; three quarters of 800 are near.
        client["greedy"].oneway("die", 580 << 20)
        wait_until(lambda: "killed by SIGABRT, near its limit of memory" in rig.text)


LASER = """
class Laser:
    def ping(self):
        pass
"""


def test_the_fate_of_a_required_worker() -> None:
    """Those that rely on it are restarted with it; its last death is the rig's end and status."""
    config = """
rig: bench
strategy: rest_for_one
defaults: {backoff: 10ms..20ms}
workers:
  laser: {driver: "laser:Laser", required: true, max_restarts: 1 in 1min}
  stage: {driver: "laser:Laser", after: [laser]}
  other: {driver: "laser:Laser"}
"""
    with running(config, {"laser": LASER}) as rig:
        with rig.connected() as client:

            def lives() -> list[int]:
                return [
                    w["incarnation"] * (w["state"] == "READY") for w in client.status()["workers"]
                ]

            os.kill(client.status()["workers"][0]["pid"], signal.SIGKILL)
            wait_until(lambda: lives() == [2, 2, 1])
            os.kill(client.status()["workers"][0]["pid"], signal.SIGKILL)
        assert rig.process.wait(20) == 128 + signal.SIGKILL
        assert "is required: the rig ends with it" in rig.text
        assert "is restarted, as laser has died: rest_for_one" in rig.text
        assert "given up after 1 restart" in rig.text

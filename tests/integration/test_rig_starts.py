"""Real rigs whose drivers start slowly, close slowly, or aren't there yet."""

from __future__ import annotations

import time

import pytest

from orchestrator import errors
from tests.rigs import running, wait_until

pytestmark = pytest.mark.measured
DRIVER = """
import atexit, os, threading, time

class Hangs:
    def __init__(self):
        threading.Event().wait()

class OffAtFirst:
    def __init__(self, mark: str):
        if not os.path.exists(mark):
            raise OSError("is it switched on?")

    def hello(self) -> str:
        return "here"

class Plain:
    def pid(self) -> int:
        return os.getpid()

    def die(self):
        os.kill(os.getpid(), 9)

    def busy(self, seconds: float):
        time.sleep(seconds)

class SlowClose(Plain):
    def __init__(self, seconds: float):
        self._seconds = seconds

    def close(self):
        time.sleep(self._seconds)
        print("ramped down", flush=True)

class AtExit(Plain):
    def __init__(self, seconds: float):
        self._seconds = seconds
        atexit.register(self._leave)

    def _leave(self):
        print("in", threading.current_thread() is threading.main_thread(), flush=True)
        time.sleep(self._seconds)
        print("left in order", flush=True)
"""


@pytest.mark.timeout(90)
def test_a_constructor_that_hangs() -> None:
    """It is told with its place, whoever asks is told at once, and its time is limited."""
    config = """
rig: hanging
workers:
  w: {driver: "d:Hangs", start_timeout: 15s, max_restarts: 0 in 10min}
  z: {driver: "d:Plain", after: [w]}
  other: {driver: "d:Plain"}
"""
    with running(config, {"d": DRIVER}, settle=False) as rig:
        where = "in Hangs.__init__ (d.py:6)"
        wait_until(lambda: "rig hanging starts" in rig.text)
        with rig.connected() as client:
            began = time.monotonic()
            with pytest.raises(errors.InvocationTimeout, match=r"STARTING for .* s: in Hangs.*:6"):
                client["w"].call("hello", invocation_timeout=1.5)
            assert time.monotonic() - began < 12
        wait_until(lambda: f"still starting, 5 s {where}; z waits for it" in rig.text)
        with rig.connected() as client:
            states = {each["name"]: each for each in client.status()["workers"]}
            assert where in states["w"]["reason"]
            assert states["z"]["reason"] == f"waits for w (STARTING {where})"
            began = time.monotonic()
            with pytest.raises(
                errors.WorkerUnavailable, match=r"STARTING for .* s: still start.*d\.py:6"
            ):
                client["w"].call("hello")
            with pytest.raises(errors.WorkerUnavailable, match=r"WAITING for .* waits for w"):
                client["z"].call("pid")
            assert time.monotonic() - began < 12
            assert client.other.pid()
            told = rig.orch("call", "w", "hello")
            assert told.returncode == 4
            assert "STARTING" in told.stderr
            wait_until(lambda: f"didn't start within 15 s {where}; next start in" in rig.text)
            assert client.z.pid()  # held back until the first start has failed, no longer
            wait_until(lambda: client.status()["workers"][0]["incarnation"] == 2)


def test_a_device_that_is_off_at_first() -> None:
    """It is waited for without end, holds nobody back, and a start tries at once."""
    config = """
rig: switched
workers:
  off: {driver: "d:OffAtFirst", args: [mark], max_restarts: 0 in 1min}
  never: {driver: "d:OffAtFirst", args: [mark], retry_start: false}
  wrong: {driver: "d:OffAtFirst", args: [mark, 2]}
  after: {driver: "d:Plain", after: [off]}
"""
    with running(config, {"d": DRIVER}, settle=False) as rig:
        wait_until(lambda: "rig switched is up: 1 of 4 workers ready" in rig.text)
        rig.wait_state("never", "FAILED")
        wrong = rig.wait_state("wrong", "FAILED")
        assert "too many positional arguments" in wrong["reason"]
        off = wait_until(lambda: rig.wait_state("off", "BACKOFF"))
        assert "is it switched on?" in off["reason"]
        with rig.connected() as client:
            with pytest.raises(errors.WorkerUnavailable, match=r"switched on.*; next start in"):
                client["off"].call("hello")
            wait_until(lambda: "next start in 4 s" in rig.text)
            assert rig.orch("start", "off").returncode != 0
            (rig.folder / "mark").touch()
            assert rig.orch("start", "off").returncode == 0
            assert client.off.hello() == "here"


def test_closing_has_its_time() -> None:
    """What takes longer is cut, and that is told; functions of atexit run in the main thread."""
    config = """
rig: closing
workers:
  long: {driver: "d:SlowClose", args: [4], stop_timeout: 20s}
  cut: {driver: "d:SlowClose", args: [30], stop_timeout: 1s}
  exit: {driver: "d:AtExit", args: [3], stop_timeout: 20s}
  cut_exit: {driver: "d:AtExit", args: [30], stop_timeout: 1s}
"""
    with running(config, {"d": DRIVER}) as rig:
        assert rig.stop() == 0
        text = rig.text
        lines = [line.split(maxsplit=3) for line in text.splitlines()]
        said = {(parts[2], parts[3]) for parts in lines if len(parts) == 4}
        assert ("long", "ramped down") in said
        assert ("cut", "ramped down") not in said
        assert "cut      the time was up before close of the driver had ended" in text
        assert {("exit", "in True"), ("exit", "left in order"), ("cut_exit", "in True")} <= said
        assert ("cut_exit", "left in order") not in said
        assert "cut_exit the time was up before AtExit._leave, registered with atexit, had" in text


def test_a_timeout_says_what_keeps_the_worker() -> None:
    """What runs, since when and for whom; or the worker's state."""
    config = """
rig: kept
workers:
  one: {driver: "d:Plain", execution_timeout: 60s}
"""
    with running(config, {"d": DRIVER}) as rig, rig.connected() as client:
        client.one.pid()
        long = client.one.submit("busy", 4.0)
        with pytest.raises(errors.InvocationTimeout, match=r"one runs busy for \d\.\d s, asked by"):
            client.one.call("pid", invocation_timeout=0.5)
        long.result()

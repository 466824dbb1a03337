"""Drivers as users write them, on one rig: arguments, opening, the event loop, polling."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from orchestrator import aconnect, errors
from tests.rigs import RunningRig, running, wait_until

DRIVERS = """
import asyncio, enum, threading, time

class Mode(enum.Enum):
    CW = "cw"
    PULSED = "pulsed"

class Bench:
    def __init__(self, name: str = "b", *, mode: Mode = Mode.CW):
        self._on, self._calls, self.mode_ = True, 0, mode
        self.name_ = name

    def mode(self, m: Mode) -> str:
        self._calls += 1
        return type(m).__name__

    def calls(self) -> int:
        return self._calls

    def built(self):
        return [self.name_, self.mode_.name]

    def label(self, text: str, *more: int) -> list:
        return [text, *more]

    @property
    def on(self) -> bool:
        return self._on

    @on.setter
    def on(self, value: bool) -> None:
        self._on = bool(value)

class LoopMotor:
    def __init__(self):
        self._loop = asyncio.get_running_loop()
        self._connected = 0.0

    async def connect(self, position: float):
        self._connected = position

    def set(self, x: float):
        async def move():
            await asyncio.sleep(0)
            return x
        return asyncio.create_task(move())

    async def read(self) -> float:
        return self._connected

    @property
    def same_loop(self) -> bool:
        return asyncio.get_running_loop() is self._loop

class NothingCloses:
    def switch_off(self): ...

class Needs:
    def __init__(self, port: int): ...
    def close(self): ...

class Polled:
    def __init__(self):
        self._gate, self._x, self._reads, self._fails = threading.Event(), 0.0, 0, False

    @property
    def position(self) -> float:
        self._reads += 1
        if self._fails:
            raise OSError("no answer")
        return self._x

    @property
    def beside(self) -> int:
        self._x += 0
        return threading.get_ident()

    def put(self, x: float) -> None:
        self._x = x

    def fail(self, fails: bool) -> None:
        self._fails = fails

    def hang(self) -> int:
        before = self._reads
        self._gate.wait()
        self._gate.clear()
        return self._reads - before

    def open_gate(self) -> None:
        self._gate.set()

    def close(self): ...
"""
PATCHING = '''
import _thread, threading

ALONE = [each.name for each in threading.enumerate()]
START = _thread.start_new_thread

class Owned:
    """A lock that is of no use between threads, as those of greenlets."""
    def __init__(self):
        self._owner, self._taken = _thread.get_ident(), False
    def acquire(self, blocking=True, timeout=-1):
        if _thread.get_ident() != self._owner or self._taken:
            raise RuntimeError("This operation would block forever")
        self._taken = True
        return True
    def release(self):
        self._taken = False
    def __enter__(self):
        return self.acquire()
    def __exit__(self, *error):
        self.release()

def never(*anything):
    raise RuntimeError("a thread of the wrong kind")

_thread.start_new_thread = threading._start_new_thread = never
threading.Lock = threading._allocate_lock = _thread.allocate_lock = Owned

class Patching:
    def __init__(self):
        self._x = 1

    def alone(self) -> list:
        return ALONE

    def beside(self) -> int:
        return 3

    async def later(self) -> int:
        return 4

    @property
    def x(self) -> int:
        return self._x

    def close(self): ...
'''
SLOW = """
import time

def warm_up():
    time.sleep(5.5)

warm_up()

class Slow:
    def close(self): ...
"""
CONFIG = """
rig: bench
workers:
  b: {driver: "lab_drivers:Bench", args: [seven], kwargs: {mode: Pulsed}}
  l: {driver: "lab_drivers:LoopMotor", open_with: [connect, 5]}
  n: {driver: "lab_drivers:NothingCloses"}
  f: {driver: "lab_drivers:Needs", kwargs: {port: no}}
  p:
    driver: "lab_drivers:Polled"
    concurrent: [beside, open_gate]
    poll: {position: 20ms, beside: 20ms}
  t: {driver: "patching:Patching", concurrent: [beside], poll: {x: 50ms}}
  s: {driver: "slow_import:Slow"}
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    drivers = {"lab_drivers": DRIVERS, "patching": PATCHING, "slow_import": SLOW}
    with running(CONFIG, drivers) as found:
        yield found


def test_arguments_are_fitted_before_the_driver_runs(rig: RunningRig) -> None:
    with rig.connected() as client:
        assert client.b.built() == ["seven", "PULSED"]
        assert client.b.mode("cw") == "Mode"
        before = client.b.calls()
        with pytest.raises(
            TypeError, match=r"^b\.mode\(m: lab_drivers\.Mode\) -> str: m is the text 'cv'"
        ) as raised:
            client.b.mode("cv")
        assert isinstance(raised.value, errors.NotStarted)
        assert client.b.calls() == before
        with pytest.raises(errors.ArgumentsRefused, match="missing a required argument: 'm'"):
            client.b.mode()
        with pytest.raises(errors.ArgumentsRefused, match=r"b\.on: the value is 0, not true or"):
            client.b.on = 0


def test_what_is_typed_is_fitted_too(rig: RunningRig) -> None:
    assert rig.orch("call", "b", "mode", "pulsed").stdout == '"Mode"\n'
    assert rig.orch("call", "b", "label", "0182", "7").stdout == '["0182",7]\n'
    refused = rig.orch("set", "b", "on", "no")
    assert refused.returncode == 2
    assert "write true or false" in refused.stderr
    assert rig.orch("set", "b", "on", "False").returncode == 0
    assert rig.orch("get", "b", "on").stdout == "false\n"


def test_arguments_of_the_config_that_do_not_fit_are_no_reason_to_try_again(
    rig: RunningRig,
) -> None:
    with rig.connected() as client:
        (failed,) = [each for each in client.status()["workers"] if each["name"] == "f"]
        assert failed["state"] == "FAILED"
        with pytest.raises(errors.WorkerUnavailable) as raised:
            client.f.describe()
        assert "Needs(port: int): port is the text 'no', not a whole number" in str(raised.value)


def test_a_driver_of_coroutines_lives_in_its_loop(rig: RunningRig) -> None:
    with rig.connected() as client:
        assert client.l.set(1) == 1.0
        assert client["l"].call("read") == 5.0  # what it was opened with
        assert client.l.same_loop


def test_what_closes_a_driver_is_told(rig: RunningRig) -> None:
    assert "closes with close()" in rig.orch("describe", "p").stdout
    assert "closes with" not in rig.orch("describe", "n").stdout
    logged = rig.orch("logs", "-w", "n").stdout
    assert "nothing closes NothingCloses; name what does by stop_with, such as switch_off" in logged


def test_a_driver_is_imported_before_there_are_threads(rig: RunningRig) -> None:
    """So that it may patch what they are made of: the worker's own go on as they were."""
    with rig.connected() as client:
        assert client.t.alone() == ["MainThread"]
        assert client.t.beside() == 3
        assert client.t.later() == 4
        assert client["t"].cached("x").value == 1


def test_an_import_that_takes_long_is_told_with_its_line(rig: RunningRig) -> None:
    told = rig.orch("logs", "-w", "s").stdout
    assert "still starting, 5 s in warm_up (slow_import.py:5)" in told


def test_polled_properties_are_known_while_the_worker_is_busy(rig: RunningRig) -> None:
    """And no read interrupts what runs."""
    with rig.connected() as client, client["p"].subscribe("position", timeout=10) as changes:
        client.p.put(1.5)
        assert next(changes).value == 1.5
        hanging = client["p"].submit("hang")
        wait_until(lambda: client["p"].cached("position").age > 0.1)
        assert client["p"].cached("position").value == 1.5
        seen = client["p"].cached("beside").time
        wait_until(lambda: client["p"].cached("beside").time > seen)
        assert rig.orch("get", "p", "position", "--cached").stdout == "1.5\n"
        client.p.open_gate()
        assert hanging.result(10) == 0
        wait_until(lambda: client["p"].cached("position").age < 0.1)


def test_a_polled_property_that_cannot_be_read_keeps_its_value(rig: RunningRig) -> None:
    with rig.connected() as client:
        client.p.put(2.5)
        wait_until(lambda: client["p"].cached("position").value == 2.5)
        client.p.fail(True)
        wait_until(lambda: client["p"].cached("position").error)
        failed = client["p"].cached("position")
        assert (failed.value, failed.error) == (2.5, "OSError: no answer")
        assert failed.time <= time.time()
        done = rig.orch("get", "p", "position", "--cached")
        assert done.stdout == "2.5\n"
        assert "s old; it can't be read since: OSError: no answer" in done.stderr
        client.p.fail(False)
        wait_until(lambda: not client["p"].cached("position").error)
        wait_until(
            lambda: "polled again" in rig.orch("logs", "-w", "p", "-g", "position can").stdout
        )
        told = rig.orch("logs", "-w", "p", "-g", "position can").stdout
        assert told.count("position can't be polled") == 1
        assert told.count("position can be polled again") == 1


def test_what_is_not_polled_is_told(rig: RunningRig) -> None:
    with rig.connected() as client:
        with pytest.raises(AttributeError, match=r"b\.on isn't polled; in the config: poll: {on"):
            client["b"].cached("on")
        with pytest.raises(AttributeError, match="is an action"):
            client["b"].cached("mode")
    refused = rig.orch("get", "b", "on", "--cached")
    assert (refused.returncode, refused.stdout) == (2, "")
    shown = rig.orch("describe", "p").stdout
    assert "observable, polled every 0.02 s" in shown


def test_asyncio_clients_have_the_last_values_too(rig: RunningRig) -> None:
    async def ask() -> float:
        async with aconnect(rig.environ["ASKED"]) as client:
            return (await client.p.cached("position")).time

    with rig.connected() as client:
        rig.environ["ASKED"] = client.address
    assert asyncio.run(ask()) > 0

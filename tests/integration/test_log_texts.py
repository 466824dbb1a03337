"""How records read: one line says what matters, in a real rig."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestrator import errors
from tests.rigs import RunningRig, running, wait_until

DRIVER = r"""
import ctypes, logging, os, sys, threading, time

log = logging.getLogger("driver")

class Device:
    def multi(self):
        raise RuntimeError("DevFailed[\n  desc = no attribute\n]")

    def noted(self):
        try:
            raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])
        except ExceptionGroup as error:
            error.add_note("a note\nof two lines")
            log.exception("failed")

    def bar(self, name: str, seconds: float):
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            sys.stdout.write(f"\r{name}: {number} of many")
            sys.stdout.flush()
            number += 1
            time.sleep(0.01)
        sys.stdout.write(f"\r{name}: all\n")

    def unflushed_bar(self, name: str, seconds: float):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            print(f"{name}: {end}", end="\r")
            time.sleep(0.01)
        print(f"{name}: all", end="\r")
        print()

    def c_bar(self, name: str, seconds: float):
        libc = ctypes.CDLL(None)
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            libc.dprintf(1, b"\r%s: %d of many", name.encode(), number)
            number += 1
            time.sleep(0.01)
        libc.dprintf(1, b"\r%s: all\n", name.encode())

    def hanging_bar(self):
        sys.stderr.write("\rhangs at 36%")
        sys.stderr.write("\rhangs at 37%")
        sys.stderr.flush()
        threading.Event().wait()

    def answers(self):
        print("ERR 5\rbusy\r")

    def query(self):
        self._ask()

    def _ask(self):
        threading.Event().wait(1)

    def crash(self):
        ctypes.string_at(0)
"""
CONFIG = """
rig: texts
logs: {level: debug}
workers:
  device: {driver: "device:Device"}
  other: {driver: "device:Device"}
  hanging: {driver: "device:Device"}
  thread: {driver: "device:Device", transport: inproc}
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"device": DRIVER}) as rig:
        yield rig


def records(rig: RunningRig, *question: str) -> list[dict[str, Any]]:
    """What `orch logs` answers, as JSON."""
    done = rig.orch("logs", "-o", "json", *question)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def short(rig: RunningRig, *question: str) -> list[str]:
    """What `orch logs` answers, as people see it."""
    done = rig.orch("logs", *question)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("worker", ["device", "thread"])
@pytest.mark.parametrize(
    ("member", "line"),
    [
        ("multi", "(RuntimeError: DevFailed[ desc = no attribute ])"),
        ("noted", "(ExceptionGroup: several (2 sub-exceptions): ValueError: one; KeyError: 'two')"),
    ],
)
def test_an_exception_is_its_type_and_message(
    rig: RunningRig, worker: str, member: str, line: str
) -> None:
    with rig.connected() as client:
        future = client[worker].submit(member)
        future.exception(20)
    (shown,) = wait_until(
        lambda: [each for each in short(rig, "-r", future.request_id) if "Error" in each]
    )
    assert shown.endswith(line)


@pytest.mark.parametrize(
    ("worker", "member"),
    [
        ("device", "bar"),
        ("device", "unflushed_bar"),
        ("device", "c_bar"),
        ("thread", "bar"),
        ("thread", "unflushed_bar"),
    ],
)
def test_a_progress_bar_shows_its_state(rig: RunningRig, worker: str, member: str) -> None:
    """While it runs, and its last one; on the console as well."""
    name = f"{worker} {member}"
    with rig.connected() as client:
        future = client[worker].submit(member, name, 2.5)
        running = wait_until(lambda: records(rig, "-r", future.request_id, "-g", name))
        assert re.fullmatch(rf"{name}: [\d.]+( of many)?", running[0]["event"])  # not its last
        future.result(20)
    done = wait_until(
        lambda: (
            records(rig, "-r", future.request_id, "-g", f"{name}: all")
            and records(rig, "-r", future.request_id, "-g", name)
        )
    )
    assert done[-1]["event"] == f"{name}: all"
    assert 2 <= len(done) <= 5
    assert all("\r" not in each["event"] for each in done)
    wait_until(lambda: re.search(rf" {name}: all ", rig.text))


def test_a_bar_that_hangs_shows_where(rig: RunningRig) -> None:
    """Nothing more comes to push it on."""
    with rig.connected() as client:
        future = client["hanging"].submit("hanging_bar", execution_timeout=None)
        wait_until(lambda: records(rig, "-g", "hangs at 37%"))
        assert not future.done()
        assert records(rig, "-g", "hangs at 36%") == []


def test_a_device_s_answer_is_no_bar(rig: RunningRig) -> None:
    """Nothing of it is lost, and it has its request."""
    with rig.connected() as client:
        future = client["device"].submit("answers")
        future.result(20)
    (found,) = wait_until(lambda: records(rig, "-r", future.request_id, "-g", "busy"))
    assert found["event"] == "ERR 5\rbusy"


def timed_out(rig: RunningRig, worker: str) -> str:
    """Let an operation run past its time, to its end; gives its request."""
    with rig.connected() as client:
        future = client[worker].submit("query", execution_timeout=0.2)
        assert isinstance(future.exception(20), errors.ExecutionTimeout)
        client[worker].call("answers", invocation_timeout=20)
    return future.request_id


def test_stacks_lead_with_the_driver_s_frame(rig: RunningRig) -> None:
    """On one line, with all of them in full and in JSON; the same ones are counted."""
    before = rig.text.count("in _perform")  # tracebacks of other tests' errors
    request = timed_out(rig, "other")
    where = r"in device\.py:\d+ _ask ← query"
    (line,) = wait_until(
        lambda: [each for each in short(rig, "-r", request) if "device.py" in each]
    )
    assert re.search(rf" stderr +other +\[query \S+\] {where}$", line)
    (found,) = records(rig, "-r", request, "-g", "device.py")
    assert "line" in found["exception"]
    assert "_perform" in found["exception"]
    assert "| " in rig.orch("logs", "-r", request, "-o", "full", "-g", "_perform").stdout
    wait_until(lambda: re.search(rf" stderr +other +{where} ", rig.text))
    assert rig.text.count("in _perform") == before
    request = timed_out(rig, "other")
    (line,) = wait_until(
        lambda: [each for each in short(rig, "-r", request) if "device.py" in each]
    )
    assert re.search(rf" {where} times=2$", line)


def test_a_crash_loop_s_dumps_are_counted(rig: RunningRig) -> None:
    """The first is whole. Each names its request, and is among its life's last lines."""
    requests = []
    for _ in range(3):
        with rig.connected() as client:
            future = client["device"].submit("crash", invocation_timeout=20)
            assert isinstance(future.exception(20), errors.WorkerDied)
            requests.append(future.request_id)
    first, *again = (
        wait_until(lambda request=request: records(rig, "-r", request, "-g", "Fatal"))[0]  # type: ignore[misc]
        for request in requests
    )
    where = r"Fatal Python error: Segmentation fault in device\.py:\d+ crash"
    assert all(re.fullmatch(where, each["event"]) for each in (first, *again))
    assert "Current thread" in first["exception"]
    assert [each.get("exception") for each in again] == [None, None]
    assert [each["fields"]["times"] for each in again] == [2, 3]
    died = wait_until(exactly(3, lambda: records(rig, "-w", "device", "-g", "last lines")))
    assert all("Segmentation fault in device.py" in each["exception"] for each in died)


def exactly(count: int, ask: Callable[[], list[Any]]) -> Callable[[], list[Any] | None]:
    def asked() -> list[Any] | None:
        found = ask()
        return found if len(found) == count else None

    return asked


def test_a_trace_tells_the_broker_s_words_from_the_worker_s(rig: RunningRig) -> None:
    with rig.connected() as client:
        future = client["other"].submit("answers", invocation_timeout=20)
        future.result(20)
    wait_until(lambda: records(rig, "-r", future.request_id, "-g", "answered"))
    wait_until(lambda: records(rig, "-r", future.request_id, "-g", "busy"))
    done = rig.orch("trace", future.request_id)
    said = {line.split()[6]: line.split()[4] for line in done.stdout.splitlines()[1:]}
    assert said["arrived"] == said["dispatched"] == said["answered"] == "broker"
    assert said["ERR"] == "other[1]"

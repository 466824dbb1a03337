"""What the log holds of a timeout, a death and a request's life, in a real rig."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator import errors
from orchestrator.client.rig import Rig
from tests.rigs import RunningRig, collector_of, running, wait_until

DRIVER = """
import ctypes, os, signal, structlog

class Device:
    def hold_gil(self, seconds: float):
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))
        return "whole"

    def wait(self):
        import threading
        threading.Event().wait()

    def talk_and_die(self):
        for number in range(30):
            print("line", number)
        os.kill(os.getpid(), signal.SIGKILL)

    def flood(self, count: int):
        libc = ctypes.CDLL(None)
        for number in range(count):
            libc.printf(b"flood %d xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\\n", number)

    def abort(self):
        os.abort()

    def whisper(self):
        structlog.get_logger().debug("a whisper")
"""
CONFIG = """
rig: evidence
workers:
  device: {driver: "device:Device"}
  thread: {driver: "device:Device", transport: inproc}
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"device": DRIVER}) as rig:
        yield rig


def records(rig: RunningRig, *question: str) -> list[dict[str, Any]]:
    """What `orch logs` answers, as JSON."""
    done = rig.orch("logs", "--rig", "evidence", "-o", "json", *question)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_timeout_s_evidence_is_the_stacks_of_that_moment(rig: RunningRig) -> None:
    """Also while the driver holds the GIL; and what it waits for in C isn't cut short."""
    with rig.connected() as client:
        future = client["device"].submit("hold_gil", 1.0, execution_timeout=0.2)
        assert isinstance(future.exception(20), errors.ExecutionTimeout)
        request = future.request_id
        client["device"].call("whisper", invocation_timeout=20)
    found = wait_until(lambda: [r for r in records(rig, "-r", request) if "hold_gil" in r["event"]])
    assert found[0]["stream"] == "stderr"
    (end,) = wait_until(
        lambda: [r for r in records(rig, "-r", request) if r["event"].startswith("overdue")]
    )
    assert end["fields"]["seconds"] >= 1.0


def test_a_thread_s_stack_is_recorded_too(rig: RunningRig) -> None:
    with rig.connected() as client, pytest.raises(errors.ExecutionTimeout):
        client["thread"].call("wait", execution_timeout=0.1)
    (stack,) = wait_until(
        lambda: [r for r in records(rig, "-w", "thread") if "device.py" in r["event"]]
    )
    assert re.fullmatch(r"in device\.py:\d+ wait", stack["event"])
    assert "in _perform" in stack["exception"]


def test_a_stopped_collector_costs_nobody_a_call(rig: RunningRig) -> None:
    """It is told, and woken before a worker has waited long for it."""
    count = 40_000  # two megabytes, twice what the pipe holds
    pid = collector_of(rig.process.pid)
    with rig.connected() as client:
        os.kill(pid, signal.SIGSTOP)
        client["device"].call("flood", count, execution_timeout=20)
        wait_until(lambda: all(each["state"] == "running" for each in helpers(client)))
    assert collector_of(rig.process.pid) == pid
    last = f"flood {count - 1} "
    wait_until(lambda: [r for r in records(rig, "-g", last) if last in r["event"]])
    assert wait_until(
        lambda: records(rig, "-g", "somebody has stopped the log collector by SIGSTOP")
    )
    assert wait_until(lambda: records(rig, "-g", "the log collector goes on"))


def test_other_helpers_that_are_stopped_are_told_and_woken(rig: RunningRig) -> None:
    """Though nobody needs them just now."""
    with rig.connected() as client:
        others = [each for each in helpers(client) if each["name"] != "log collector"]
        assert {each["name"] for each in others} == {"guardian", "fork server"}
        for each in others:
            os.kill(each["pid"], signal.SIGSTOP)
        for each in others:
            wait_until(lambda: records(rig, "-g", f"stopped the {each['name']} by"))  # noqa: B023
            wait_until(lambda: records(rig, "-g", f"the {each['name']} goes on"))  # noqa: B023
        assert [each["pid"] for each in helpers(client)[1:]] == [each["pid"] for each in others]


def helpers(client: Rig) -> list[dict[str, Any]]:
    """The rig's helpers, as its status has them."""
    found: list[dict[str, Any]] = client.status()["helpers"]
    return found


def test_a_crash_of_a_driver_in_a_thread_leaves_a_dump() -> None:
    """The rig's own stderr has it."""
    with running(CONFIG, {"device": DRIVER}) as rig:
        with rig.connected() as client, pytest.raises(errors.OrchError):
            client["thread"].call("abort", invocation_timeout=20)
        rig.process.wait(20)
        assert "Fatal Python error: Aborted" in rig.text
        assert "device.py" in rig.text


def test_a_death_s_evidence_is_its_last_lines(rig: RunningRig) -> None:
    """Twenty of them, beside the signal that killed it, which its request's records tell too."""
    with rig.connected() as client:
        future = client["device"].submit("talk_and_die", invocation_timeout=20)
        assert isinstance(future.exception(20), errors.WorkerDied)
    (last,) = wait_until(
        lambda: [r for r in records(rig, "-w", "device") if "last lines" in r["event"]]
    )
    assert "SIGKILL" in last["event"]
    assert last["exception"].splitlines() == [f"line {number}" for number in range(10, 30)]
    (lost,) = wait_until(
        lambda: [r for r in records(rig, "-r", future.request_id) if "lost" in r["event"]]
    )
    assert "SIGKILL" in lost["fields"]["reason"]
    (ended,) = wait_until(
        lambda: [r for r in records(rig, "-w", "device") if "restart in" in r["event"]]
    )
    (first, *_) = records(rig, "-r", future.request_id)
    assert {each["incarnation"] for each in (lost, ended)} == {first["incarnation"]} == {1}


def test_levels_change_while_it_runs(rig: RunningRig) -> None:
    """A worker's, for its next lives too; and the rig's own, which tells requests' lives."""
    for name in ("device", "evidence"):
        assert rig.orch("log-level", name, "debug").returncode == 0
    with rig.connected() as client:
        client["device"].call("whisper", invocation_timeout=20)
        future = client["device"].submit("whisper")
        future.result(20)
        wait_until(lambda: list(client["evidence"].call("status")["workers"]))
    request = future.request_id
    wait_until(
        lambda: (
            {"arrived", "dispatched", "a whisper", "answered"}
            <= {r["event"] for r in records(rig, "-r", request)}
        )
    )
    done = rig.orch("trace", request)
    assert done.returncode == 0
    assert done.stdout.index("arrived") < done.stdout.index("a whisper")
    assert rig.orch("log-level", "devise", "debug").returncode == 2
    assert rig.orch("log-level", "device", "loud").returncode == 2
    refused = rig.orch("log-level", "thread", "debug")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "'thread' is a thread and has the rig's level" in refused.stderr

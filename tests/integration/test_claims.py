"""Real workers that are killed, stopped or held while operations wait in them: who has started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path

import pytest

import orch
from orchestrator import aconnect, errors
from orchestrator.client.futures import RequestFuture
from orchestrator.client.rig import Rig
from tests.rigs import RunningRig, running, wait_until

MARKER = """
import ctypes, os, time

class Marker:
    def __init__(self, journal: str):
        self._journal = os.open(journal, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def mark(self, number: int):
        os.write(self._journal, b"%d\\n" % number)

    def hold(self, seconds: float, gil: bool = False):
        os.write(self._journal, b"holds\\n")
        if gil:
            ctypes.PyDLL(None).usleep(int(seconds * 1e6))
        else:
            time.sleep(seconds)
"""
WORKERS = {"forked": "", "own": "env: {OWN: '1'}", "inproc": "transport: inproc"}
CONFIG = "rig: claims\ndefaults: {execution_timeout: null, invocation_timeout: null}\nworkers:\n"
COUNT = 12


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    config = CONFIG + "".join(
        f'  {name}: {{driver: "marker:Marker", args: [{name}.txt], {how}}}\n'
        for name, how in WORKERS.items()
    )
    with running(config.replace(", }", "}"), {"marker": MARKER}) as rig:
        yield rig


@pytest.fixture
def client(rig: RunningRig) -> Iterator[Rig]:
    with rig.connected() as client:
        yield client


def journal(rig: RunningRig, worker: str) -> list[str]:
    """What a worker has begun, as it wrote down itself."""
    path = Path(rig.folder, f"{worker}.txt")
    return path.read_text().splitlines() if path.exists() else []


def pid_of(client: Rig, worker: str) -> int:
    (pid,) = [each["pid"] for each in orch.status(client)["workers"] if each["name"] == worker]
    return int(pid)


def hold(
    client: Rig, rig: RunningRig, worker: str, seconds: float, *, gil: bool = False, **limits: float
) -> tuple[RequestFuture, list[RequestFuture]]:
    """Have a worker hold after a brisk operation, and give it more that wait there meanwhile."""
    handle = client[worker]
    handle.call("mark", number=-1)
    begun = len(journal(rig, worker))
    held = handle.submit("hold", seconds=seconds, gil=gil)
    behind = [handle.submit("mark", number=number, **limits) for number in range(COUNT)]
    wait_until(lambda: len(journal(rig, worker)) > begun)
    (shown,) = [each for each in orch.status(client)["workers"] if each["name"] == worker]
    assert gil or shown["in_flight"] == 1
    return held, behind


NUMBERS = [str(number) for number in range(COUNT)]


@pytest.mark.parametrize("worker", ["forked", "own"])
def test_a_kill_costs_what_was_begun(rig: RunningRig, client: Rig, worker: str) -> None:
    """What waited in the dead process runs in the next one, once, in its order."""
    before = len(journal(rig, worker))
    held, behind = hold(client, rig, worker, 60)
    os.kill(pid_of(client, worker), signal.SIGKILL)
    with pytest.raises(errors.OutcomeUnknown):
        held.result(20)
    wait(behind, 20)
    assert [future.exception() for future in behind] == [None] * COUNT
    assert journal(rig, worker)[before:] == ["-1", "holds", *NUMBERS]


def test_a_held_interpreter_begins_nothing(rig: RunningRig, client: Rig) -> None:
    """Their time is over while they are in the worker: they never start, and it is known."""
    before = len(journal(rig, "forked"))
    held, behind = hold(client, rig, "forked", 1.0, gil=True, invocation_timeout=0.3)
    wait(behind, 20)
    assert all(isinstance(future.exception(), errors.NotStarted) for future in behind)
    assert not held.done()
    held.result(20)
    client["forked"].call("mark", number=99)
    assert journal(rig, "forked")[before:] == ["-1", "holds", "99"]


def test_a_stopped_process_begins_nothing(rig: RunningRig, client: Rig) -> None:
    """Not even what it was given as the only one; once it goes on it takes what comes then."""
    before, pid = len(journal(rig, "forked")), pid_of(client, "forked")
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(errors.NotStarted):
            client["forked"].call("mark", number=1, invocation_timeout=0.2, execution_timeout=30)
    finally:
        os.kill(pid, signal.SIGCONT)
    client["forked"].call("mark", number=2)
    assert journal(rig, "forked")[before:] == ["2"]


@pytest.mark.parametrize("worker", WORKERS)
def test_a_stop_comes_before_what_waits(rig: RunningRig, client: Rig, worker: str) -> None:
    """What runs may end, the others run in the next life."""
    before = len(journal(rig, worker))
    held, behind = hold(client, rig, worker, 0.5)
    client["claims"].call("restart", names=[worker])
    wait([held, *behind], 20)
    assert [future.exception() for future in [held, *behind]] == [None] * (COUNT + 1)
    assert journal(rig, worker)[before:] == ["-1", "holds", *NUMBERS]
    (life,) = [each for each in orch.status(client)["workers"] if each["name"] == worker]
    assert life["restarts"] >= 1


def test_one_that_waits_is_cancelled(rig: RunningRig, client: Rig) -> None:
    """It never starts; those around it run in their order. What runs goes on."""
    before = len(journal(rig, "forked"))
    held, behind = hold(client, rig, "forked", 1.0)
    cancelled = behind[3]
    told = client["claims"].call("cancel", cancelled.request_id)
    assert told == {"verdict": "withdrawn", "worker": "forked", "member": "mark", "steps": []}
    with pytest.raises(errors.Withdrawn, match="was cancelled before it started"):
        cancelled.result(20)
    done = rig.orch("cancel", held.request_id)
    assert (done.returncode, "forked.hold has started" in done.stderr) == (5, True)
    wait([held, *behind], 20)
    left = [number for number in NUMBERS if number != "3"]
    assert journal(rig, "forked")[before:] == ["-1", "holds", *left]
    done = rig.orch("cancel", held.request_id)
    assert (done.returncode, "waits or runs" in done.stderr) == (2, True)


def test_a_future_is_cancelled(rig: RunningRig, client: Rig) -> None:
    """Its request was sent long ago, so that only the rig can tell."""
    before = len(journal(rig, "forked"))
    held, behind = hold(client, rig, "forked", 1.0)
    assert not behind[0].cancel()
    assert isinstance(behind[0].exception(20), errors.Cancelled)
    assert not held.done()
    assert not held.cancel()
    assert held.exception(20) is None
    wait(behind, 20)
    assert journal(rig, "forked")[before:] == ["-1", "holds", *NUMBERS[1:]]
    assert not held.cancel(), "it is done"


def test_a_task_is_cancelled(rig: RunningRig, client: Rig) -> None:
    """What it waited for is withdrawn too."""
    before = len(journal(rig, "own"))
    held, behind = hold(client, rig, "own", 1.0)

    async def give_up() -> None:
        async with aconnect(client.address) as mine:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(mine["own"].call("mark", number=77), 0.2)
            assert not held.done()
            with contextlib.suppress(errors.Cancelled):
                await asyncio.wrap_future(behind[-1])

    asyncio.run(give_up())
    assert journal(rig, "own")[before:] == ["-1", "holds", *NUMBERS]


def test_a_call_is_interrupted(rig: RunningRig, client: Rig) -> None:
    """Ctrl-C in a client: what it waited for is withdrawn."""
    before = len(journal(rig, "own"))
    held, behind = hold(client, rig, "own", 1.0)
    timer = threading.Timer(0.2, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        client["own"].call("mark", number=77)
    assert not held.done()
    wait([held, *behind], 20)
    client["own"].call("mark", number=78)
    assert journal(rig, "own")[before:] == ["-1", "holds", *NUMBERS, "78"]


def test_one_is_cancelled_from_the_command_line(rig: RunningRig, client: Rig) -> None:
    held, behind = hold(client, rig, "own", 2.0)
    done = rig.orch("cancel", behind[-1].request_id)
    assert (done.returncode, done.stdout) == (0, "own.mark was withdrawn: it never started\n")
    wait([held, *behind], 20)


def test_no_descriptor_is_left(rig: RunningRig, client: Rig) -> None:
    """A life's tickets go with it."""

    def pipes() -> int:
        folder = Path(f"/proc/{rig.process.pid}/fd")
        with contextlib.suppress(FileNotFoundError):  # one was closed while it was looked at
            return sum(os.readlink(each).startswith("pipe:") for each in folder.iterdir())
        return sys.maxsize

    client["claims"].call("restart", names=["inproc", "forked"])
    before = wait_until(pipes)
    for _ in range(3):
        client["claims"].call("restart", names=["inproc", "forked"])
    wait_until(lambda: pipes() <= before)

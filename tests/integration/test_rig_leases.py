"""Leases of real workers: owners that are killed, stopped or late, and those who wait."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

import orch
from orchestrator import aconnect
from orchestrator.client.aio_leases import AsyncLease
from orchestrator.client.leases import Place, ask_rig
from orchestrator.client.rig import Rig
from orchestrator.errors import Leased, OrchError, ValueRefused
from tests.rigs import RunningRig, running, wait_until

DRIVER = """
class Stage:
    def __init__(self):
        self.position = 0.0

    def move(self, x: float) -> float:
        self.position = x
        return x


class Own(Stage):
    def lease(self, seconds: float) -> str:
        return f"the driver's, {seconds}"
"""
CONFIG = """
rig: lab
workers:
  stage: "drivers:Stage"
  own: "drivers:Own"
  laser: {driver: "drivers:Stage", leased: true}
"""
OWNER = """
import sys, orch
rig = orch.connect("lab")
lease = rig["stage"].lease(float(sys.argv[1]), why="scan")
lease.take()
print("had", lease.number, flush=True)
for line in sys.stdin:
    try:
        print("moved", rig["stage"].call("move", 66.0), flush=True)
    except orch.errors.Leased as error:
        print("refused", error, flush=True)
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"drivers": DRIVER}) as rig:
        yield rig


@pytest.fixture
def client(rig: RunningRig) -> Iterator[Rig]:
    with rig.connected() as client:
        yield client


def owner(rig: RunningRig, seconds: float) -> subprocess.Popen[str]:
    """A program that has the lease of the stage."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(seconds)],
        env=rig.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("had")
    return process


def lease_of(client: Rig, worker: str = "stage") -> Any:
    return next(each for each in orch.status(client)["workers"] if each["name"] == worker)["lease"]


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_within_it_others_only_read(rig: RunningRig, client: Rig) -> None:
    """They are told who has it and why; afterwards all is as before."""
    with rig.connected() as other:
        with client.stage.lease(60, why="alignment") as lease:
            assert client.stage.move(1.0) == 1.0
            assert other.stage.position == 1.0
            with pytest.raises(Leased, match=r"leased to .* \(alignment\)"):
                other.stage.move(2.0)
            assert lease_of(other)["number"] == lease.number
        assert lease_of(other) is None
        assert other.stage.move(3.0) == 3.0


def test_a_drivers_own_member_wins(client: Rig) -> None:
    """On the worker; the handle has ours."""
    assert client.own.lease(5.0) == "the driver's, 5.0"
    with client["own"].lease(5) as lease:
        assert lease.number


def test_a_killed_owner_frees_at_once(rig: RunningRig, client: Rig) -> None:
    """Whoever waits has it long before its time would be over."""
    process = owner(rig, 3600)
    places: list[Place] = []
    wanted = client["stage"].lease(60, waiting=lambda place: (places.append(place), process.kill()))
    try:
        began = time.monotonic()
        with wanted:
            assert client.stage.move(5.0) == 5.0
        assert time.monotonic() - began < 600
        assert places[0].place == 1
        assert "(scan)" in places[0].held
    finally:
        end(process)


def test_a_stopped_owner_that_comes_back_late_is_refused(rig: RunningRig, client: Rig) -> None:
    """Its time is over while it stands still; what it sends then has no effect."""
    process = owner(rig, 0.5)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        os.kill(process.pid, signal.SIGSTOP)
        with client["stage"].lease(60, why="mine now"):
            client.stage.move(7.0)
            print("go", file=process.stdin, flush=True)
            os.kill(process.pid, signal.SIGCONT)
            told = process.stdout.readline()
            assert told.startswith("refused")
            assert "its time was over" in told
            assert "(mine now)" in told
            assert client.stage.position == 7.0
    finally:
        end(process)


def test_it_holds_over_a_restart_of_its_worker(rig: RunningRig, client: Rig) -> None:
    """Others are refused before and after, and the owner goes on."""
    with rig.connected() as other, client["stage"].lease(60):
        other["lab"].call("restart", ["stage"])
        with pytest.raises(Leased):
            other.stage.move(1.0)
        assert client.stage.move(8.0) == 8.0


def test_it_is_renewed_while_its_program_lives(client: Rig) -> None:
    """More than once beyond its time; a broken one is told at the end."""
    with client["stage"].lease(0.6) as lease:
        number = lease.number
        until = time.monotonic() + 2
        wait_until(lambda: time.monotonic() > until)
        assert lease_of(client)["number"] == number
    lost = client["stage"].lease(60)
    lost.__enter__()
    ask_rig(client, "break_lease", "stage", why="fire")
    with pytest.raises(Leased, match=r"broken by .*: fire"):
        lost.__exit__(None, None, None)


def test_it_isnt_waited_for_without_end(rig: RunningRig, client: Rig) -> None:
    """Who gives up is told his place, and isn't in the queue any more."""
    with rig.connected() as other, client["stage"].lease(60):
        with pytest.raises(Leased, match="number 1 of those who wait"):
            other["stage"].lease(5, wait=0.2).take()
        assert lease_of(client)["waiting"] == []
        with pytest.raises(Leased, match="this connection has the lease"):
            client["stage"].lease(5).take()


def test_a_worker_may_demand_one(client: Rig) -> None:
    """By its config."""
    with pytest.raises(Leased, match="as its config says"):
        client.laser.move(1.0)
    assert client.laser.position == 0.0
    with client.laser.lease(5):
        client.laser.move(2.0)


@pytest.mark.parametrize("seconds", [0, -1, None, "soon"])
def test_a_time_that_is_none(client: Rig, seconds: Any) -> None:
    """Nothing is sent."""
    with pytest.raises(ValueRefused):
        client["stage"].lease(seconds)


def test_asyncio(rig: RunningRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, awaited."""
    for name in ("ORCH_RUNTIME_DIR", "ORCH_STATE_DIR"):
        monkeypatch.setenv(name, rig.environ[name])

    async def use() -> None:
        async with aconnect("lab") as one, aconnect("lab") as other:
            async with one["stage"].lease(0.6, why="async") as lease:
                await asyncio.sleep(1)
                with pytest.raises(Leased, match="async"):
                    await other["stage"].call("move", 1.0)
                await one["stage"].call("move", 2.0)
                await lease.renew(5)
            await other["stage"].call("move", 3.0)

    asyncio.run(use())


def test_asyncio_is_told_what_became_of_a_lease(
    rig: RunningRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was broken meanwhile, one that wasn't to be had in time."""
    for name in ("ORCH_RUNTIME_DIR", "ORCH_STATE_DIR"):
        monkeypatch.setenv(name, rig.environ[name])

    def broken() -> None:
        assert rig.orch("unlease", "stage", "--force", "--why", "fire").returncode == 0

    async def within(
        lease: AsyncLease, error: Exception | None = None, *, until_told: bool = False
    ) -> None:
        async with lease:
            broken()
            while until_told and lease.lost is None:
                await asyncio.sleep(0.01)
            if error is not None:
                raise error

    async def use() -> None:
        async with aconnect("lab") as one, aconnect("lab") as other:
            stage = one["stage"]
            with pytest.raises(Leased, match="fire"):
                await within(stage.lease(60))
            with pytest.raises(ZeroDivisionError) as found:
                await within(stage.lease(60), ZeroDivisionError())
            assert "fire" in found.value.__notes__[0]
            lease = one["stage"].lease(0.4)
            async with one["stage"].lease(60):
                with pytest.raises(OrchError):
                    await other["stage"].lease(60, wait=0.1).take()
            with pytest.raises(Leased, match="fire"):
                await within(lease, until_told=True)
            await other["stage"].call("move", 3.0)

    asyncio.run(use())

"""What a client is told of failures, on real processes: why, what was last, what came of it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator import aconnect
from orchestrator.client.rig import Rig
from orchestrator.errors import (
    InvocationTimeout,
    NameRefused,
    NotStarted,
    OtherLife,
    OutcomeUnknown,
    WorkerDied,
)
from tests.rigs import RunningRig, running, wait_until

STAGE = """
import os, signal, threading
from pathlib import Path
from workers import action, prop

WHERE = Path("where")
LET_GO = threading.Event()

class Stage:
    @prop(unit="mm")
    def position(self) -> float:
        return float(WHERE.read_text()) if WHERE.exists() else 0.0

    def move(self, x: float, dies: bool = False):
        WHERE.write_text(str(x))
        if dies:
            print("motor: over current")
            print("motor: giving up")
            os.kill(os.getpid(), signal.SIGKILL)

    @action(idempotent=True)
    def home(self, deaths: int = 0):
        died = Path("died")
        times = len(died.read_text()) if died.exists() else 0
        if times < deaths:
            died.write_text("x" * (times + 1))
            os.kill(os.getpid(), signal.SIGKILL)
        died.unlink(missing_ok=True)
        return times

    def fetch(self, retry: int):
        return retry

    def hold(self):
        LET_GO.clear()
        LET_GO.wait(20)

    @action(concurrent=True)
    def let_go(self):
        LET_GO.set()
"""
CONFIG = """
rig: evidence
defaults: {backoff: 10ms..20ms, max_restarts: 100 in 1min}
workers:
  stage: {driver: "stage:Stage", verify: {move: position}, audit: true}
  other: {driver: "stage:Stage", idempotent: [move]}
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"stage": STAGE}) as rig:
        yield rig


@pytest.fixture
def client(rig: RunningRig) -> Iterator[Rig]:
    with rig.connected() as client:
        yield client


def lives(client: Rig) -> dict[str, Any]:
    return {each["name"]: each["incarnation"] for each in client.status()["workers"]}


def test_a_death_is_told_with_how_and_the_last_lines_and_verified(
    rig: RunningRig, client: Rig
) -> None:
    """The lines are waited for but a moment, so that they may come too late."""

    def dies() -> WorkerDied | None:
        with pytest.raises(WorkerDied, match="killed by SIGKILL") as caught:
            client["stage"].call("move", 7.0, dies=True)
        return caught.value if hasattr(caught.value, "__notes__") else None

    error: WorkerDied = wait_until(dies)
    (note,) = error.__notes__
    # its own words alone: no records of its requests, nor what the rig says of it
    assert note == "it wrote last:\n  motor: over current\n  motor: giving up"
    told = "outcome of move unknown; position read 7.0 mm"
    id_ = str(error.request_id)
    wait_until(lambda: told in [each.event for each in client.logs(request=id_)])
    assert told in rig.orch("trace", id_).stdout


def test_what_waits_in_vain_is_told_for_whom(client: Rig) -> None:
    with client.subscribe("worker-state", timeout=20) as states:
        first = client["stage"].submit("hold", execution_timeout=0.2)
        second = client["stage"].submit("fetch", 1, invocation_timeout=20)
        third = client["stage"].submit("fetch", 2, invocation_timeout=0.5)
        told = third.exception(20)
        assert isinstance(told, InvocationTimeout)
        assert "1 waits before it; stage runs hold for" in str(told)
        assert "STALLED" in str(told)
        late = first.exception(20)
        assert isinstance(late, OutcomeUnknown)
        assert "it has run for 0." in str(late)
        client["stage"].call("let_go")
        assert second.result(20) == 1
        seen = [next(states).value]
        while seen[-1]["was"] != "STALLED":
            seen.append(next(states).value)
    *_, stalled, recovered = seen
    assert (stalled["state"], recovered["state"]) == ("STALLED", "READY")
    assert stalled["reason"] == "hold overran its execution timeout and still runs"
    assert recovered["reason"].startswith("what kept it has ended")


def test_tries_of_what_may_be_repeated(rig: RunningRig, client: Rig) -> None:
    """A death in each of the first two; where the config says so, as where the driver does."""
    assert client["stage"].call("home", 2, retry=5, invocation_timeout=20) == 2
    with pytest.raises(WorkerDied):
        client["stage"].call("move", 1.0, dies=True, retry=5)
    with pytest.raises(WorkerDied) as caught:
        client["other"].call("move", 1.0, dies=True, retry=1, invocation_timeout=20)
    assert "try 1 failed after" in "\n".join(caught.value.__notes__)
    assert "idempotent" in rig.orch("describe", "other").stdout

    async def use(address: str) -> Any:
        async with aconnect(address) as other:
            return await other["stage"].call("home", 1, retry=5, invocation_timeout=20)

    assert asyncio.run(use(client.address)) == 1


def test_an_actions_own_keyword_of_that_name_is_its_own(client: Rig) -> None:
    assert client["stage"].call("fetch", retry=3) == 3
    assert client.stage.fetch(retry=4) == 4


def test_a_call_for_one_life_only(client: Rig) -> None:
    """Of the blocking face, of futures, of asyncio; by what was described, or told."""
    stage = client["stage"]
    stage.describe()
    before = lives(client)["stage"]
    assert stage.call("fetch", 1, same_life=True) == 1
    assert stage.submit("fetch", 2, same_life=before).result(20) == 2
    with client.subscribe("worker-state", timeout=20) as states:
        workers = {each["name"]: each for each in client.status()["workers"]}
        os.kill(workers["stage"]["pid"], signal.SIGKILL)
        seen = []
        while not seen or seen[-1]["state"] != "READY":
            seen.append(next(states).value)
    assert all(each["reason"] for each in seen)
    assert "SIGKILL" in seen[0]["reason"]

    told = f"meant for life {before} of worker 'stage', which has life {before + 1} now"
    for life in (True, before, workers["stage"]["life"]):
        with pytest.raises(OtherLife, match=told) as caught:
            stage.call("fetch", 3, same_life=life)
        assert isinstance(caught.value, NotStarted)
        assert isinstance(stage.submit("fetch", 3, same_life=life).exception(20), OtherLife)
        with pytest.raises(OtherLife):
            stage.write("position", 1.0, same_life=life)
    assert stage.call("fetch", 4) == 4, "any other call is made"

    async def use(address: str) -> None:
        async with aconnect(address) as other:
            with pytest.raises(OtherLife):
                await other["stage"].read("position", same_life=before)
            await other["stage"].read("position", same_life=True)

    asyncio.run(use(client.address))
    stage.describe()
    assert stage.call("fetch", 5, same_life=True) == 5


def test_names_that_are_none_are_not_started(client: Rig) -> None:
    for ask in (
        lambda: client["nobody"],
        lambda: client.nobody,
        lambda: client.stage.mvoe,
        lambda: client["stage"].call("position", 1),
        lambda: client["stage"].read("_private"),
    ):
        with pytest.raises(NotStarted) as caught:
            ask()
        assert isinstance(caught.value, NameRefused)
        assert isinstance(caught.value, (AttributeError, KeyError))

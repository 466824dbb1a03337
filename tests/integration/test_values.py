"""The table of values on one rig: by each way to and from a driver, over each transport."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from orchestrator.client.aio import aconnect
from orchestrator.client.rig import Rig
from orchestrator.errors import (
    ArgumentUnsendable,
    ExecutionTimeout,
    NotStarted,
    OutcomeUnknown,
    ResultUnsendable,
)
from tests.integration.transports_kit import free_port
from tests.integration.value_table import CASES, Case, judge
from tests.rigs import RunningRig, running, wait_until
from transports.values.records import EnumValue, NamedRecord, Record

TCP, EVENTS = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
CONFIG = f"""
rig: values
listen: [ipc, {{requests: "{TCP}", events: "{EVENTS}"}}]
allow_local_users: true
workers:
  process:
    driver: "tests.integration.drivers.values_driver:Values"
    concurrent: [beside]
  thread: {{driver: "tests.integration.drivers.values_driver:Values", transport: inproc}}
"""
WORKERS = ("process", "thread")


@pytest.fixture(scope="module")
def running_rig() -> Iterator[RunningRig]:
    with running(CONFIG) as running_rig:
        yield running_rig


@pytest.fixture(scope="module", params=["ipc", "tcp"])
def rig(running_rig: RunningRig, request: pytest.FixtureRequest) -> Iterator[Rig]:
    with running_rig.connected(TCP if request.param == "tcp" else None) as rig:
        yield rig


def failures(case: Case, worker: Any, events: Any) -> Iterator[tuple[str, str]]:
    """By each way: what is wrong with a value; nothing at all if it has gone as documented."""
    name = case.name
    if case.refused:
        yield from _refused(case, worker)
        return
    yield "result", judge(name, worker.call("give", name))
    worker.call("hold", name)
    yield "property read", judge(name, worker.read("held"))
    worker.call("tell", name)
    yield "event", judge(name, next(events).value)
    if case.argument:
        yield from _refused_arguments(case, worker)
        return
    yield "first argument", worker.call("first", case.make(), name)
    yield "later argument", worker.call("later", name, case.make())
    yield "keyword", worker.call("keyword", name, value=case.make())
    worker.write("held", case.make())
    yield "property written", worker.call("judge_held", name)


def _refused_arguments(case: Case, worker: Any) -> Iterator[tuple[str, str]]:
    ways = {
        "first argument": lambda: worker.call("first", case.make(), case.name),
        "later argument": lambda: worker.call("later", case.name, case.make()),
        "keyword": lambda: worker.call("keyword", case.name, value=case.make()),
        "property written": lambda: worker.write("held", case.make()),
    }
    for way, attempt in ways.items():
        yield way, _refusal(attempt, case.refused or case.argument, ArgumentUnsendable)


def _refused(case: Case, worker: Any) -> Iterator[tuple[str, str]]:
    before = worker.read("ran")
    yield "result", _refusal(lambda: worker.call("give", case.name), case.refused, ResultUnsendable)
    yield "done", "" if worker.read("ran") == before + 1 else "it wasn't run"
    worker.call("hold", case.name)
    yield "property read", _refusal(lambda: worker.read("held"), case.refused, ResultUnsendable)
    yield "event", _refusal(lambda: worker.call("tell", case.name), case.refused, TypeError)
    yield from _refused_arguments(case, worker)


def _refusal(attempt: Any, text: str, kind: type[Exception]) -> str:
    try:
        value = attempt()
    except kind as error:
        return "" if re.search(text, str(error)) else f"refused by: {error}"
    except Exception as error:
        return f"another error: {error!r}"
    return f"not refused: {value!r}"


@pytest.mark.parametrize("worker", WORKERS)
def test_each_value_by_each_way(rig: Rig, worker: str) -> None:
    """Equal, equal but for a documented type, or refused: nothing else."""
    assert len(CASES) >= 141
    with rig[worker].subscribe("told", timeout=20) as events:
        found = [
            f"{case.name} as {way}: {text}"
            for case in CASES.values()
            for way, text in failures(case, rig[worker], events)
            if text
        ]
    assert not found, "\n".join(["", *found])


def test_each_value_in_asyncio(running_rig: RunningRig) -> None:
    async def use(address: str, worker: str) -> list[str]:
        found = []
        async with aconnect(address) as rig, rig[worker].subscribe("told", timeout=20) as events:
            one = rig[worker]
            for name, case in CASES.items():
                if case.refused:
                    continue
                told = [judge(name, await one.call("give", name))]
                await one.call("tell", name)
                told.append(judge(name, (await anext(events)).value))
                if not case.argument:
                    told.append(await one.call("first", case.make(), name))
                    told.append(await one.call("keyword", name, value=case.make()))
                    await one.write("held", case.make())
                    told.append(judge(name, await one.read("held")))
                found += [f"{name}: {text}" for text in told if text]
        return found

    with running_rig.connected() as rig:
        address = rig.address
    for where, worker in ((address, "process"), (TCP, "thread")):
        found = asyncio.run(use(where, worker))
        assert not found, "\n".join(["", *found])


def test_an_observable_property_has_its_changes_as_they_are(rig: Rig) -> None:
    with rig.process.subscribe("watched", timeout=20) as changes:
        for value in ((1, 2), [1, 2], 50 + 1j, None):
            rig.process.watched = value
            told = next(changes)
            assert (type(told.value), told.value) == (type(value), value)
            rig.process.watched = value
        rig.process.watched = {"frame": np.arange(3)}
        assert next(changes).value["frame"].tolist() == [0, 1, 2]
        assert changes.missed == 0


def test_what_is_known_to_the_driver_alone_stands_in_and_goes_back(rig: Rig) -> None:
    own = rig.process.own()
    mode, spot, shot = own["mode"], own["spot"], own["shot"]
    assert (type(mode), mode.name, mode.value) == (EnumValue, "CW", "cw")
    assert (type(spot), spot, spot.x) == (NamedRecord, (1, 2), 1)
    assert (type(shot), shot.gain, shot.spot.y) == (Record, 1.5, 4)
    assert {mode: 1}[rig.process.own()["mode"]] == 1
    assert rig.process.is_own(own)


def test_a_result_that_cannot_be_sent_was_done_and_is_told_once(running_rig: RunningRig) -> None:
    with running_rig.connected() as rig:
        with pytest.raises(ResultUnsendable) as caught:
            rig.process.give("lock deep inside")
        error = caught.value
        assert not isinstance(error, (NotStarted, OutcomeUnknown))
        assert (error.worker, error.member) == ("process", "give")
        assert "give was done, but its result can't be sent: result['x'][1][0]: a value of" in str(
            error
        )
        with pytest.raises(ArgumentUnsendable, match=r"process.first: argument 2\['x'\]\[1\]\[0\]"):
            rig.process.first(1, CASES["lock deep inside"].make())

        def told() -> list[str]:
            mine = (each for each in rig.logs(worker="process") if each.request == error.request_id)
            return [each.event for each in mine if "can't be sent" in each.event]

        wait_until(told)
        assert len(told()) == 1


@pytest.mark.parametrize(
    ("what", "result"),
    [
        ("future", (1, 2)),
        ("status", None),
        ("bluesky status", None),
        ("coroutine of a status", None),
        ("task", (3, 4)),
    ],
)
def test_work_in_progress_is_waited_for(rig: Rig, what: str, result: Any) -> None:
    assert rig.process.progress(what) == result


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("failing future", LookupError),
        ("failing status", ValueError),
        ("failing bluesky status", OSError),
    ],
)
def test_work_in_progress_that_fails_is_the_drivers_error(
    rig: Rig, what: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        rig.thread.progress(what)


def test_work_in_progress_has_the_execution_timeout(rig: Rig) -> None:
    with pytest.raises(ExecutionTimeout):
        rig.process.call("hangs", 0.4, execution_timeout=0.1)
    assert rig.process.call("progress", "future") == (1, 2), "it goes on when that has ended"

"""Generators of drivers, item by item: flow, ends of either side, and clients that go."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from orchestrator.client.aio import aconnect
from orchestrator.client.rig import Rig
from orchestrator.client.streams import Stream
from orchestrator.errors import ExecutionTimeout, NotStarted, ResultUnsendable
from tests.rigs import RunningRig, running, wait_until

DRIVER = "tests.integration.drivers.values_driver:Values"
CONFIG = f"""
rig: streams
workers:
  scan: {{driver: "{DRIVER}", concurrent: [beside], timeouts: {{slow_item: 150ms}}}}
  thread: {{driver: "{DRIVER}", transport: inproc}}
"""


@pytest.fixture(scope="module")
def running_rig() -> Iterator[RunningRig]:
    with running(CONFIG) as running_rig:
        yield running_rig


@pytest.fixture
def rig(running_rig: RunningRig) -> Iterator[Rig]:
    with running_rig.connected() as rig:
        yield rig


@pytest.mark.parametrize("worker", ["scan", "thread"])
def test_items_come_as_they_are_asked_for(rig: Rig, worker: str) -> None:
    """No item is made before, and other calls come in between; what it returned is its end's."""
    stream = rig[worker].call("points", 3)
    assert isinstance(stream, Stream)
    assert rig[worker].call("has_made") == []
    for number, (key, values) in enumerate(stream):
        assert (key, values.tolist()) == (number, [number] * 3)
        assert isinstance(values, np.ndarray)
        assert rig[worker].call("has_made") == list(range(number + 1))
    assert rig[worker].call("has_made")[-1] == "cleaned up"
    assert list(stream) == []
    stream = rig[worker].call("points", 0)
    with pytest.raises(StopIteration) as caught:
        next(stream)
    assert caught.value.value == "done"


def test_an_error_of_the_generator_ends_the_stream(rig: Rig) -> None:
    stream = rig.scan.points(1, fails=True)
    assert next(stream)[0] == 0
    with pytest.raises(ValueError, match="beyond the limits"):
        next(stream)
    assert list(stream) == []


def cleaned_up(rig: Rig, text: str = "cleaned up") -> bool:
    return text in rig["scan"].call("has_made")


def test_a_loop_that_is_left_ends_the_stream(rig: Rig) -> None:
    for key, _ in rig.scan.points(100):
        if key == 2:
            break
    wait_until(lambda: cleaned_up(rig))
    assert rig.scan.has_made() == [0, 1, 2, "cleaned up"]


def test_close_ends_the_stream(rig: Rig) -> None:
    with rig.scan.points(100) as stream:
        next(stream)
    wait_until(lambda: cleaned_up(rig))
    assert list(stream) == []


def test_one_that_is_never_asked_runs_nothing(rig: Rig) -> None:
    rig.scan.points(100).close()
    rig.scan.oneway("points", 100)
    assert rig.scan.submit("points", 100).result(10).close() is None
    assert list(islice(rig.scan.points(9), 2))[1][0] == 1


def test_a_client_that_goes_ends_its_streams(rig: Rig, running_rig: RunningRig) -> None:
    code = (
        "import os, orch; rig = orch.connect(); stream = rig.scan.points(100); "
        "next(stream); print('one', flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [*running_rig.command()[:1], "-c", code],
        env=running_rig.environ,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout == "one\n"
    wait_until(lambda: cleaned_up(rig))
    assert rig.scan.has_made() == [0, "cleaned up"]


def test_an_item_has_the_timeout_of_its_action(rig: Rig) -> None:
    stream = rig.scan.slow_item(0.4)
    assert next(stream) == 1
    with pytest.raises(ExecutionTimeout):
        next(stream)
    assert list(stream) == []
    assert rig["scan"].call("slow_item", 0.4, execution_timeout=5).__next__() == 1


def test_an_item_without_a_form_ends_the_stream(rig: Rig) -> None:
    stream = rig.scan.unsendable_item()
    assert next(stream) == 1
    told = r"^scan.unsendable_item: an item of the stream was made, but it can't be sent: "
    with pytest.raises(ResultUnsendable, match=told) as found:
        next(stream)
    assert "result" not in str(found.value)
    assert list(stream) == []


def test_one_beside_what_is_queued(rig: Rig) -> None:
    stream = rig.scan.beside(0.01)
    assert list(islice(stream, 3)) == [0, 1, 2]
    stream.close()


def test_a_stream_ends_with_its_worker(rig: Rig, running_rig: RunningRig) -> None:
    stream = rig.scan.points(5)
    next(stream)
    assert running_rig.orch("restart", "scan").returncode == 0
    with pytest.raises((LookupError, NotStarted)):
        next(stream)


def test_in_asyncio(running_rig: RunningRig) -> None:
    async def use(address: str) -> list[object]:
        got: list[object] = []
        async with aconnect(address) as rig:
            stream = await rig.scan.points(1, fails=True)
            got.append((await anext(stream))[0])
            with pytest.raises(ValueError, match="beyond"):
                await anext(stream)
            got.append([each async for each in stream])
            async for number in await rig.scan.ticks(3):
                got.append(number)
            async with await rig.scan.ticks(100) as stream:
                got.append(await anext(stream))
        return got

    with running_rig.connected() as rig:
        assert asyncio.run(use(rig.address)) == [0, [], 0, 1, 2, 0]
        wait_until(lambda: rig["scan"].call("has_made").count("ticks cleaned up") == 2)


def test_a_command_prints_items_as_they_come(running_rig: RunningRig) -> None:
    done = running_rig.orch("call", "thread", "points", "2", "--json")
    assert done.stdout == "[0,[0,0,0]]\n[1,[1,1,1]]\n"

"""Clients that are dropped without `close()`: no thread and no descriptor stays."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import warnings
from collections.abc import Callable

import pytest

from orchestrator import connect
from orchestrator.client.aio import aconnect
from tests.integration.fake_rig import FakeRig
from tests.rigs import wait_until

TOPIC = "stage/moved"


def call(fake: FakeRig) -> None:
    assert connect(fake.address).stage.move(x=1) == {"x": 1}


def submit(fake: FakeRig) -> None:
    assert connect(fake.address).stage.submit("move", x=1).result(10) == {"x": 1}


def subscribe(fake: FakeRig) -> None:
    subscription = connect(fake.address).stage.subscribe("moved", timeout=10)
    fake.emit(TOPIC, 1)
    assert next(subscription).value == 1


def conflate(fake: FakeRig) -> None:
    subscription = connect(fake.address).stage.subscribe("moved", timeout=10, conflate=True)
    fake.emit(TOPIC, 1)
    assert next(subscription).value == 1


def in_asyncio(fake: FakeRig) -> None:
    async def use() -> None:
        rig = await aconnect(fake.address)
        assert await rig.stage.move(x=1) == {"x": 1}
        events = rig.stage.subscribe("moved", timeout=10)
        await events.__aenter__()
        await asyncio.to_thread(fake.emit, TOPIC, 1)
        assert (await events.__anext__()).value == 1

    asyncio.run(use())


@pytest.mark.parametrize("use", [call, submit, subscribe, conflate, in_asyncio])
def test_a_client_that_is_dropped(fake: FakeRig, use: Callable[[FakeRig], None]) -> None:
    """However it was used."""
    use(fake)  # ZeroMQ's own threads and descriptors come with the first socket
    gc.collect()

    def ours() -> list[threading.Thread]:
        return [each for each in threading.enumerate() if each.name.startswith("orch-")]

    wait_until(lambda: not ours())
    at_fake = len(fake.topics)
    before = len(os.listdir("/proc/self/fd"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        for _ in range(20):
            use(fake)
        gc.collect()
    wait_until(lambda: not ours())
    # the rig's end of each connection, and ZeroMQ's, close in their own time
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= before + 5)
    assert len(fake.topics) >= at_fake


def test_a_future_keeps_its_connection(fake: FakeRig) -> None:
    """Its result comes though the client is dropped."""
    future = connect(fake.address).stage.submit("hold", x=1)
    fake.wait_for(lambda: len(fake.held) == 1)
    gc.collect()
    assert fake.release() == 1
    assert future.result(10) == {"x": 1}

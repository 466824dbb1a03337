"""The asyncio face does its I/O in the event loop, whatever becomes of the rig and of the loop."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref

import pytest

from orchestrator import aconnect, errors
from orchestrator.client import liveness
from tests.integration.fake_rig import FakeRig


def test_no_thread_is_needed(fake: FakeRig) -> None:
    async def use() -> set[str]:
        async with aconnect(fake.address) as rig:
            before = {each.name for each in threading.enumerate()}
            calls = [rig.stage.move(x=number) for number in range(50)]
            assert await asyncio.gather(*calls) == [{"x": number} for number in range(50)]
            assert await rig.stage.position == 0.0
            return {each.name for each in threading.enumerate()} - before

    assert asyncio.run(use()) == set()


def test_a_rig_that_comes_back_is_found_again(
    fake: FakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another socket, which the loop is told of."""
    monkeypatch.setattr(liveness, "INTERVAL", 0.1)

    async def use() -> None:
        async with aconnect(fake.address, timeout=20) as rig:
            lost = asyncio.ensure_future(rig.stage.hold(x=1))
            await asyncio.to_thread(fake.wait_for, lambda: len(fake.held) == 1)
            await asyncio.to_thread(fake.stop)
            with pytest.raises(errors.RigLost):
                await lost
            again = asyncio.ensure_future(rig.stage.move(x=2))
            await asyncio.to_thread(fake.start)
            assert await again == {"x": 2}
            assert await rig.stage.move(x=3) == {"x": 3}

    asyncio.run(use())


def test_one_loop_after_another(fake: FakeRig) -> None:
    """What the first loop left outstanding settles nothing of the second."""
    with asyncio.Runner() as first:
        rig = first.run(_connected(fake))
        assert first.run(_read(rig)) == 0.0
    with asyncio.Runner() as second:
        assert second.run(_read(rig)) == 0.0
        second.run(rig.close())


def test_a_rig_that_is_dropped_leaves_no_descriptor(fake: FakeRig) -> None:
    async def use() -> None:
        rig = await aconnect(fake.address)
        await rig.stage.position
        connection = weakref.ref(rig._session.connection)
        descriptors = len(os.listdir("/proc/self/fd"))
        del rig
        gc.collect()
        await asyncio.sleep(0)
        assert connection() is None
        assert len(os.listdir("/proc/self/fd")) < descriptors - 1
        async with aconnect(fake.address) as other:
            assert await other.stage.position == 0.0

    asyncio.run(use())


def test_a_task_that_is_cancelled_withdraws_what_it_waits_for(fake: FakeRig) -> None:
    async def use() -> None:
        async with aconnect(fake.address) as rig:
            task = asyncio.ensure_future(rig.stage.hold(x=1))
            await asyncio.to_thread(fake.wait_for, lambda: len(fake.held) == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(
                fake.wait_for, lambda: any(each.name == "bench.cancel" for each in fake.requests)
            )

    asyncio.run(use())
    fake.release()


async def _connected(fake: FakeRig) -> object:
    return await aconnect(fake.address)


async def _read(rig: object) -> object:
    return await rig.stage.position  # type: ignore[attr-defined]

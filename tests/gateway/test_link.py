"""The one connection of a gateway: made when it is wanted, and made anew."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.gateway import link as module
from orchestrator.gateway.link import Link


class FakeRig(dict[str, str]):
    """A connection that knows a worker once it has asked for the status."""

    id = property(lambda self: "bench")

    def __init__(self) -> None:
        super().__init__(bench="the rig itself")
        self.closed = False

    async def status(self) -> dict[str, Any]:
        self["stage"] = "a worker"
        return {"rig": "bench"}

    def subscribe(self, event: str, timeout: float, conflate: bool) -> tuple[str, float, bool]:
        return event, timeout, conflate

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str | None, FakeRig]]:
    found: list[tuple[str | None, FakeRig]] = []

    async def aconnect(name: str | None, timeout: float) -> FakeRig:
        found.append((name, FakeRig()))
        return found[-1][1]

    monkeypatch.setattr(module, "aconnect", aconnect)
    monkeypatch.setattr(module, "AsyncRig", FakeRig)
    return found


def test_it_is_made_once_and_anew_to_the_same_rig(made: list[tuple[str | None, FakeRig]]) -> None:
    async def use() -> None:
        link = Link(None)
        await link.drop()  # there is none yet
        assert await link.status() == {"rig": "bench"}
        first, second = await asyncio.gather(link.rig(), link.rig())
        assert first is second
        await link.drop()
        await link.rig()

    asyncio.run(use())
    assert [name for name, _ in made] == [None, "bench"]
    assert [rig.closed for _, rig in made] == [True, False]


def test_a_worker_that_is_new_is_asked_for(made: list[tuple[str | None, FakeRig]]) -> None:
    async def use() -> list[Any]:
        link = Link("bench")
        changes: Any = await link.changes(5.0)
        return [await link.worker("stage"), await link.own(), await link.workers(), changes]

    stage, own, workers, changes = asyncio.run(use())
    assert (stage, own, workers) == ("a worker", "the rig itself", ["bench", "stage"])
    assert changes == ("worker-state", 5.0, True)
    assert len(made) == 1


def test_what_is_being_asked_is_asked_once() -> None:
    asked: list[int] = []

    async def ask() -> int:
        asked.append(1)
        await asyncio.sleep(0)
        return len(asked)

    async def use() -> list[int]:
        link = Link("bench")
        both = await asyncio.gather(link.once("a", ask), link.once("a", ask))
        return [*both, await link.once("a", ask)]

    assert asyncio.run(use()) == [1, 1, 2]

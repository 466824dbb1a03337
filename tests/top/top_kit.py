"""A rig for `orch top` that is made up: its status is what a test says, and asks are noted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from orchestrator.cli.columns import Line
from orchestrator.client.cached import Cached
from orchestrator.errors import RigNotReachable
from orchestrator.top.app import Top
from orchestrator.top.lines import Lines
from orchestrator.top.source import plain

STAGE = {
    "properties": {
        "position": {"type": "number", "unit": "mm", "readOnly": True, "orch:poll": 0.2},
        "speed": {"type": "number", "unit": "mm/s", "minimum": 0, "maximum": 20},
        "key": {"type": "string", "writeOnly": True},
    },
    "actions": {
        "move": {
            "description": "Go to a position.",
            "input": {
                "type": "object",
                "properties": {
                    "x": {"type": "number", "unit": "mm"},
                    "fast": {"type": "boolean", "default": False},
                },
                "required": ["x"],
            },
            "orch:signature": "(x: float, fast: bool = False) -> float",
        },
        "points": {"orch:signature": "(n: int, /)", "orch:concurrent": True},
    },
    "events": {"moved": {"data": {"type": "number"}}},
}


def operation(member: str, seconds: float, limit: float | None, request: str = "7f-1") -> Any:
    """An operation that runs or waits."""
    client = "ada@lab3:scan.py~11645-10155d7605a04e0e"
    asked = {"member": member, "client": client, "request": request}
    return {**asked, "seconds": seconds, "limit": limit}


def alarm(state: str = "raised", member: str = "temperature") -> dict[str, Any]:
    """An alarm that is, or was, raised."""
    return {
        "member": member,
        "state": state,
        "raised": True,
        "value": 63.2,
        "age": 0.1,
        "seconds": 12.0,
        "above": 60.0,
        "below": None,
        "reason": "63.2, above 60",
    }


def rig(*workers: dict[str, Any], run: str = "1") -> dict[str, Any]:
    """A rig's status."""
    return {
        "rig": "lab",
        "run": run,
        "uptime": 8054.0,
        "config": "lab.yaml",
        "config_changed": False,
        "workers": list(workers),
    }


class FakeSource:
    """A rig that says what it is told to.

    Attributes:
        status: What it gives at each look; None for a rig that can't be reached.
        asked: What was asked of it besides, in order.
        raises: What asks raise, if anything.
    """

    def __init__(self, status: dict[str, Any] | None) -> None:
        self.rig = "lab"
        self.status = status
        self.asked: list[tuple[Any, ...]] = []
        self.raises: Exception | None = None
        self.looks = 0
        self._changed = asyncio.Event()

    def change(self, status: dict[str, Any] | None) -> None:
        """Have another status, and tell that a worker's state has changed."""
        self.status = status
        self._changed.set()

    async def look(self) -> dict[str, Any]:
        self.looks += 1
        if self.status is None:
            raise RigNotReachable("rig lab doesn't answer\nmore of it")
        return self.status

    async def changes(self) -> AsyncIterator[None]:
        while True:
            await self._changed.wait()
            self._changed.clear()
            yield None

    def _note(self, *asked: Any) -> None:
        self.asked.append(asked)
        if self.raises is not None:
            raise self.raises

    async def order(self, verb: str, worker: str) -> str:
        self._note(verb, worker)
        return "READY"

    async def cancel(self, request: str) -> str:
        self._note("cancel", request)
        return "it is withdrawn"

    async def stacks(self, worker: str) -> list[Line]:
        self._note("stacks", worker)
        return plain(f"{worker}: in stage.py:71 move\n" + "wide " * 30)

    async def trace(self, request: str) -> list[Line]:
        self._note("trace", request)
        return plain(f"trace of {request}")

    async def records(
        self, *, worker: str | None, request: str | None, level: str
    ) -> AsyncIterator[list[Line]]:
        self._note("log", worker, request, level)
        yield plain(f"first {level} record")
        yield plain("second record")
        await asyncio.Event().wait()

    async def describe(self, worker: str) -> dict[str, Any]:
        self._note("describe", worker)
        return STAGE

    async def cached(self, worker: str, name: str) -> Cached:
        if self.raises is not None:
            raise self.raises
        return Cached(12.5, 0.0 if name == "never" else 1e10)

    async def read(self, worker: str, name: str) -> Any:
        self._note("read", worker, name)
        return 4.0

    async def write(self, worker: str, name: str, value: Any) -> None:
        self._note("write", worker, name, value)

    async def call(self, worker: str, action: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        self._note("call", worker, action, args, kwargs)
        return 12.5


def top(*workers: dict[str, Any], every: float = 0.1) -> tuple[Top, FakeSource]:
    """The app of a rig with these workers."""
    source = FakeSource(rig(*workers))
    return Top(source, every), source


def text_of(app: Top, id: str) -> str:
    """What a part of the present screen shows."""
    return "\n".join(each.rstrip() for each in app.screen.query_one(f"#{id}", Lines).texts)


async def wait_until(condition: Any, seconds: float = 30.0) -> None:
    """Let the app go on until something holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)

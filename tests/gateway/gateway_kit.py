"""A rig as the gateway sees one, without processes; and a client that is let in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from starlette.testclient import TestClient

from orchestrator.client.cached import Cached
from orchestrator.client.events import Event
from orchestrator.errors import (
    ExecutionTimeout,
    NameRefused,
    NothingThere,
    OrchError,
    WorkerUnavailable,
)
from orchestrator.gateway.guard import Rules
from orchestrator.gateway.link import Link
from orchestrator.gateway.server import build
from orchestrator.gateway.streams import Streams

BASE = "http://127.0.0.1:8080"
TOKEN = "a-token"
THING: dict[str, Any] = {
    "id": "stage",
    "title": "Stage",
    "properties": {
        "position": {"type": "number", "unit": "mm", "observable": True, "orch:poll": 0.5},
        "serial": {"type": "string", "readOnly": True, "forms": []},
        "outputs['a/b']": {"type": "number"},
        "key": {"type": "string", "writeOnly": True},
    },
    "actions": {
        "move": {
            "description": "Go there.\n\nTakes its time.",
            "input": {"type": "object", "properties": {"x": {"type": "number"}}},
            "output": {"type": "number", "orch:python": "float"},
        }
    },
    "events": {"moved": {"data": {"type": "number"}}},
}


SUMS = {
    "done": 3,
    "raised": 1,
    "refused": 0,
    "expired": 2,
    "overran": 0,
    "lost": 0,
    "seconds": 8.5,
    "took": [(0.5, 1), (2.5, 3), (None, 4)],
}
WORKER: dict[str, Any] = {
    "name": "stage",
    "state": "READY",
    "life": "1@a",
    "pid": 7,
    "queue": 2,
    "in_flight": 1,
    "uptime": 3.0,
    "cpu": None,
    "memory": 1024,
    "restarts": 4,
    "running": [{"seconds": 1.5}, {"seconds": 2.5}],
    "alarms": [{"member": "position", "raised": True, "state": "stale"}],
    "unsafe": None,
    "latency": {"count": 4, "p50": 0.25, "p99": None},
}
STATUS: dict[str, Any] = {
    "rig": "lab",
    "uptime": 9.0,
    "counts": {"answered": 5},
    "helpers": [{"name": "guardian", "state": "stopped"}],
    "logs": {"unwritten": 6, "written": {"info": 9, "error": 2}, "lost": 3},
    "config_changed": True,
    "workers": [WORKER, {**WORKER, "name": "away", "pid": None, "state": "FAILED"}],
}


class FakeEvents:
    """A subscription, as an iterator over what is put into it."""

    def __init__(self, timeout: float | None = None) -> None:
        self.waiting: asyncio.Queue[Event] = asyncio.Queue()
        self._timeout = timeout

    async def __aenter__(self) -> FakeEvents:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    def __aiter__(self) -> FakeEvents:
        return self

    async def __anext__(self) -> Event:
        async with asyncio.timeout(self._timeout):
            return await self.waiting.get()


class FakeWorker:
    """A worker whose members are a dict, and whose actions do what they say."""

    def __init__(self) -> None:
        self.name = "stage"
        self.values: dict[str, Any] = {"position": 1.5, "outputs['a/b']": 2, "serial": "A1"}
        self.asked: list[tuple[Any, ...]] = []
        self.reads = 0
        self.thing = THING
        self.fault: Exception | None = None
        self.events = FakeEvents()

    async def describe(self, *, refresh: bool = False) -> dict[str, Any]:
        self.asked.append(("describe", refresh))
        return self.thing

    async def read(self, name: str, **timeouts: Any) -> Any:
        self.reads += 1
        self.asked.append(("read", name, timeouts))
        if name not in self.values:
            raise NameRefused(f"worker stage has no member {name!r}")
        return self.values[name]

    async def cached(self, name: str) -> Cached:
        if name not in self.values:
            raise NothingThere(f"{name} was never read")
        return Cached(self.values[name], 100.0)

    async def write(self, name: str, value: Any, **timeouts: Any) -> None:
        self.asked.append(("write", name, value, timeouts))
        if name not in self.values or name == "serial":
            raise NameRefused(f"stage.{name} is read-only" if name == "serial" else f"no {name!r}")
        self.values[name] = value

    async def call(self, action: str, *args: Any, **kwargs: Any) -> Any:
        self.asked.append((action, args, kwargs))
        if self.fault is not None:
            raise self.fault
        match action:
            case "image":
                return np.arange(16 * 16, dtype=np.uint8).reshape(16, 16)
            case "row":
                return np.arange(4.0)
            case "huge":
                return np.zeros((1001, 1000), np.uint8)
            case "late":
                raise ExecutionTimeout("stage.late ran", request_id="7", member="late")
            case "dead":
                raise WorkerUnavailable("worker stage has failed")
            case "raises":
                raise ValueError("x is beyond the limits")
            case "operations":
                return {"stage": {"move": SUMS}}
            case "stacks":
                return "Thread 1"
            case "restart" | "start" | "stop":
                return {"stage": "READY"}
            case _:
                return kwargs.get("x", args[0] if args else None)

    def subscribe(self, name: str) -> FakeEvents:
        return self.events


class FakeLink(Link):
    """A rig with one worker, that is there or away."""

    def __init__(self, logs: Path) -> None:
        super().__init__("lab")
        self.stage = FakeWorker()
        self.away: OrchError | None = None
        self.drops = 0
        self.states = FakeEvents(0.01)
        self._folder = logs

    async def worker(self, name: str) -> Any:
        if self.away is not None:
            raise self.away
        if name not in ("stage", "lab"):
            raise NameRefused(f"rig lab has no worker {name!r}")
        return self.stage

    async def workers(self) -> list[Any]:
        return [await self.worker("stage")]

    async def own(self) -> Any:
        return await self.worker("lab")

    async def status(self) -> dict[str, Any]:
        await self.worker("stage")
        return dict(STATUS)

    async def changes(self, timeout: float) -> Any:
        await self.worker("stage")
        return self.states

    async def logs(self) -> Path:
        return self._folder

    async def drop(self) -> None:
        self.drops += 1


def rules(*, control: bool = True) -> Rules:
    return Rules(TOKEN, frozenset({"127.0.0.1:8080"}), control)


@contextmanager
def serving(
    link: Link, *, control: bool = True, exports: Sequence[str] = ()
) -> Iterator[TestClient]:
    """A client of an app, with the token."""
    app = build(link, rules(control=control), Streams(), exports)
    headers = {"authorization": f"Bearer {TOKEN}"}
    with TestClient(app, BASE, headers=headers, follow_redirects=False) as client:
        yield client

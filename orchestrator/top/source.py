"""What `orch top` knows of a rig, and what it asks of it on a key.

By itself it asks the rig for its status only, and workers for what they keep of polled values: no
device is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

from orchestrator.cli.columns import Line
from orchestrator.cli.show import safe
from orchestrator.client.aio import AsyncRig
from orchestrator.client.cached import Cached
from orchestrator.client.cancelled import came_of
from orchestrator.client.functions import subscribe as subscribe_to
from orchestrator.logs.read.api import select
from orchestrator.logs.read.query import Logs
from orchestrator.logs.show.lines import Printer
from orchestrator.logs.show.trace import find_trace, trace_lines
from orchestrator.runtime.places import logs_folder

STYLES = {"debug": "dim", "warning": "yellow", "error": "red", "critical": "bold red"}
"""Of records, by level."""
LAST = 500
"""Records that a log begins with."""


class Source(Protocol):
    """A rig, as the app sees it. All of it raises what the client does."""

    rig: str

    async def look(self) -> dict[str, Any]:
        """The rig's status."""

    def changes(self) -> AsyncIterator[None]:
        """Something at each change of a worker's state or an alarm."""

    async def order(self, verb: str, worker: str) -> str:
        """Start, stop or restart a worker; its state then."""

    async def cancel(self, request: str) -> str:
        """Withdraw or end a request; what came of it."""

    async def stacks(self, worker: str) -> list[Line]:
        """Where all threads of a worker are."""

    async def trace(self, request: str) -> list[Line]:
        """The life of a request."""

    def records(
        self, *, worker: str | None, request: str | None, level: str
    ) -> AsyncIterator[list[Line]]:
        """Records from some before now on, without end: those of a worker, or of a request."""

    async def describe(self, worker: str) -> dict[str, Any]:
        """A worker's Thing Description."""

    async def cached(self, worker: str, name: str) -> Cached:
        """The last value of a property that is polled; the device isn't asked."""

    async def read(self, worker: str, name: str) -> Any:
        """A property, read from the device."""

    async def write(self, worker: str, name: str, value: Any) -> None:
        """Write a property."""

    async def call(self, worker: str, action: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call an action."""


class RigSource:
    """A rig that runs.

    Args:
        rig: A connection to it.
    """

    def __init__(self, rig: AsyncRig) -> None:
        self._rig = rig
        self.rig: str = type(rig).id.__get__(rig)

    async def look(self) -> dict[str, Any]:
        """The rig's status."""
        return dict(await AsyncRig.status(self._rig))

    async def changes(self) -> AsyncIterator[None]:
        """Something at each change of a worker's state or an alarm; goes on with the next rig."""
        async for _ in subscribe_to(self._rig):
            yield None

    async def order(self, verb: str, worker: str) -> str:
        """Start, stop or restart a worker; its state then."""
        states = await self._own("call", verb, [worker])
        return str(states[worker])

    async def cancel(self, request: str) -> str:
        """Withdraw or end a request; what came of it."""
        found = await self._own("call", "cancel", request)
        if found["verdict"] == "unknown":
            return "it neither waits nor runs by now"
        return came_of(found)

    async def stacks(self, worker: str) -> list[Line]:
        """Where all threads of a worker are."""
        return plain(str(await self._own("call", "stacks", worker)))

    async def trace(self, request: str) -> list[Line]:
        """The life of a request, as far as it is recorded."""
        return await asyncio.to_thread(self._trace, request)

    def _trace(self, request: str) -> list[Line]:
        found = find_trace(Logs(logs_folder(self.rig)), request)
        if found is None:
            return plain("nothing is recorded of it: what the broker did is at level debug only")
        lines = [line for each in trace_lines(found) for line in plain(each.rstrip("\n"))]
        if not found.has_life:
            lines += plain("\nwhat the broker did is recorded at level debug only")
        return lines

    async def records(
        self, *, worker: str | None, request: str | None, level: str
    ) -> AsyncIterator[list[Line]]:
        """Records from some before now on: those of a worker, or of a request."""
        printer = Printer()
        view = select(
            logs_folder(self.rig),
            worker=worker,
            request=request,
            level=level,
            last=LAST,
            follow=True,
        )
        async for entry in view:
            style = STYLES.get(entry.level, "")
            yield [[(line, style)] for line in printer.text(entry).rstrip("\n").split("\n")]

    async def describe(self, worker: str) -> dict[str, Any]:
        """A worker's Thing Description."""
        return await self._rig[worker].describe()

    async def cached(self, worker: str, name: str) -> Cached:
        """The last value of a property that is polled."""
        return await self._rig[worker].cached(name)

    async def read(self, worker: str, name: str) -> Any:
        """A property, read from the device."""
        return await self._rig[worker].read(name)

    async def write(self, worker: str, name: str, value: Any) -> None:
        """Write a property."""
        await self._rig[worker].write(name, value)

    async def call(self, worker: str, action: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call an action."""
        handle = self._rig[worker]
        return await handle.call(action, *args, **kwargs)

    async def _own(self, how: str, *args: Any) -> Any:
        return await getattr(self._rig[self.rig], how)(*args)


def plain(text: str) -> list[Line]:
    """A text as lines without styles, in which a terminal finds nothing to obey."""
    return [[(safe(line), "")] for line in text.split("\n")]

"""Where what is watched comes from: one request at a time for each, however many watch.

All of them go on by themselves after the rig was away.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Hashable
from typing import Any

from orchestrator.client.events import Event
from orchestrator.client.json_form import plain
from orchestrator.errors import KeyRefused, NothingThere, OrchError, RigLost, RigNotReachable
from orchestrator.gateway.link import Link
from orchestrator.gateway.pictures import is_picture
from orchestrator.gateway.topics import Tell, Topic
from transports import terms

PACE = 1.0
"""Seconds between two looks at what a worker has polled."""
LOOK_EVERY = 2.0
"""Seconds between two looks at the rig while no worker's state changes."""
LEAST_PAUSE = 0.25
"""The same at least: when many states change, a look costs the rig more than a change."""
AGAIN = 1.0
"""Seconds until what could not be had is asked for anew: nothing tells when a rig is back."""
REMEMBERED = 600
"""Values of a polled property that are kept for its trend."""
STATUS, LOST, VALUES, EVENT = "status", "lost", "values", "event"
"""Subjects that are told."""


class Sources:
    """All that can be watched of a rig.

    Args:
        link: The rig.

    Attributes:
        trends: Times and values that polled properties had lately, by worker and name; a value is
            None where it couldn't be had, or is no number that can be drawn.
        newest: The newest event of each name that is watched, by worker and name.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._topics: dict[Hashable, Topic] = {}
        self.trends: dict[tuple[str, str], deque[tuple[float, float | None]]] = {}
        self.newest: dict[tuple[str, str], Event] = {}

    def status(self) -> Topic:
        """The rig: `status` every other second and when a worker's state changes, or `lost`."""
        return self._topics.setdefault(STATUS, Topic(self._tell_status))

    def values(self, worker: str) -> Topic:
        """What a worker polls: `values`."""

        async def tell_values(tell: Tell) -> None:
            await self._tell_values(worker, tell)

        return self._topics.setdefault((VALUES, worker), Topic(tell_values))

    def event(self, worker: str, name: str) -> Topic:
        """An event, or changes of a property: `event`, with its name after a colon."""

        async def tell_events(tell: Tell) -> None:
            await self._tell_events(worker, name, tell)

        return self._topics.setdefault((EVENT, worker, name), Topic(tell_events))

    async def _tell_status(self, tell: Tell) -> None:
        while True:
            try:
                async with await self._link.changes(LOOK_EVERY) as changes:
                    while True:
                        found = await self._link.status()
                        tell(LOST, None)
                        tell(STATUS, plain({**found, "time": time.time()}))
                        await asyncio.sleep(LEAST_PAUSE)
                        try:
                            await anext(changes)
                        except TimeoutError:
                            continue  # nothing has changed but the times
            except (OrchError, StopAsyncIteration) as error:
                tell(LOST, {"text": str(error) or "the connection was closed"})
                if isinstance(error, (RigNotReachable, KeyRefused, RigLost)):
                    await self._link.drop()
            await asyncio.sleep(AGAIN)

    async def _tell_values(self, worker: str, tell: Tell) -> None:
        while True:
            names: list[str] = []
            try:
                handle = await self._link.worker(worker)
                thing = await handle.describe()
                properties = thing.get("properties", {})
                names = [name for name, each in properties.items() if terms.POLL in each]
                while names:
                    tell(VALUES, {name: await self._cached(worker, name) for name in names})
                    await asyncio.sleep(PACE)
                return
            except OrchError as error:
                for name in names:
                    self._remember(worker, name, time.time(), None)
                tell(VALUES, {name: {"error": str(error)} for name in names})
            await asyncio.sleep(AGAIN)

    async def _cached(self, worker: str, name: str) -> dict[str, Any]:
        handle = await self._link.worker(worker)
        try:
            found = await handle.cached(name)
        except NothingThere as error:
            return {"error": str(error)}
        self._remember(worker, name, found.time, None if found.error else found.value)
        value = plain(found.value, brief=True)
        return {"value": value, "time": found.time, "age": found.age, "error": found.error}

    def _remember(self, worker: str, name: str, at: float, value: Any) -> None:
        """Keep a number for its trend; None, and what no line can be drawn to, is a gap."""
        if value is not None and not isinstance(value, (int, float)):
            return
        number = None if value is None else drawable(value)
        kept = self.trends.setdefault((worker, name), deque(maxlen=REMEMBERED))
        if kept and (kept[-1][0] == at or (number is None and kept[-1][1] is None)):
            return
        kept.append((at, number))

    async def _tell_events(self, worker: str, name: str, tell: Tell) -> None:
        while True:
            try:
                handle = await self._link.worker(worker)
                async with handle.subscribe(name) as events:
                    async for each in events:
                        self.newest[worker, name] = each
                        tell(f"{EVENT}:{name}", told_of(each))
            except OrchError as error:
                tell(f"{EVENT}:{name}", {"name": name, "error": str(error)})
            await asyncio.sleep(AGAIN)


def drawable(value: float) -> float | None:
    """A number as a trend has it; None if it is not a number, infinite or too large for one."""
    try:
        number = float(value)
    except OverflowError:  # a whole number without a limit
        return None
    return number if math.isfinite(number) else None


def told_of(event: Event) -> dict[str, Any]:
    """An event as JSON; of an array only its type and shape, and whether it can be shown."""
    told = {"name": event.name, "time": event.time, "sequence": event.sequence}
    return {
        **told,
        "value": plain(event.value, brief=True),
        "picture": is_picture(event.value),
    }

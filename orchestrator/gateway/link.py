"""The one connection of a gateway to its rig, made anew whenever that was away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from pathlib import Path
from typing import Any

from orchestrator.client.aio import AsyncRig, aconnect
from orchestrator.client.aio_events import AsyncSubscription
from orchestrator.client.aio_worker import AsyncWorker
from orchestrator.runtime.places import logs_folder

PATIENCE = 2.0
"""Seconds for a rig to answer a connection, and for one that is away to come back to a request."""


class Link:
    """Connects when it is asked to.

    Args:
        name: The rig's id or address; None for the only one.
    """

    def __init__(self, name: str | None) -> None:
        self.name = name
        self._rig: AsyncRig | None = None
        self._connecting = asyncio.Lock()
        self._reads: dict[Hashable, asyncio.Task[Any]] = {}

    async def rig(self) -> AsyncRig:
        """The rig.

        Raises:
            RigNotReachable: It isn't there.
        """
        async with self._connecting:
            if self._rig is None:
                self._rig = await aconnect(self.name, timeout=PATIENCE)
                # Whichever was found is meant from here on, also when others run by then.
                self.name = self.name or rig_id(self._rig)
            return self._rig

    async def worker(self, name: str) -> AsyncWorker:
        """A worker, or the rig itself by its id.

        Raises:
            NameRefused: There is none.
            OrchError: The rig doesn't answer.
        """
        rig = await self.rig()
        if name not in rig:
            await AsyncRig.status(rig)  # it may be new
        return rig[name]

    async def workers(self) -> list[AsyncWorker]:
        """All workers that there are now. Raises OrchError."""
        rig = await self.rig()
        await AsyncRig.status(rig)
        return list(rig)

    async def status(self) -> dict[str, Any]:
        """The rig's status. Raises OrchError."""
        return await AsyncRig.status(await self.rig())

    async def changes(self, timeout: float) -> AsyncSubscription:
        """Changes of workers' states, the newest one only. Raises RigNotReachable.

        Args:
            timeout: Seconds without one after which TimeoutError is raised.
        """
        rig = await self.rig()
        return AsyncRig.subscribe(rig, "worker-state", timeout, conflate=True)

    async def logs(self) -> Path:
        """The folder of the rig's records, if it runs on this machine. Raises RigNotReachable."""
        return logs_folder(rig_id(await self.rig()))

    async def own(self) -> AsyncWorker:
        """The rig itself, as a worker. Raises as `rig`."""
        rig = await self.rig()
        return rig[rig_id(rig)]

    async def drop(self) -> None:
        """Disconnect: a rig that is away may come back elsewhere."""
        rig, self._rig = self._rig, None
        if rig is not None:
            await AsyncRig.close(rig)

    async def once(self, key: Hashable, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Ask, unless the same is being asked: then that answer is for this one too.

        Args:
            key: What is asked.
            ask: Asks it.
        """
        task = self._reads.get(key)
        if task is None:
            task = self._reads[key] = asyncio.ensure_future(ask())
            task.add_done_callback(lambda _: self._reads.pop(key, None))
        return await asyncio.shield(task)


def rig_id(rig: AsyncRig) -> str:
    """A rig's id, also where a worker is called `id`."""
    return AsyncRig.id.__get__(rig)

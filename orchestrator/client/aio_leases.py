"""A lease of a worker, for asyncio."""

from __future__ import annotations

import asyncio
from typing import Any

from orchestrator.client.aio_events import request, run
from orchestrator.client.leases import Wanted
from orchestrator.errors import Leased, OrchError


class AsyncLease(Wanted):
    """Exclusive use of a worker within an `async with`; a task renews it meanwhile."""

    async def __aenter__(self) -> AsyncLease:
        await self.take()
        self._task = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        try:
            await self.release()
        except OrchError as second:
            if error is None:
                raise
            error.add_note(str(second))

    async def take(self) -> None:
        """Wait for the lease. Raises as `Lease.take` does."""
        try:
            await run(self._session, self.ask())
        except BaseException:  # its task may be cancelled
            self._session.connection.submit(self.give_up())
            raise

    async def renew(self, seconds: float | None = None) -> None:
        """Have it hold for longer. Raises as `Lease.renew` does."""
        await request(self._session, self.renewal(seconds))

    async def release(self) -> None:
        """Give it back. Raises as `Lease.release` does."""
        await request(self._session, self.end())

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.every)
            try:
                await self.renew()
            except OrchError as error:
                self.lost = error
                if isinstance(error, Leased) or self._session.connection.closed:
                    return

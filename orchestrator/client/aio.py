"""The same for asyncio: `async with aconnect("bench") as rig: await rig.stage.move(x=1.0)`.

Requests go through the same connection as futures; nothing here blocks the event loop.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

from orchestrator.client import shown
from orchestrator.client.aio_events import AsyncSubscription, run
from orchestrator.client.aio_worker import AsyncWorker
from orchestrator.client.connection import CONNECT_TIMEOUT
from orchestrator.client.events import OnLoss, Subscription
from orchestrator.client.exchange import Timeout
from orchestrator.client.keys import KeyFile
from orchestrator.client.proxy import Part, Proxy, handle_of
from orchestrator.client.rig import open_session, put_workers
from orchestrator.client.session import Session
from orchestrator.client.shown import Status
from orchestrator.client.snapshot import Snapshot, take
from orchestrator.client.surface import surface, surface_async
from orchestrator.client.told import told
from orchestrator.errors import NameRefused, OrchError
from orchestrator.runtime.places import logs_folder

if TYPE_CHECKING:
    from orchestrator.logs.read.api import LogView


class aconnect:
    """Connect to a running rig from asyncio: `async with aconnect(…) as rig`, or `await` it.

    Args:
        name_or_address: As for `connect`.
        timeout: As for `connect`.
        zero_copy: As for `connect`.
        key: As for `connect`.

    Raises:
        RigNotReachable: When awaited: none was found, or it doesn't answer in time.
    """

    def __init__(
        self,
        name_or_address: str | None = None,
        *,
        timeout: float = CONNECT_TIMEOUT,
        zero_copy: bool = False,
        key: KeyFile = None,
    ) -> None:
        self._name = name_or_address
        self._key = key
        self._zero_copy = zero_copy
        self._timeout = timeout
        self._rig: AsyncRig | None = None

    def __await__(self) -> Generator[Any, None, AsyncRig]:
        return self._connect().__await__()

    async def __aenter__(self) -> AsyncRig:
        self._rig = await self._connect()
        return self._rig

    async def __aexit__(self, *exc: object) -> None:
        if self._rig is not None:
            await AsyncRig.close(self._rig)

    async def _connect(self) -> AsyncRig:
        opening = asyncio.ensure_future(
            asyncio.to_thread(
                open_session,
                self._name,
                self._timeout,
                zero_copy=self._zero_copy,
                key=self._key,
            )
        )
        try:
            session = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)
            raise
        rig = AsyncRig(session)
        try:
            await AsyncRig.refresh(rig)
        except BaseException:
            await AsyncRig.close(rig)
            raise
        return rig


def _close_late(opening: asyncio.Future[Session]) -> None:
    """Close a connection whose opener was cancelled; a thread can't be."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().connection.close()


class AsyncRig:
    """A rig. Its workers are attributes (`rig.stage`) and handles of them items (`rig["stage"]`).

    Names are found as on `orchestrator.client.rig.Rig`. A worker that was not described when the
    rig was entered is looked up when it is first used.
    """

    def __init__(self, session: Session) -> None:
        self.__dict__["_session"] = session
        self.__dict__["_kept"] = weakref.WeakSet()
        self.__dict__["_handles"] = {}

    _session: Session
    _kept: weakref.WeakSet[Subscription]
    _handles: dict[str, AsyncWorker]

    @told
    def id(self) -> str:
        """The rig's id."""
        return self._session.rig

    @told
    def address(self) -> str:
        """Where it is connected."""
        return self._session.connection.address

    @told
    def workers(self) -> list[str]:
        """Names of the workers as of the last `status` or `refresh`."""
        return list(self._session.workers)

    @surface_async
    async def status(self) -> Status:
        """The rig's state, as `Rig.status`. Raises OrchError."""
        found = await run(self._session, self._session.status())
        self._put_workers()
        return Status(found)

    @surface_async
    async def snapshot(self, *workers: str, execution_timeout: Timeout = ...) -> Snapshot:
        """All properties of workers, as `Rig.snapshot`."""
        return await asyncio.to_thread(take, self._session, workers, execution_timeout)

    def subscribe(
        self,
        event: str | None = None,
        /,
        timeout: float | None = None,
        *,
        conflate: bool = False,
        on_loss: OnLoss = "reconnect",
    ) -> AsyncSubscription:
        """Subscribe to an event of the rig itself, as `Rig.subscribe`."""
        own = self._worker(self._session.rig)
        return own.subscribe(event, timeout, conflate=conflate, on_loss=on_loss)

    def logs(self, **asked: Any) -> LogView:
        """The rig's log: `async for record in rig.logs(since="-1h")`.

        Arguments and errors are those of `Rig.logs`.
        """
        from orchestrator.logs.read import api

        return api.select(logs_folder(self._session.rig), **asked)

    async def refresh(self) -> None:
        """Ask for the workers, and for the descriptions of those that are ready.

        Raises:
            OrchError: The rig doesn't answer.
        """
        status = await AsyncRig.status(self)
        serving = [
            str(worker["name"])
            for worker in status.get("workers", ())
            if worker.get("state") in ("READY", "STALLED")
        ]
        await asyncio.gather(*(self._describe(name) for name in serving))

    async def _describe(self, name: str) -> None:
        try:
            await run(self._session, self._session.describe(name))
        except OrchError:
            return  # it died just now; whoever uses it gets its error

    async def close(self) -> None:
        """Disconnect; subscriptions end, outstanding calls fail. The rig itself runs on."""
        for subscription in list(self._kept):
            subscription.close()
        if self._session.carrier is not None:
            self._session.carrier.close()
        await asyncio.to_thread(self._session.connection.close)

    async def __aenter__(self) -> AsyncRig:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await AsyncRig.close(self)

    def _keep(self, subscription: Subscription) -> None:
        """Close a subscription together with the connection."""
        self._kept.add(subscription)

    @surface
    def __getattr__(self, name: str) -> Proxy:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._worker(name)._proxy

    @surface
    def __getitem__(self, name: str) -> AsyncWorker:
        return self._worker(name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise NameRefused(f"rig {self._session.rig}: its attributes can't be assigned")

    def __iter__(self) -> Iterator[AsyncWorker]:
        """The workers as of the last `status` or `refresh`."""
        return iter([self._worker(name) for name in self._session.workers])

    def __contains__(self, worker: object) -> bool:
        names = (*self._session.workers, self._session.rig)
        if isinstance(worker, (Part, AsyncWorker)):
            handle = handle_of(worker)
            return handle._session is self._session and handle.name in names
        return worker in names

    def __len__(self) -> int:
        return len(self._session.workers)

    def __bool__(self) -> bool:
        return True

    def __dir__(self) -> list[str]:
        return [*{*object.__dir__(self), *self._session.workers}]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._session.workers)

    def __repr__(self) -> str:
        return f"<rig {self._session.rig} at {self._session.connection.address}>"

    def _repr_html_(self) -> str:
        found = {"rig": self._session.rig, "workers": [{"name": n} for n in self._session.workers]}
        return shown.status(found)

    def _put_workers(self) -> None:
        put_workers(self.__dict__, {name: self._handle(name) for name in self._session.workers})

    def _handle(self, name: str) -> AsyncWorker:
        return self._handles.setdefault(name, AsyncWorker(self._session, name, self._keep))

    def _worker(self, name: str) -> AsyncWorker:
        self._session.check_worker(name)
        return self._handle(name)

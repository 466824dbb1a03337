"""The same for asyncio: `async with aconnect("bench") as rig: await rig.stage.move(x=1.0)`.

Requests go through the same connection as futures; nothing here blocks the event loop.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from orchestrator.client.aio_events import AsyncSubscription, request, run
from orchestrator.client.aio_streams import AsyncStream
from orchestrator.client.connection import CONNECT_TIMEOUT
from orchestrator.client.events import OnLoss, Subscription
from orchestrator.client.exchange import Timeout
from orchestrator.client.rig import open_session
from orchestrator.client.session import EVENT, Session
from orchestrator.errors import OrchError
from orchestrator.runtime.places import logs_folder

if TYPE_CHECKING:
    from orchestrator.logs.read.api import LogView


class aconnect:
    """Connect to a running rig from asyncio: `async with aconnect(…) as rig`, or `await` it.

    Args:
        name_or_address: As for `connect`.
        timeout: As for `connect`.

    Raises:
        RigNotReachable: When awaited: none was found, or it doesn't answer in time.
    """

    def __init__(
        self, name_or_address: str | None = None, *, timeout: float = CONNECT_TIMEOUT
    ) -> None:
        self._name = name_or_address
        self._timeout = timeout
        self._rig: AsyncRig | None = None

    def __await__(self) -> Generator[Any, None, AsyncRig]:
        return self._connect().__await__()

    async def __aenter__(self) -> AsyncRig:
        self._rig = await self._connect()
        return self._rig

    async def __aexit__(self, *exc: object) -> None:
        if self._rig is not None:
            await self._rig.close()

    async def _connect(self) -> AsyncRig:
        opening = asyncio.ensure_future(asyncio.to_thread(open_session, self._name, self._timeout))
        try:
            session = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)
            raise
        rig = AsyncRig(session)
        try:
            await rig.refresh()
        except BaseException:
            await rig.close()
            raise
        return rig


def _close_late(opening: asyncio.Future[Session]) -> None:
    """Close a connection whose opener was cancelled; a thread can't be."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().connection.close()


class AsyncRig:
    """A rig. Its workers are attributes (`rig.stage`) and items (`rig["stage"]`).

    A worker that was not described when the rig was entered is looked up when it is first used.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: weakref.WeakSet[Subscription] = weakref.WeakSet()

    @property
    def id(self) -> str:
        """The rig's id."""
        return self._session.rig

    @property
    def address(self) -> str:
        """Where it is connected."""
        return self._session.connection.address

    @property
    def workers(self) -> list[str]:
        """Names of the workers as of the last `status` or `refresh`."""
        return list(self._session.workers)

    async def status(self) -> dict[str, Any]:
        """The rig's state, as `Rig.status`. Raises OrchError."""
        return await run(self._session, self._session.status())

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
        own = self._worker(self.id, AttributeError)
        return own.subscribe(event, timeout, conflate=conflate, on_loss=on_loss)

    def logs(self, **asked: Any) -> LogView:
        """The rig's log: `async for record in rig.logs(since="-1h")`.

        Arguments and errors are those of `Rig.logs`.
        """
        from orchestrator.logs.read import api

        return api.select(logs_folder(self.id), **asked)

    async def refresh(self) -> None:
        """Ask for the workers, and for the descriptions of those that are ready.

        Raises:
            OrchError: The rig doesn't answer.
        """
        status = await self.status()
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
        await asyncio.to_thread(self._session.connection.close)

    async def __aenter__(self) -> AsyncRig:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def keep(self, subscription: Subscription) -> None:
        """Close a subscription together with the connection."""
        self._kept.add(subscription)

    def __getattr__(self, name: str) -> AsyncWorker:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._worker(name, AttributeError)

    def __getitem__(self, name: str) -> AsyncWorker:
        return self._worker(name, KeyError)

    def __dir__(self) -> list[str]:
        return [*{*object.__dir__(self), *self.workers}]

    def __repr__(self) -> str:
        return f"<rig {self.id} at {self.address}>"

    def _worker(self, name: str, error: type[Exception]) -> AsyncWorker:
        self._session.check_worker(name, error)
        return AsyncWorker(self, self._session, name)


class AsyncMember:
    """A property or action: await it to read the property, call it to invoke the action."""

    def __init__(self, worker: AsyncWorker, name: str) -> None:
        self._worker = worker
        self._name = name

    def __await__(self) -> Generator[Any, None, Any]:
        return self._worker.read(self._name).__await__()

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Invoke the action, as `AsyncWorker.call` does."""
        return await self._worker.call(self._name, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<member {self._worker.name}.{self._name}>"


class AsyncWorker:
    """A worker of a rig, for asyncio; see `orchestrator.client.worker.Worker`.

    `await worker.move(x=1)` invokes an action, `await worker.position` reads a property. A
    property is written with `await worker.write(name, value)`: an assignment can't be awaited.
    An operation whose task is cancelled runs on in the rig; its result is dropped.
    """

    name: str
    """The worker's name."""

    _rig: AsyncRig
    _session: Session

    def __init__(self, rig: AsyncRig, session: Session, name: str) -> None:
        for key, value in (("_rig", rig), ("_session", session), ("name", name)):
            object.__setattr__(self, key, value)

    async def call(
        self,
        action: str,
        /,
        *args: Any,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
        **kwargs: Any,
    ) -> Any:
        """Invoke an action. Arguments and errors are those of `Worker.call`."""
        session = self._session
        exchange = await run(
            session,
            session.call(
                self.name,
                action,
                args,
                kwargs,
                invocation_timeout,
                execution_timeout,
                opens=AsyncStream,
            ),
        )
        return await request(session, exchange)

    async def read(
        self,
        name: str,
        /,
        *,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
    ) -> Any:
        """Read a property. Raises as `call` does."""
        session = self._session
        exchange = await run(
            session, session.read(self.name, name, invocation_timeout, execution_timeout)
        )
        return await request(session, exchange)

    async def write(
        self,
        name: str,
        value: Any,
        /,
        *,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
    ) -> None:
        """Write a property. Raises as `call` does."""
        session = self._session
        exchange = await run(
            session,
            session.write(self.name, name, value, invocation_timeout, execution_timeout),
        )
        await request(session, exchange)

    async def oneway(
        self,
        action: str,
        /,
        *args: Any,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
        **kwargs: Any,
    ) -> None:
        """Invoke an action and never learn what came of it. Raises as `Worker.oneway` does."""
        session = self._session
        exchange = await run(
            session,
            session.call(
                self.name,
                action,
                args,
                kwargs,
                invocation_timeout,
                execution_timeout,
                oneway=True,
            ),
        )
        await request(session, exchange)

    def subscribe(
        self,
        event: str | None = None,
        /,
        timeout: float | None = None,
        *,
        conflate: bool = False,
        on_loss: OnLoss = "reconnect",
    ) -> AsyncSubscription:
        """Subscribe to an event: `async for event in worker.subscribe("moved")`.

        It is being made from here on: requests that are made after this call wait until it is
        live. Must be called while the event loop runs.

        Args:
            event: Its name, or that of an observable property; left out: all events.
            timeout: Seconds without an event after which TimeoutError is raised; None waits
                without end.
            conflate: Give the newest event only, for consumers slower than the events.
            on_loss: As for `Worker.subscribe`.
        """
        return AsyncSubscription(
            self._rig.keep, self._session, self.name, event, timeout, conflate, on_loss
        )

    async def describe(self) -> dict[str, Any]:
        """The worker's Thing Description, asked for anew. Raises OrchError."""
        return (await run(self._session, self._session.describe(self.name))).description

    def __getattr__(self, name: str) -> AsyncMember:
        if name.startswith("_"):  # also while a copy has no attributes yet
            raise AttributeError(f"{name} is private; private members are not served")
        kind = self._session.check_member(self.name, name)
        if kind == EVENT:
            raise AttributeError(f"{self.name}.{name} is an event: use subscribe({name!r})")
        return AsyncMember(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(
            f"an assignment can't be awaited; use: await worker.write({name!r}, value)"
        )

    def __dir__(self) -> list[str]:
        members = self._session.known_members(self.name)
        return [*{*object.__dir__(self), *(members.kinds if members else ())}]

    def __repr__(self) -> str:
        return f"<worker {self.name} of rig {self._session.rig}>"

"""A worker for asyncio, as a handle, and what its members are until they are awaited."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from orchestrator.client import known
from orchestrator.client.aio_events import AsyncSubscription, request, run, run_tries
from orchestrator.client.aio_streams import AsyncStream
from orchestrator.client.cached import Cached
from orchestrator.client.events import OnLoss, Subscription
from orchestrator.client.exchange import Exchange, Life, Retry, Timeout
from orchestrator.client.handle import Handle
from orchestrator.client.proxy import fetch
from orchestrator.client.session import Recipe, Session
from orchestrator.client.surface import surface_async
from orchestrator.client.tries import Compose, given, tried
from orchestrator.errors import NameRefused

if TYPE_CHECKING:
    from orchestrator.client.aio_leases import AsyncLease
    from orchestrator.client.leases import Waiting


class AsyncMember:
    """A property or action: await it to read the property, call it to invoke the action."""

    def __init__(self, worker: AsyncWorker, name: str) -> None:
        self._worker = worker
        self._name = name

    def __await__(self) -> Generator[Any, None, Any]:
        return self._worker.read(self._name).__await__()

    @surface_async
    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Invoke the action, as `AsyncWorker.call` does."""
        worker, name = self._worker, self._name
        session = worker._session
        if session.known_members(worker.name) is None:
            await run(session, session.describe(worker.name))
        members = session.known_members(worker.name)
        if members is not None and name not in members.kinds and hasattr(AsyncWorker, name):
            return await getattr(worker, name)(*args, **kwargs)  # a name of ours
        return await worker.call(name, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<member {self._worker.name}.{self._name}>"


class AsyncWorker(Handle):
    """A handle of a worker, for asyncio; see `orchestrator.client.worker.Worker`.

    On `rig.stage`, `await rig.stage.move(x=1)` invokes an action, `await rig.stage.position` reads
    a property. A property is written with `await orch.write(rig.stage, name, value)`, because an
    assignment can't be awaited. An operation whose task is cancelled is withdrawn if it hasn't
    started; what runs is ended as its worker's config says by `cancel_with`, else it goes on, and
    its result is dropped.
    """

    _keep: Callable[[Subscription], None]

    def __init__(self, session: Session, name: str, keep: Callable[[Subscription], None]) -> None:
        super().__init__(session, name)
        object.__setattr__(self, "_keep", keep)

    @surface_async
    async def call(
        self,
        action: str,
        /,
        *args: Any,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
        retry: Retry = ...,
        same_life: Life = ...,
        **kwargs: Any,
    ) -> Any:
        """Invoke an action. Arguments and errors are those of `Worker.call`."""
        if invocation_timeout is execution_timeout is retry is same_life is ...:
            exchange = known.call(self._session, self.name, action, args, kwargs, AsyncStream)
            if exchange is not None:
                return await request(self._session, exchange)
        ours = given(retry=retry, same_life=same_life)

        def compose(wait: Timeout, run: Timeout) -> Recipe[Exchange]:
            return self._session.call(
                self.name, action, args, kwargs, wait, run, opens=AsyncStream, ours=ours
            )

        return await self._attempt(action, compose, (invocation_timeout, execution_timeout), ours)

    @surface_async
    async def read(
        self,
        name: str,
        /,
        *,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
        retry: Retry = ...,
        same_life: Life = ...,
    ) -> Any:
        """Read a property. Raises as `call` does."""
        if invocation_timeout is execution_timeout is retry is same_life is ...:
            exchange = known.read(self._session, self.name, name)
            if exchange is not None:
                return await request(self._session, exchange)
        timeouts = (invocation_timeout, execution_timeout)

        def compose(wait: Timeout, run: Timeout) -> Recipe[Exchange]:
            return self._session.read(self.name, name, wait, run, same_life)

        return await self._attempt(name, compose, timeouts, given(retry=retry))

    @surface_async
    async def cached(self, name: str, /, *, execution_timeout: Timeout = ...) -> Cached:
        """The last value of a polled property. Arguments and errors are as `Worker.cached`'s."""
        session = self._session
        exchange = await run(session, session.cached(self.name, name, execution_timeout))
        return Cached.read(await request(session, exchange))

    @surface_async
    async def write(
        self,
        name: str,
        value: Any,
        /,
        *,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
        retry: Retry = ...,
        same_life: Life = ...,
    ) -> None:
        """Write a property. Raises as `call` does."""
        timeouts = (invocation_timeout, execution_timeout)

        def compose(wait: Timeout, run: Timeout) -> Recipe[Exchange]:
            return self._session.write(self.name, name, value, wait, run, same_life)

        await self._attempt(name, compose, timeouts, given(retry=retry))

    @surface_async
    async def oneway(
        self,
        action: str,
        /,
        *args: Any,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
        same_life: Life = ...,
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
                ours=given(same_life=same_life),
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
            self._keep, self._session, self.name, event, timeout, conflate, on_loss
        )

    def lease(
        self,
        seconds: float,
        /,
        *,
        why: str = "",
        wait: float | None = None,
        waiting: Waiting | None = None,
    ) -> AsyncLease:
        """Exclusive use of the worker: `async with rig["stage"].lease(60)`; see `Worker.lease`."""
        from orchestrator.client.aio_leases import AsyncLease  # few need it

        return AsyncLease(self._session, self.name, seconds, why=why, wait=wait, waiting=waiting)

    @surface_async
    async def describe(self, *, refresh: bool = False) -> dict[str, Any]:
        """The worker's Thing Description, asked for anew, as `Worker.describe` gives it."""
        session = self._session
        recipe = session.describe_anew if refresh else session.describe
        return (await run(session, recipe(self.name))).description

    async def _attempt(
        self,
        member: str,
        compose: Compose,
        timeouts: tuple[Timeout, Timeout],
        ours: dict[str, Any],
    ) -> Any:
        session = self._session
        if "retry" not in ours:
            return await request(session, await run(session, compose(*timeouts)))
        return await run_tries(session, tried(session, self.name, member, compose, ours, timeouts))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # also while a copy has no attributes yet
            raise NameRefused(f"{name} is private; private members are not served")
        return fetch(self._proxy, name, sys._getframe(1))

    def __setattr__(self, name: str, value: Any) -> None:
        self._set(name, value)

    def __dir__(self) -> list[str]:
        return [*{*object.__dir__(self), *dir(self._proxy)}]

    def _get(self, path: str) -> AsyncMember:
        return AsyncMember(self, path)

    def _set(self, path: str, value: Any) -> None:
        raise NameRefused(
            "an assignment can't be awaited; use: "
            f"await orch.write(rig.{self.name}, {path!r}, value)"
        )

    def _learn(self, path: str, *, looks: bool = False) -> Any:
        """What stands for a member of a worker that wasn't described yet: asked for when used."""
        if self._session.known_members(self.name) is not None:
            return None
        return getattr(self, path) if path in ("name", "subscribe") else AsyncMember(self, path)

    def _learn_soon(self) -> None:
        return

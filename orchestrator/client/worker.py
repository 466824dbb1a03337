"""A worker as a handle: methods of ours, which take a member's name."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, overload

from orchestrator.client import known
from orchestrator.client.cached import Cached
from orchestrator.client.events import OnLoss, Subscription
from orchestrator.client.exchange import Exchange, Life, Retry, Timeout
from orchestrator.client.feed import HELD
from orchestrator.client.futures import RequestFuture
from orchestrator.client.handle import SOON, Handle
from orchestrator.client.latest import LatestSubscription
from orchestrator.client.proxy import fetch
from orchestrator.client.recipes import run
from orchestrator.client.session import Recipe, Session, T
from orchestrator.client.streams import Stream
from orchestrator.client.surface import surface
from orchestrator.client.tries import Compose, given, run_tries, tried
from orchestrator.errors import NameRefused, OrchError

if TYPE_CHECKING:
    from orchestrator.client.leases import Lease, Waiting


class Worker(Handle):
    """A handle of a worker: `rig["stage"]`. Its methods are ours, whatever the driver's are called.

    The driver's members are its attributes too, where they have other names; on `rig.stage` it is
    the other way round. A private or unknown name is an AttributeError, and nothing is sent.

    Everywhere, `invocation_timeout` (until the operation has started) and `execution_timeout`
    (from then until it has ended) are in seconds, 0 or more, of any number type; None and infinity
    are no limit, left out is what the rig's config says for the member. Anything else is a
    TypeError or ValueError, and nothing is sent.
    """

    _keep: Callable[[Subscription], None]

    def __init__(self, session: Session, name: str, keep: Callable[[Subscription], None]) -> None:
        """Of a rig: `keep` is told each subscription, to close it with the connection."""
        super().__init__(session, name)
        object.__setattr__(self, "_keep", keep)

    @surface
    def call(
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
        """Invoke an action and wait for its result; a generator's is a `Stream` of its items.

        Args:
            action: Its name.
            *args: Positional arguments, of any kind in `docs/values.md`.
            invocation_timeout: Seconds.
            execution_timeout: Seconds.
            retry: How often it is tried again, after growing pauses and within both timeouts
                together, when it never began for a reason that passes, or when its outcome is
                unknown and the action is declared idempotent; what the driver raises is final.
            same_life: True: only the life of the worker that was described here last may do it;
                or that of a number, or of the text that status has under `life`.
            **kwargs: The action's keyword arguments, also those of names that are else ours.

        Raises:
            AttributeError: No such action; nothing was sent.
            ArgumentUnsendable: An argument has no form, a TypeError; nothing was sent.
            ResultUnsendable: It was done, but its result has no form.
            OrchError: Any of the tree.
        """
        timeouts = (invocation_timeout, execution_timeout)
        if invocation_timeout is execution_timeout is retry is same_life is ...:
            exchange = known.call(self._session, self.name, action, args, kwargs, Stream)
            if exchange is not None:
                return self._session.connection.request(exchange)
        ours = given(retry=retry, same_life=same_life)

        def compose(wait: Timeout, run: Timeout) -> Recipe[Exchange]:
            return self._invocation(action, args, kwargs, wait, run, ours)

        return self._attempt(action, compose, timeouts, ours)

    @surface
    def read(
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
        timeouts = (invocation_timeout, execution_timeout)

        def compose(wait: Timeout, run: Timeout) -> Recipe[Exchange]:
            return self._session.read(self.name, name, wait, run, same_life)

        return self._attempt(name, compose, timeouts, given(retry=retry))

    @surface
    def cached(self, name: str, /, *, execution_timeout: Timeout = ...) -> Cached:
        """The last value of a property that the config has polled; the device isn't asked.

        It is answered also while the worker is busy.

        Args:
            name: Its name.
            execution_timeout: Seconds.

        Raises:
            AttributeError: No such property, or it isn't polled; nothing was sent.
            LookupError: It couldn't be read yet; the text says why.
            OrchError: Any of the tree.
        """
        session = self._session
        exchange = self._run(session.cached(self.name, name, execution_timeout))
        return Cached.read(session.connection.request(exchange))

    @surface
    def write(
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

        self._attempt(name, compose, timeouts, given(retry=retry))

    @surface
    def submit(
        self,
        action: str,
        /,
        *args: Any,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
        same_life: Life = ...,
        **kwargs: Any,
    ) -> RequestFuture:
        """Invoke an action without waiting.

        Returns:
            A future with the result or the error; its `request_id` names the request in logs.

        Raises:
            AttributeError, TypeError: As `call` does, before anything is sent.
        """
        timeouts = (invocation_timeout, execution_timeout)
        exchange = None
        if invocation_timeout is execution_timeout is same_life is ...:
            exchange = known.call(self._session, self.name, action, args, kwargs, Stream)
        if exchange is None:
            ours = given(same_life=same_life)
            exchange = self._run(self._invocation(action, args, kwargs, *timeouts, ours))
        return self._session.connection.submit(exchange)

    @surface
    def oneway(
        self,
        action: str,
        /,
        *args: Any,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
        same_life: Life = ...,
        **kwargs: Any,
    ) -> None:
        """Invoke an action and never learn what came of it.

        Raises:
            AttributeError, TypeError: As `call` does, before anything is sent.
            RigNotReachable: It could not be sent.
        """
        session = self._session
        exchange = self._run(
            session.call(
                self.name,
                action,
                args,
                kwargs,
                invocation_timeout,
                execution_timeout,
                oneway=True,
                ours=given(same_life=same_life),
            )
        )
        session.connection.request(exchange)

    @overload
    def subscribe(
        self,
        event: str | None = None,
        /,
        timeout: float | None = None,
        *,
        conflate: Literal[False] = False,
        on_loss: OnLoss = "reconnect",
    ) -> Subscription: ...
    @overload
    def subscribe(
        self,
        event: str | None = None,
        /,
        timeout: float | None = None,
        *,
        conflate: Literal[True],
        on_loss: OnLoss = "reconnect",
    ) -> LatestSubscription: ...
    @surface
    def subscribe(
        self,
        event: str | None = None,
        /,
        timeout: float | None = None,
        *,
        conflate: bool = False,
        on_loss: OnLoss = "reconnect",
    ) -> Subscription | LatestSubscription:
        """Subscribe to an event, or to the changes of an observable property.

        It outlives restarts of the worker and of the rig; its `restarts` and `missed` tell of what
        wasn't seen.

        Args:
            event: Its name; left out: all events of the worker, each with its name.
            timeout: Seconds without an event after which iterating raises TimeoutError; None
                waits without end.
            conflate: Give the newest event only, for consumers slower than the events.
            on_loss: `raise`: iterating raises RigLost when the rig is gone, some seconds after
                that; `reconnect`: it waits until the rig is back.

        Returns:
            An iterator and context manager; it is live when this returns.

        Raises:
            AttributeError: No such event, or none at all.
            OrchError: The rig can't be reached.
            TypeError, ValueError: The timeout isn't one, or `on_loss` neither of the two.
        """
        topics, address = self._run(self._session.event_source(self.name, event))
        held = 1 if conflate else HELD
        key = self._session.connection.key
        subscription = Subscription(
            address, topics, timeout=timeout, held=held, on_loss=on_loss, key=key
        )
        self._keep(subscription)
        return LatestSubscription(subscription) if conflate else subscription

    @surface
    def lease(
        self,
        seconds: float,
        /,
        *,
        why: str = "",
        wait: float | None = None,
        waiting: Waiting | None = None,
    ) -> Lease:
        """Exclusive use of the worker: `with rig["stage"].lease(60, why="alignment"): …`.

        Others are refused whatever has an effect meanwhile, and still read.

        Args:
            seconds: How long it holds unless it is renewed, as it is within the `with`.
            why: What for; whoever is refused is told.
            wait: Seconds to wait for one that somebody else has; None waits without end.
            waiting: Is called with the `Place` among those who wait, whenever that changes.

        Raises:
            Leased: Entering: somebody else has it, or this connection does. Leaving: it ended
                before.
            ValueRefused: A time is none.
        """
        from orchestrator.client.leases import Lease  # few need it

        return Lease(self._session, self.name, seconds, why=why, wait=wait, waiting=waiting)

    @surface
    def describe(self, *, refresh: bool = False) -> dict[str, Any]:
        """The worker's Thing Description, asked for anew.

        Args:
            refresh: The worker looks at its driver again first, which may have other members
                now. It does so in its turn, as for a call.

        Raises:
            OrchError: Any of the tree.
        """
        session = self._session
        recipe = session.describe_anew if refresh else session.describe
        return self._run(recipe(self.name)).description

    @surface
    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # also while a copy has no attributes yet
            raise NameRefused(f"{name} is private; private members are not served")
        return fetch(self._proxy, name, sys._getframe(2))

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "name" or (hasattr(type(self), name) and not name.startswith("_")):
            raise NameRefused(
                f"{name!r} belongs to this object; use write({name!r}, value) for the member"
            )
        setattr(self._proxy, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._proxy, name)

    def __dir__(self) -> list[str]:
        return [*{*object.__dir__(self), *dir(self._proxy)}]

    def _invocation(
        self,
        action: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        wait: Timeout,
        run: Timeout,
        ours: dict[str, Any],
    ) -> Recipe[Exchange]:
        session = self._session
        return session.call(self.name, action, args, kwargs, wait, run, opens=Stream, ours=ours)

    def _attempt(
        self,
        member: str,
        compose: Compose,
        timeouts: tuple[Timeout, Timeout],
        ours: dict[str, Any],
    ) -> Any:
        request = self._session.connection.request
        if "retry" not in ours:
            return request(self._run(compose(*timeouts)))
        return run_tries(
            tried(self._session, self.name, member, compose, ours, timeouts), request, time.sleep
        )

    def _get(self, path: str) -> Any:
        exchange = known.read(self._session, self.name, path)
        return self.read(path) if exchange is None else self._session.connection.request(exchange)

    def _set(self, path: str, value: Any) -> None:
        self.write(path, value)

    def _learn(self, path: str, *, looks: bool = False) -> None:
        session = self._session
        self._run(session.describe(self.name) if looks else session.learn(self.name, path))

    def _learn_soon(self) -> None:
        if self._session.known_members(self.name) is None:
            answer_soon(self._session, self._session.describe(self.name, SOON, SOON))

    def _run(self, recipe: Recipe[T]) -> T:
        return run(recipe, self._session.connection.request)


def answer_soon(session: Session, recipe: Recipe[T]) -> T | None:
    """Run a recipe for what is only shown; None if it takes longer than that is worth."""

    def request(exchange: Exchange) -> Any:
        return session.connection.submit(exchange).result(SOON)

    try:
        return run(recipe, request)
    except (OrchError, TimeoutError):
        return None

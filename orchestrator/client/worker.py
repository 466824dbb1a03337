"""A worker as a Python object: its members are the attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, overload

from orchestrator.client.events import OnLoss, Subscription
from orchestrator.client.exchange import RequestFuture, Timeout
from orchestrator.client.feed import HELD
from orchestrator.client.latest import LatestSubscription
from orchestrator.client.session import ACTION, EVENT, Recipe, Session, T
from orchestrator.client.streams import Stream
from orchestrator.errors import OrchError


class Action:
    """An action of a worker: call it.

    Two keywords are its own, all others are the action's: `invocation_timeout` and
    `execution_timeout`, in seconds, 0 or more, of any number type; None and infinity are no limit,
    left out is what the config says.
    """

    def __init__(self, worker: Worker, name: str, affordance: dict[str, Any]) -> None:
        self._worker = worker
        self.__name__ = name
        self.__qualname__ = f"{worker.name}.{name}"
        signature = affordance.get("orch:signature", "(...)")
        text = affordance.get("description") or ""
        self.__doc__ = f"{name}{signature}\n\n{text}".rstrip()
        self._signature = signature

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Invoke the action, as `Worker.call` does."""
        return self._worker.call(self.__name__, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<action {self.__qualname__}{self._signature}>"


class Worker:
    """A worker of a rig. Its properties and actions are attributes of this object.

    Reading an attribute reads the property, assigning writes it, calling invokes the action;
    each raises what `orchestrator.errors` lists, or the driver's own builtin exception. A
    private or unknown name is an AttributeError, and nothing is sent.

    The names of the methods here win over members of the same name; those are reached by
    `call("read")`, `read("name")` and so on.

    Everywhere, `invocation_timeout` (until the operation has started) and `execution_timeout`
    (from then until it has ended) are in seconds, 0 or more, of any number type; None and infinity
    are no limit, left out is what the rig's config says for the member. Anything else is a
    TypeError or ValueError, and nothing is sent.
    """

    name: str
    """The worker's name."""

    _session: Session
    _keep: Callable[[Subscription], None]

    def __init__(self, session: Session, name: str, keep: Callable[[Subscription], None]) -> None:
        """Of a rig: `keep` is told each subscription, to close it with the connection."""
        for key, value in (("_session", session), ("name", name), ("_keep", keep)):
            object.__setattr__(self, key, value)

    def call(
        self,
        action: str,
        /,
        *args: Any,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
        **kwargs: Any,
    ) -> Any:
        """Invoke an action and wait for its result; a generator's is a `Stream` of its items.

        Args:
            action: Its name.
            *args: Positional arguments, of any kind in `docs/values.md`.
            invocation_timeout: Seconds.
            execution_timeout: Seconds.
            **kwargs: The action's keyword arguments.

        Raises:
            AttributeError: No such action; nothing was sent.
            ArgumentUnsendable: An argument has no form, a TypeError; nothing was sent.
            ResultUnsendable: It was done, but its result has no form.
            OrchError: Any of the tree.
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
                opens=Stream,
            )
        )
        return session.connection.request(exchange)

    def read(
        self,
        name: str,
        /,
        *,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
    ) -> Any:
        """Read a property. Raises as `call` does."""
        session = self._session
        exchange = self._run(session.read(self.name, name, invocation_timeout, execution_timeout))
        return session.connection.request(exchange)

    def write(
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
        exchange = self._run(
            session.write(self.name, name, value, invocation_timeout, execution_timeout)
        )
        session.connection.request(exchange)

    def submit(
        self,
        action: str,
        /,
        *args: Any,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
        **kwargs: Any,
    ) -> RequestFuture:
        """Invoke an action without waiting.

        Returns:
            A future with the result or the error; its `request_id` names the request in logs.

        Raises:
            AttributeError, TypeError: As `call` does, before anything is sent.
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
                opens=Stream,
            )
        )
        return session.connection.submit(exchange)

    def oneway(
        self,
        action: str,
        /,
        *args: Any,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
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
        subscription = Subscription(address, topics, timeout=timeout, held=held, on_loss=on_loss)
        self._keep(subscription)
        return LatestSubscription(subscription) if conflate else subscription

    def describe(self) -> dict[str, Any]:
        """The worker's Thing Description, asked for anew. Raises OrchError."""
        return self._run(self._session.describe(self.name)).description

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # also while a copy has no attributes yet
            raise AttributeError(f"{name} is private; private members are not served")
        kind = self._run(self._session.find_member(self.name, name))
        if kind == ACTION:
            members = self._session.known_members(self.name)
            assert members is not None
            return Action(self, name, members.affordance(name))
        if kind == EVENT:
            raise AttributeError(f"{self.name}.{name} is an event: use subscribe({name!r})")
        return self.read(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name) or name == "name":
            raise AttributeError(
                f"{name!r} belongs to this object; use write({name!r}, value) for the member"
            )
        self.write(name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{self.name}.{name}: members can't be deleted")

    def __dir__(self) -> list[str]:
        known = self._session.known_members(self.name)
        try:
            members = known or self._run(self._session.describe(self.name))
        except OrchError:
            return [*object.__dir__(self)]
        return [*{*object.__dir__(self), *members.kinds}]

    def __repr__(self) -> str:
        return f"<worker {self.name} of rig {self._session.rig}>"

    def _run(self, recipe: Recipe[T]) -> T:
        return run(recipe, self._session.connection.request)


def run(recipe: Recipe[T], request: Callable[[Any], Any]) -> T:
    """Run a recipe with blocking requests."""
    answer = None
    while True:
        try:
            exchange = recipe.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = request(exchange)

"""A rig as a Python object: its workers are the attributes."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

from orchestrator.client.connection import CONNECT_TIMEOUT, Connection
from orchestrator.client.events import OnLoss, Subscription
from orchestrator.client.latest import LatestSubscription
from orchestrator.client.session import Recipe, Session, T
from orchestrator.client.worker import Worker, run
from orchestrator.errors import OrchError, RigNotReachable
from orchestrator.runtime.folder import find_rig
from orchestrator.runtime.places import logs_folder

if TYPE_CHECKING:
    from orchestrator.logs.read.api import LogView


class _Closable(Protocol):
    def close(self) -> Any: ...


def open_session(name_or_address: str | None, timeout: float) -> Session:
    """Find a rig and connect to it.

    Raises:
        RigNotReachable: None was found, it doesn't answer in time, or another one does.
    """
    found = find_rig(name_or_address)
    connection = Connection(found.address, timeout=timeout)
    if found.rig is not None and connection.rig != found.rig:
        other = connection.rig
        connection.close()
        raise RigNotReachable(f"{found.address} is rig {other}, not {found.rig}")
    return Session(connection, found)


def connect(name_or_address: str | None = None, *, timeout: float = CONNECT_TIMEOUT) -> Rig:
    """Connect to a running rig.

    Args:
        name_or_address: The rig's id, or an address such as `tcp://host:5570`; through tunnels
            both its addresses, `tcp://localhost:7000,tcp://localhost:7001`: of requests, and of
            events, which is else the one that the rig says, on the same host. If left out:
            `$ORCH_RIG`, else the only rig that this user runs.
        timeout: Seconds within which the rig must answer; also how long a later call waits for
            the connection to come back before it fails as not started.

    Returns:
        The rig: a context manager, and usable without `with`; see `Rig.close`.

    Raises:
        RigNotReachable: None was found, or it doesn't answer in time.
    """
    return Rig(open_session(name_or_address, timeout))


class Rig:
    """A rig. Its workers are attributes (`rig.stage`) and items (`rig["stage"]`).

    All threads may share it. The names of the methods here win over workers of the same name;
    those are reached as items. The rig itself is a worker too: `rig[rig.id]`.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: weakref.WeakSet[_Closable] = weakref.WeakSet()

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

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
        """Names of the workers, asked for anew. Raises OrchError."""
        return [str(worker["name"]) for worker in self.status().get("workers", ())]

    def status(self) -> dict[str, Any]:
        """The rig's state: `{"rig": id, "workers": [{"name", "state", "pid", …}]}`.

        Raises:
            OrchError: Any of the tree.
        """
        return self._run(self._session.status())

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
        """Subscribe to an event of the rig itself.

        `worker-state` tells each change of a worker's state: `{"worker", "incarnation", "was",
        "state", "reason"}`. Arguments and errors are those of `Worker.subscribe`.
        """
        own = self[self.id]
        if conflate:
            return own.subscribe(event, timeout, conflate=True, on_loss=on_loss)
        return own.subscribe(event, timeout, on_loss=on_loss)

    def logs(self, **asked: Any) -> LogView:
        """The rig's log as record objects, when it runs on this machine.

        Args:
            asked: As for `orchestrator.logs.read.api.select`: `worker`, `level`, `since`, `until`,
                `grep`, `request`, `member`, `run`, `last`, `follow`.

        Raises:
            FileNotFoundError: The rig keeps its log elsewhere.
            ValueError: A time, level or expression is none.
            TypeError: One of them is of a type that can't be one.
        """
        from orchestrator.logs.read import api

        return api.select(logs_folder(self.id), **asked)

    def close(self) -> None:
        """Disconnect; subscriptions end, outstanding calls fail. The rig itself runs on."""
        for each in list(self._kept):
            each.close()
        self._session.connection.close()

    def keep(self, subscription: _Closable) -> None:
        """Close a subscription together with the connection."""
        self._kept.add(subscription)

    def __getattr__(self, name: str) -> Worker:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._worker(name, AttributeError)

    def __getitem__(self, name: str) -> Worker:
        found = self.__dict__.get(name)
        return found if isinstance(found, Worker) else self._worker(name, KeyError)

    def __iter__(self) -> Iterator[Worker]:
        return iter([self[name] for name in self.workers])

    def __dir__(self) -> list[str]:
        try:
            return [*{*object.__dir__(self), *self.workers}]
        except OrchError:
            return [*object.__dir__(self)]

    def __repr__(self) -> str:
        return f"<rig {self.id} at {self.address}>"

    def _worker(self, name: str, error: type[Exception]) -> Worker:
        self._run(self._session.find_worker(name, error))
        worker = Worker(self._session, name, self.keep)
        if not hasattr(type(self), name):
            self.__dict__[name] = worker  # the next access finds it without coming here
        return worker

    def _run(self, recipe: Recipe[T]) -> T:
        return run(recipe, self._session.connection.request)

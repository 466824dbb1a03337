"""A rig as a Python object: its workers are the attributes."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

from orchestrator.client import shown
from orchestrator.client.connection import CONNECT_TIMEOUT, Connection
from orchestrator.client.events import OnLoss, Subscription
from orchestrator.client.exchange import Timeout
from orchestrator.client.handle import SOON, Handle
from orchestrator.client.keys import KeyFile, key_for
from orchestrator.client.latest import LatestSubscription
from orchestrator.client.lookers import is_tool
from orchestrator.client.proxy import Part, Proxy, handle_of
from orchestrator.client.recipes import run
from orchestrator.client.session import Recipe, Session, T
from orchestrator.client.shown import Status
from orchestrator.client.snapshot import Snapshot, take
from orchestrator.client.surface import surface
from orchestrator.client.told import told
from orchestrator.client.worker import Worker, answer_soon
from orchestrator.errors import NameRefused, OrchError, RigNotReachable
from orchestrator.runtime.folder import find_rig
from orchestrator.runtime.places import logs_folder

if TYPE_CHECKING:
    from orchestrator.logs.read.api import LogView


class _Closable(Protocol):
    def close(self) -> Any: ...


def open_session(
    name_or_address: str | None, timeout: float, *, zero_copy: bool = False, key: KeyFile = None
) -> Session:
    """Find a rig and connect to it; arguments are those of `connect`.

    Raises:
        RigNotReachable: None was found, it doesn't answer in time, or another one does.
        TypeError: The name isn't text.
    """
    if name_or_address is not None and not isinstance(name_or_address, str):
        raise TypeError(f"a rig's name or address is text, not {name_or_address!r:.80}")
    found = find_rig(name_or_address)
    shown = key_for(found.address, key)
    connection = Connection(found.address, timeout=timeout, zero_copy=zero_copy, key=shown)
    if found.rig is not None and connection.rig != found.rig:
        other = connection.rig
        connection.close()
        raise RigNotReachable(f"{found.address} is rig {other}, not {found.rig}")
    if "ORCH_LEASE" in os.environ:
        from orchestrator.client.leases import inherited  # few have one

        connection.leases.update(inherited(connection.rig))
    return Session(connection, found)


@surface
def connect(
    name_or_address: str | None = None,
    *,
    timeout: float = CONNECT_TIMEOUT,
    zero_copy: bool = False,
    key: KeyFile = None,
) -> Rig:
    """Connect to a running rig.

    Args:
        name_or_address: The rig's id, or an address such as `tcp://host:5570`; through tunnels
            both its addresses, `tcp://localhost:7000,tcp://localhost:7001`: of requests, and of
            events, which is else the one that the rig says, on the same host. If left out:
            `$ORCH_RIG`, else the only rig that this user runs.
        timeout: Seconds within which the rig must answer; also how long a later call waits for
            the connection to come back before it fails as not started.
        zero_copy: Whether a large array that comes through shared memory is read where it lies:
            it can't be written, and its worker has that memory back when it is dropped. Small
            ones, and those that come otherwise, are copies as ever.
        key: File of the key by which a rig knows this client, for addresses of tcp. If left out:
            `$ORCH_KEY`, else `HOST_PORT.key` or `HOST.key` in `~/.config/orch/keys`.

    Returns:
        The rig: a context manager, and usable without `with`; see `Rig.close`.

    Raises:
        RigNotReachable: None was found, or it doesn't answer in time.
        KeyRefused: It doesn't take this key, or takes nobody without one.
    """
    rig = Rig(open_session(name_or_address, timeout, zero_copy=zero_copy, key=key))
    rig._look()
    return rig


class Rig:
    """A rig. Its workers are attributes (`rig.stage`) and handles of them items (`rig["stage"]`).

    All threads may share it. On `rig`, names of workers win over those of the methods here, which
    are then reached by functions of the package, such as `orch.status(rig)`; a handle has the
    methods of ours, `rig.stage` has the driver's. The rig itself is a worker too: `rig[rig.id]`.
    """

    def __init__(self, session: Session) -> None:
        self.__dict__["_session"] = session
        self.__dict__["_kept"] = weakref.WeakSet()
        self.__dict__["_handles"] = {}

    _session: Session
    _kept: weakref.WeakSet[_Closable]
    _handles: dict[str, Worker]

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *exc: object) -> None:
        Rig.close(self)

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
        """Names of the workers, asked for anew. Raises OrchError."""
        return self._names()

    @surface
    def status(self) -> Status:
        """The rig's state: `{"rig": id, "workers": [{"name", "state", "pid", …}]}`.

        Raises:
            OrchError: Any of the tree.
        """
        found = self._run(self._session.status())
        self._put_workers()
        return Status(found)

    @surface
    def snapshot(self, *workers: str, execution_timeout: Timeout = ...) -> Snapshot:
        """Read all properties of workers: what belongs into a data file beside the data.

        Workers are read side by side, the properties of each one after the other.

        Args:
            *workers: Which; all if none is named.
            execution_timeout: Seconds that each read may take; as the config says if left out.

        Returns:
            A dict: see `orchestrator.client.snapshot.Snapshot`. What couldn't be read is in it
            too, with the reason; `unread` has all of that.

        Raises:
            NameRefused: There is no such worker.
            OrchError: The rig doesn't answer.
        """
        return take(self._session, workers, execution_timeout)

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
        """Subscribe to an event of the rig itself.

        `worker-state` tells each change of a worker's state: `{"worker", "incarnation", "was",
        "state", "reason"}`. Arguments and errors are those of `Worker.subscribe`.
        """
        own = self[self._session.rig]
        if conflate:
            return own.subscribe(event, timeout, conflate=True, on_loss=on_loss)
        return own.subscribe(event, timeout, on_loss=on_loss)

    def logs(self, **asked: Any) -> LogView:
        """The rig's log as record objects, when it runs on this machine.

        Args:
            asked: As for `orchestrator.logs.read.api.select`: `worker`, `level`, `since`, `until`,
                `grep`, `request`, `member`, `run`, `audit`, `last`, `follow`.

        Raises:
            FileNotFoundError: The rig keeps its log elsewhere.
            ValueError: A time, level or expression is none.
            TypeError: One of them is of a type that can't be one.
        """
        from orchestrator.logs.read import api

        return api.select(logs_folder(self._session.rig), **asked)

    def close(self) -> None:
        """Disconnect; subscriptions end, outstanding calls fail. The rig itself runs on."""
        for each in list(self._kept):
            each.close()
        self._session.connection.close()

    def _keep(self, subscription: _Closable) -> None:
        """Close a subscription together with the connection."""
        self._kept.add(subscription)

    @surface
    def __getattr__(self, name: str) -> Proxy:
        if name.startswith("_"):
            raise AttributeError(name)
        if is_tool(sys._getframe(2)) and name not in self._session.workers:
            raise AttributeError(name)  # no request for a tool that tries names
        proxy = self._worker(name)._proxy
        self._put_workers()
        return proxy

    @surface
    def __getitem__(self, name: str) -> Worker:
        return self._worker(name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise NameRefused(f"rig {self._session.rig}: its attributes can't be assigned")

    @surface
    def __iter__(self) -> Iterator[Worker]:
        return iter([self._worker(name) for name in self._names()])

    @surface
    def __contains__(self, worker: object) -> bool:
        names = [*self._names(), self._session.rig]
        if isinstance(worker, (Part, Worker)):
            handle = handle_of(worker)
            return handle._session is self._session and handle.name in names
        return worker in names

    @surface
    def __len__(self) -> int:
        return len(self._names())

    def __bool__(self) -> bool:
        return True

    def __dir__(self) -> list[str]:
        return [*{*object.__dir__(self), *self._known_soon()}]

    def _ipython_key_completions_(self) -> list[str]:
        return self._known_soon()

    def __repr__(self) -> str:
        return f"<rig {self._session.rig} at {self._session.connection.address}>"

    def _repr_html_(self) -> str:
        found = answer_soon(self._session, self._session.status(SOON))
        if found is None:
            return shown.titled(repr(self), "<p>It doesn't answer now.</p>")
        return shown.status(found)

    def _look(self) -> None:
        """Learn which workers there are; who can't is told when one is used."""
        try:
            Rig.status(self)
        except OrchError:
            return

    def _names(self) -> list[str]:
        self._run(self._session.status())
        self._put_workers()
        return list(self._session.workers)

    def _known_soon(self) -> list[str]:
        """Names of the workers, as of the last answer if there is none soon."""
        answer_soon(self._session, self._session.status(SOON))
        self._put_workers()
        return list(self._session.workers)

    def _put_workers(self) -> None:
        put_workers(self.__dict__, {name: self._handle(name) for name in self._session.workers})

    def _handle(self, name: str) -> Worker:
        found = self._handles.get(name)
        if found is None:
            found = self._handles.setdefault(name, Worker(self._session, name, self._keep))
        return found

    def _worker(self, name: str) -> Worker:
        if name not in self._session.workers:
            self._run(self._session.find_worker(name))
        return self._handle(name)

    def _run(self, recipe: Recipe[T]) -> T:
        return run(recipe, self._session.connection.request)


def put_workers(attributes: dict[str, Any], handles: Mapping[str, Handle]) -> None:
    """Make workers a rig's attributes, over its methods of the same name; drop what is gone."""
    for name, held in list(attributes.items()):
        if isinstance(held, Proxy) and name not in handles:
            attributes.pop(name, None)
    attributes.update({name: handle._proxy for name, handle in handles.items()})

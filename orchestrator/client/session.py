"""What a client knows of a rig, and how its requests come about; shared by both faces of it.

Some requests need others first: a call needs the worker's description. Such a recipe is a
generator that yields the requests it needs, is sent their results, and returns what it is for.
The blocking face and the asyncio face differ in how they run it, and in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.client.connection import Connection
from orchestrator.client.exchange import (
    UNKNOWN,
    Exchange,
    Life,
    Timeout,
)
from orchestrator.client.members import ACTION, EVENT, PROPERTY, Members
from orchestrator.errors import NameRefused, OtherLife, ValueRefused
from orchestrator.runtime.folder import Found
from orchestrator.words import did_you_mean
from transports import terms
from transports.endpoints import Endpoint, parse_endpoint
from transports.errors import AddressError
from transports.headers import (
    CACHED,
    CHANGE,
    DESCRIPTION,
    FAITHFUL,
    OBSERVE,
    REFRESH,
    STREAM,
    STREAM_BESIDE,
    SUBSCRIBE,
    ZMQ_TRANSPORTS,
    Operation,
)
from transports.serializers import JSON, encode
from transports.values.streams import Opened

if TYPE_CHECKING:
    import asyncio

    from orchestrator.client.aio_loop import LoopCarrier

T = TypeVar("T")
Recipe = Generator[Exchange, Any, T]


class Session:
    """A connection with what was learnt over it.

    Attributes:
        connection: The connection.
        workers: Names of the workers as of the last status.
        opening: Subscriptions of asyncio clients that aren't live yet.
        carrier: What does the I/O in an event loop, if one is used.
    """

    def __init__(self, connection: Connection, found: Found) -> None:
        self.connection = connection
        self._events = found.events
        self._told = found.events[0] if found.rig is None and found.events else None
        self._members: dict[str, Members] = {}
        self._run = ""  # of the rig, when it was first met
        self.workers: tuple[str, ...] = ()
        self.opening: set[asyncio.Future[None]] = set()
        self.carrier: LoopCarrier | None = None

    @property
    def rig(self) -> str:
        """Id of the rig."""
        return self.connection.rig

    def known_members(self, worker: str) -> Members | None:
        """A worker's members, if they were asked for before."""
        return self._members.get(worker)

    def check_worker(self, name: str) -> None:
        """Raise NameRefused with the nearest name if no worker of that name was there last."""
        if name not in self.workers and name != self.rig:
            near = did_you_mean(name, (*self.workers, self.rig)) or _listed(self.workers)
            raise NameRefused(f"rig {self.rig} has no worker {name!r}{near}")

    def check_member(self, worker: str, name: str) -> str | None:
        """The kind of a member as far as it is known; None if the worker wasn't described yet.

        Raises:
            NameRefused: It is private, or there is none of that name.
        """
        if not isinstance(name, str):
            raise ValueRefused(f"a member's name is text, not {name!r:.80}")
        if name.startswith("_"):
            raise NameRefused(f"{worker}.{name} is private; private members are not served")
        members = self._members.get(worker)
        if members is None:
            return None
        kind = members.kinds.get(name)
        if kind is None:
            near = did_you_mean(name, members.kinds) or _listed(members.kinds)
            raise NameRefused(f"worker {worker} has no member {name!r}{near}")
        return kind

    # -- recipes --------------------------------------------------------------------------

    def status(self, within: Timeout = ...) -> Recipe[dict[str, Any]]:
        """The rig's status; `within`: seconds to begin, and as many to end."""
        status = yield self.connection.compose(
            self.rig,
            Operation.INVOKE,
            "status",
            invocation_timeout=within,
            execution_timeout=within,
        )
        workers = status.get("workers", ()) if isinstance(status, dict) else ()
        self._run = self._run or str(status.get("run", ""))
        self.workers = tuple(str(worker["name"]) for worker in workers)
        return dict(status)

    def find_worker(self, name: str) -> Recipe[str]:
        """Check that there is a worker; if not, NameRefused is raised with the nearest name."""
        if name == self.rig or name in self.workers:
            return name
        yield from self.status()
        self.check_worker(name)
        return name

    def describe(
        self,
        worker: str,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
    ) -> Recipe[Members]:
        """Ask for a worker's description."""
        scheme = self.connection.address.partition("://")[0].upper()
        asked = {"ignore_errors": False, "protocol": scheme, "skip_names": []}
        description = yield self.connection.compose(
            worker,
            Operation.INVOKE,
            DESCRIPTION,
            payload=encode(asked),
            content_type=JSON,
            invocation_timeout=invocation_timeout,
            execution_timeout=execution_timeout,
        )
        members = self._members[worker] = Members.read(description)
        self._run = self._run or members.life.partition("@")[2]
        return members

    def learn(self, worker: str, path: str, invocation_timeout: Timeout = ...) -> Recipe[Members]:
        """Ask for a worker's description because of a path that isn't known."""
        members = yield from self.describe(worker, invocation_timeout)
        if path not in members.kinds and not members.part(path) and members.may_have(path):
            members = yield from self.describe_anew(worker, path)
        return members

    def describe_anew(self, worker: str, path: str = "") -> Recipe[Members]:
        """Have a worker look at its driver again, and ask for the description.

        Args:
            worker: Its name.
            path: Where to look for what isn't described: members that show at their use.
        """
        yield self.connection.compose(
            worker, Operation.INVOKE, REFRESH, payload=encode({"path": path}), content_type=JSON
        )
        return (yield from self.describe(worker))

    def find_member(self, worker: str, name: str, invocation_timeout: Timeout = ...) -> Recipe[str]:
        """The kind of a member.

        Args:
            worker: The worker's name.
            name: The member's.
            invocation_timeout: Of what the member is wanted for: to be told of it while its worker
                starts takes no longer than that may.

        Raises:
            NameRefused: There is none of that name, with the nearest one in the text.
        """
        if isinstance(name, str) and not name.startswith("_"):
            members = self._members.get(worker)
            if members is None or name not in members.kinds:
                yield from self.learn(worker, name, invocation_timeout)
        kind = self.check_member(worker, name)
        assert kind is not None
        return kind

    def call(
        self,
        worker: str,
        action: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
        oneway: bool = False,
        opens: Callable[..., Any] | None = None,
        ours: dict[str, Any] | None = None,
    ) -> Recipe[Exchange]:
        """The request that invokes an action.

        Args:
            worker, action, args, kwargs: What is called with which arguments.
            invocation_timeout, execution_timeout: Seconds.
            oneway: No reply is wanted.
            opens: Makes what its stream is read with.
            ours: Further keywords of ours; those that the action takes itself are given to it.
        """
        kind = yield from self.find_member(worker, action, invocation_timeout)
        members = self._members[worker]
        if ours:
            own = members.own_keywords(action, ours)
            kwargs = {**kwargs, **{name: ours.pop(name) for name in own}}
        if kind != ACTION and not members.affordance(action).get(terms.CALLABLE):
            raise NameRefused(_misused(worker, action, kind))
        payload, raw = self.connection.raw_frames.arguments(worker, action, args, kwargs)
        exchange = self.connection.compose(
            worker,
            Operation.INVOKE,
            action,
            usual=members.usual(action),
            payload=payload,
            raw=raw,
            invocation_timeout=invocation_timeout,
            execution_timeout=execution_timeout,
            oneway=oneway,
            life=self._life(worker, (ours or {}).get("same_life", False)),
        )
        if opens is not None:
            timeouts = (invocation_timeout, execution_timeout)
            exchange.opens = lambda opened: opens(self, worker, action, opened, timeouts)
        return exchange

    def pull(
        self,
        worker: str,
        action: str,
        opened: Opened,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
        *,
        ends: bool = False,
    ) -> Exchange:
        """The request for the next item of a stream that an action opened, or for its end."""
        members = self._members.get(worker)
        usual = members.usual(action) if members else UNKNOWN
        if execution_timeout is ... and members is not None and action in members.timeouts:
            execution_timeout = members.timeouts[action]
        member = STREAM_BESIDE if opened.beside else STREAM
        args = (opened.number, True) if ends else (opened.number,)
        payload, raw = self.connection.raw_frames.arguments(worker, member, args, {})
        exchange = self.connection.compose(
            worker,
            Operation.INVOKE,
            member,
            payload=payload,
            raw=raw,
            usual=usual,
            invocation_timeout=invocation_timeout,
            execution_timeout=execution_timeout,
            oneway=ends,
        )
        exchange.member = action  # as errors name it
        return exchange

    def read(
        self,
        worker: str,
        name: str,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
        same_life: Life = ...,
    ) -> Recipe[Exchange]:
        """The request that reads a property."""
        kind = yield from self.find_member(worker, name, invocation_timeout)
        if kind != PROPERTY:
            raise NameRefused(_misused(worker, name, kind))
        return self.connection.compose(
            worker,
            Operation.READ,
            name,
            usual=self._members[worker].usual(name),
            invocation_timeout=invocation_timeout,
            execution_timeout=execution_timeout,
            life=self._life(worker, same_life),
        )

    def cached(self, worker: str, name: str, execution_timeout: Timeout = ...) -> Recipe[Exchange]:
        """The request for the last value of a polled property."""
        kind = yield from self.find_member(worker, name)
        if kind != PROPERTY:
            raise NameRefused(_misused(worker, name, kind))
        if terms.POLL not in self._members[worker].affordance(name):
            raise NameRefused(f"{worker}.{name} isn't polled; in the config: poll: {{{name}: 1s}}")
        payload, raw = self.connection.raw_frames.arguments(worker, CACHED, (name,), {})
        return self.connection.compose(
            worker,
            Operation.INVOKE,
            CACHED,
            usual=self._members[worker].usual(name),
            payload=payload,
            raw=raw,
            execution_timeout=execution_timeout,
        )

    def write(
        self,
        worker: str,
        name: str,
        value: Any,
        invocation_timeout: Timeout = ...,
        execution_timeout: Timeout = ...,
        same_life: Life = ...,
    ) -> Recipe[Exchange]:
        """The request that writes a property."""
        kind = yield from self.find_member(worker, name, invocation_timeout)
        if kind != PROPERTY:
            raise NameRefused(_misused(worker, name, kind))
        payload, raw = self.connection.raw_frames.value(worker, name, value)
        return self.connection.compose(
            worker,
            Operation.WRITE,
            name,
            usual=self._members[worker].usual(name),
            payload=payload,
            raw=raw,
            invocation_timeout=invocation_timeout,
            execution_timeout=execution_timeout,
            life=self._life(worker, same_life),
        )

    def _life(self, worker: str, wanted: object) -> str:
        """The life that a call is meant for, as it is sent; empty for any.

        Raises:
            ValueRefused: It is none.
            OtherLife: The rig is of a release that can't tell lives apart.
        """
        if wanted is ... or wanted is False:
            return ""
        if isinstance(wanted, str) and wanted:
            return wanted
        if type(wanted) not in (bool, int):
            raise ValueRefused(f"same_life is True, or a life as status has it, not {wanted!r:.80}")
        known = self._members[worker].life
        if not known or not self._run:
            raise OtherLife(
                f"rig {self.rig} can't keep a call to one life of {worker}: it is older"
            )
        return known if wanted is True else f"{wanted}@{self._run}"

    def event_source(self, worker: str, name: str | None) -> Recipe[tuple[tuple[str, ...], str]]:
        """Topic and address of an event, or of the changes of an observable property.

        Without a name it is the topics of all events.
        """
        if name is None:
            members = self._members.get(worker) or (yield from self.describe(worker))
            names = members.of_kind(EVENT)
            if not names:
                raise NameRefused(f"worker {worker} has no events")
            topics = tuple(f"{FAITHFUL}{worker}/{each}" for each in names)
            return topics, self._event_address(worker, names[0], members.affordance(names[0]))
        kind = yield from self.find_member(worker, name)
        members = self._members[worker]
        affordance = members.affordance(name)
        if kind == PROPERTY and affordance.get("observable"):
            topic = f"{FAITHFUL}{worker}/{name}{CHANGE}"
        elif kind == EVENT:
            topic = f"{FAITHFUL}{worker}/{name}"
        else:
            raise NameRefused(_misused(worker, name, kind))
        return (topic,), self._event_address(worker, name, affordance)

    def _event_address(self, worker: str, name: str, affordance: dict[str, Any]) -> str:
        """Where an event is published for clients that came as this one did."""
        if self._told is not None:
            return self._told
        here = parse_endpoint(self.connection.address)
        for address in self._events:
            if address.startswith(f"{here.transport.lower()}://"):
                return address
        forms = affordance.get("forms")
        for form in forms if isinstance(forms, list) else ():
            if form.get("op") in (SUBSCRIBE, OBSERVE):
                return _reachable(str(form.get("href")), here)
        raise NameRefused(f"{worker}.{name} has no address to subscribe at")


def _reachable(href: str, here: Endpoint) -> str:
    """An address of a description, on the host by which this client reaches the rig.

    The host that a rig gives for itself may be unknown here, or lie behind a tunnel.
    """
    try:
        there = parse_endpoint(href)
    except AddressError:
        return href
    if ZMQ_TRANSPORTS.TCP is there.transport is here.transport:
        return f"tcp://{here.host}:{there.port}"
    return href


def _listed(names: Iterable[str]) -> str:
    known = ", ".join(sorted(names))
    return f"; it has {known}" if known else "; it has none"


_MISUSED = {
    PROPERTY: "is a property: read it as an attribute or with read(), assign it or use write()",
    ACTION: "is an action: call it",
    EVENT: "is an event: use subscribe()",
}


def _misused(worker: str, name: str, kind: str) -> str:
    return f"{worker}.{name} {_MISUSED[kind]}"

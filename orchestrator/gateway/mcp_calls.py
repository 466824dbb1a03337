"""What agents do with a rig, as requests with deadlines, whose outcomes are told in plain values.

Blocking: each function is for a thread of its own. An operation that takes longer than an agent
waits goes on as a handle, which is its request's id.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any

import msgspec

from orchestrator.client.events import Subscription
from orchestrator.client.exchange import Timeout
from orchestrator.client.futures import RequestFuture
from orchestrator.client.json_form import plain
from orchestrator.client.latest import LatestSubscription
from orchestrator.client.recipes import run
from orchestrator.client.session import Recipe, Session, T
from orchestrator.client.snapshot import OF_ONE
from orchestrator.client.streams import Stream
from orchestrator.errors import NotStarted, OrchError
from orchestrator.gateway.outcomes import outcome_of
from transports import terms
from transports.exceptions import DONE, NOT_STARTED, UNKNOWN

RUNNING = "running"
LONGEST = 600.0
"""Seconds of an operation that the rig's config has no limit for."""
MOST_HANDLES = 100
"""Operations that are remembered for whoever asks what came of them."""
MOST_GIVEN = 1000
"""Items of a stream that are given."""
_ADVICE = {
    NOT_STARTED: "it is safe to try again",
    UNKNOWN: "it may have been done: look at the device before trying again",
}


class StillRunning(Exception):
    """An operation takes longer than it was waited for."""


class Handle(msgspec.Struct):
    """An operation that was asked for.

    Attributes:
        request: Its request's id.
        worker, member: What it is of.
        since: When it was asked for, in monotonic seconds.
        future: Its result.
        unit: Of that; empty for none.
        told: The outcome once it is known.
    """

    request: str
    worker: str
    member: str
    since: float
    future: RequestFuture
    unit: str = ""
    told: dict[str, Any] | None = None


class Calls:
    """The operations of agents.

    Args:
        session: The connection to the rig.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._handles: dict[str, Handle] = {}
        self._events: dict[tuple[str, str], LatestSubscription] = {}
        self._newest: dict[tuple[str, str], Any] = {}
        self._locks: dict[tuple[str, str], Lock] = {}
        self._things: dict[str, tuple[Hashable, dict[str, Any]]] = {}

    @property
    def rig(self) -> str:
        """The rig's id."""
        return self._session.rig

    def status(self) -> dict[str, Any]:
        """The rig's status. Raises OrchError."""
        return self._run(self._session.status())

    def things(self) -> dict[str, dict[str, Any]]:
        """The descriptions of the workers that have one now, and the rig's own.

        One status tells which of them are another's by now: a worker's next life, other members or
        limits, another config. Only these are asked for.

        Raises:
            OrchError: The rig doesn't answer.
        """
        status = self.status()
        applied = status["run"], status["config_digest"]
        marks: dict[str, Hashable] = {
            each["name"]: (*applied, each["life"], each["revision"]) for each in status["workers"]
        }
        kept, found = self._things, {}
        for name, mark in (*marks.items(), (self.rig, applied)):
            if (known := kept.get(name)) is not None and known[0] == mark:
                found[name] = known
                continue
            with suppress(NotStarted):  # it isn't built, or can't be
                found[name] = mark, self._run(self._session.describe(name)).description
        self._things = found
        return {name: thing for name, (_, thing) in found.items()}

    def thing(self, worker: str) -> dict[str, Any] | None:
        """A worker's description, asked for anew; None if there is none."""
        if worker != self.rig and all(each["name"] != worker for each in self.status()["workers"]):
            return None
        with suppress(NotStarted):
            return self._run(self._session.describe(worker)).description
        return None

    # -- looks ----------------------------------------------------------------------------

    def read(self, worker: str, names: Sequence[str]) -> dict[str, Any]:
        """Read properties, one after the other.

        Returns:
            `values`, `units` of those that have one, and `unread`: why others have no value.

        Raises:
            OrchError: The worker has no description.
        """
        thing = self._describe(worker)
        found: dict[str, Any] = {"values": {}, "units": {}, "unread": {}}
        for at, name in enumerate(names):
            try:
                deadline = _deadline(thing, name)
                exchange = self._run(self._session.read(worker, name, ..., deadline))
                found["values"][name] = plain(self._session.connection.request(exchange))
            except OF_ONE as error:
                found["unread"][name] = str(error)
            except NotStarted as error:  # nor would the others be
                found["unread"] |= dict.fromkeys(names[at:], str(error))
                break
            except Exception as error:  # noqa: BLE001  whatever a driver raises is told
                found["unread"][name] = _in_words(error)
            if unit := thing["properties"].get(name, {}).get("unit"):
                found["units"][name] = unit
        return found

    def event(self, worker: str, name: str, wait: float) -> dict[str, Any]:
        """The newest value of an event, since it was first asked for.

        Raises:
            OrchError: The rig can't be reached, or there is no such event.
        """
        key = (worker, name)
        with self._locks.setdefault(key, Lock()):
            if key not in self._events:
                topics, address = self._run(self._session.event_source(worker, name))
                self._events[key] = LatestSubscription(Subscription(address, topics, held=1))
            with suppress(TimeoutError):
                # One that has come since is there at once; the first one is waited for.
                self._newest[key] = self._events[key].next(0.0 if key in self._newest else wait)
        if (newest := self._newest.get(key)) is None:
            return {"value": None, "why": f"no {name} came within {wait:g} s"}
        return {
            "value": plain(newest.value),
            "sequence": newest.sequence,
            "age": round(time.time() - newest.time, 3),
        }

    # -- what is done ---------------------------------------------------------------------

    def write(self, worker: str, name: str, value: Any) -> Handle:
        """Begin to write a property. Raises OrchError if it couldn't be sent."""
        deadline = _deadline(self._describe(worker), name)
        return self._submit(worker, name, self._session.write(worker, name, value, ..., deadline))

    def call(self, worker: str, action: str, arguments: dict[str, Any]) -> Handle:
        """Begin to call an action. Raises OrchError if it couldn't be sent."""
        thing = self._describe(worker)
        deadline, opens = _deadline(thing, action), Stream
        recipe = self._session.call(worker, action, (), arguments, ..., deadline, opens=opens)
        unit = thing.get("actions", {}).get(action, {}).get("output", {}).get("unit", "")
        return self._submit(worker, action, recipe, unit)

    def outcome(self, handle: Handle, wait: float) -> dict[str, Any]:
        """What came of an operation, or that it still runs after so many seconds."""
        if handle.told is None:
            try:
                value = _result(handle.future, wait)
                found = {"outcome": DONE, "value": plain(_items(value))}
                found |= {"unit": handle.unit} if handle.unit else {}
            except StillRunning:
                seconds = round(time.monotonic() - handle.since, 3)
                return {"outcome": RUNNING, "request": handle.request, "seconds": seconds}
            except Exception as error:  # noqa: BLE001  whatever a driver raises is told
                found = failure(error)
            seconds = round(time.monotonic() - handle.since, 3)
            handle.told = {**found, "request": handle.request, "seconds": seconds}
        return handle.told

    def handle(self, request: str) -> Handle | None:
        """The operation of a request that was begun here; None if it isn't known (any more)."""
        return self._handles.get(request)

    def cancel(self, handle: Handle) -> dict[str, Any]:
        """Withdraw an operation that hasn't started, or have it ended as the rig's config says.

        Raises:
            OrchError: The rig doesn't answer.
        """
        recipe = self._session.call(self.rig, "cancel", (handle.request,), {}, ..., ...)
        done: dict[str, Any] = self._session.connection.request(self._run(recipe))
        return {"verdict": done["verdict"], "steps": list(done["steps"])}

    def note(self, worker: str, member: str, text: str, fields: dict[str, Any]) -> None:
        """Have the rig record what an agent did. Raises OrchError."""
        recipe = self._session.call(self.rig, "note", (worker, member, text, fields), {}, 5.0, 5.0)
        self._session.connection.request(self._run(recipe))

    def close(self) -> None:
        """Disconnect; what runs goes on."""
        for each in self._events.values():
            each.close()
        self._session.connection.close()

    # -- how ------------------------------------------------------------------------------

    def _submit(self, worker: str, member: str, recipe: Recipe[Any], unit: str = "") -> Handle:
        since = time.monotonic()
        future = self._session.connection.submit(self._run(recipe))
        handle = Handle(str(future.request_id), worker, member, since, future, unit)
        self._handles[handle.request] = handle
        over = [key for key, each in self._handles.items() if each.told is not None]
        for key in over[: max(0, len(self._handles) - MOST_HANDLES)]:
            del self._handles[key]
        return handle

    def _describe(self, worker: str) -> dict[str, Any]:
        members = self._session.known_members(worker) or self._run(self._session.describe(worker))
        return members.description

    def _run(self, recipe: Recipe[T]) -> T:
        return run(recipe, self._session.connection.request)


def _result(future: RequestFuture, wait: float) -> Any:
    """An operation's result, or what it raised, which may be a timeout of its own.

    Raises:
        StillRunning: It has none yet.
    """
    try:
        return future.result(wait)
    except TimeoutError:
        if not future.done():
            raise StillRunning from None
    return future.result(0)


def failure(error: Exception) -> dict[str, Any]:
    """What an error says of an operation, and what to do about it."""
    told: dict[str, Any] = {"outcome": outcome_of(error), "error": _in_words(error)}
    if told["outcome"] == DONE:
        told["value"] = None
    elif advice := _ADVICE.get(told["outcome"]):
        told["advice"] = advice
    return told


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, OrchError) else f"{type(error).__name__}: {error}"


def _items(value: Any) -> Any:
    """A stream's items, and where they were cut short; any other value as it is."""
    if not isinstance(value, Stream):
        return value
    with value:
        items = [each for _, each in zip(range(MOST_GIVEN), value, strict=False)]
    return items if len(items) < MOST_GIVEN else {"items": items, "cut": f"after {MOST_GIVEN}"}


def _deadline(thing: dict[str, Any], member: str) -> Timeout:
    """What the config says, but never without end."""
    limits = thing.get(terms.TIMEOUTS, {})
    limit = limits.get("members", {}).get(member, limits.get("execution"))
    return LONGEST if limit is None else ...

"""Leases of workers: exclusive use, for as long as a program lives and wants it.

What both faces have in common is here: how a lease is asked for, waited for, renewed and given
back. A request to a worker whose lease this connection has names it by its number, which the rig
and the worker check.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn
from uuid import uuid4

import msgspec

from orchestrator.client.exchange import Exchange
from orchestrator.client.recipes import run
from orchestrator.client.session import Recipe, Session
from orchestrator.client.surface import surface
from orchestrator.errors import Leased, OrchError, ValueRefused
from transports.durations import duration
from transports.headers import LEASE, Operation
from transports.serializers import JSON

INHERITED = "ORCH_LEASE"
"""Environment variable with leases that a program acts by: `rig/worker=number`, apart by spaces."""
LOOK = 10.0
"""Seconds after which whoever waits asks again, though nothing has changed."""
_GIVEN = re.compile(r"([^/=]+)/([^/=]+)=([1-9][0-9]{0,15})")


class Place(msgspec.Struct, frozen=True):
    """Where somebody stands who waits for a lease.

    Attributes:
        place: 1 for the next one.
        held: Who has it, for how long and why, for people.
    """

    place: int
    held: str


Waiting = Callable[[Place], Any]
"""Is called when whoever waits has another place."""


def inherited(rig: str) -> dict[str, dict[str, int]]:
    """The leases of a rig that the environment gives, as `Connection.leases` has them.

    Raises:
        ValueRefused: The variable has another form.
    """
    found: dict[str, dict[str, int]] = {}
    for each in os.environ.get(INHERITED, "").split():
        if (match := _GIVEN.fullmatch(each)) is None:
            raise ValueRefused(f"{INHERITED} has rig/worker=number, apart by spaces, not {each!r}")
        if match[1] == rig:
            found[match[2]] = {LEASE: int(match[3])}
    return found


class Wanted:
    """A lease that is wanted, or had.

    Attributes:
        worker: Whose.
        number: Its number, while this connection has it; 0 before.
        seconds: How long it holds unless it is renewed.
        why: What for.
        runs: What others had the worker do when it was granted, which ends first.
        lost: What told that it has ended, before it was given back.
    """

    def __init__(
        self,
        session: Session,
        worker: str,
        seconds: float,
        *,
        why: str = "",
        wait: float | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        try:
            patience = duration(wait, "wait")
        except (TypeError, ValueError) as error:
            raise ValueRefused(str(error)) from error
        span = _span(seconds)
        self.worker = worker
        self.seconds = span
        self.why = why
        self.number = 0
        self.runs: list[str] = []
        self.lost: Exception | None = None
        self._session = session
        self._patience = patience
        self._waiting = waiting
        self._key = uuid4().hex

    def __repr__(self) -> str:
        return f"<lease {self.number or 'not had'} of {self.worker}>"

    @property
    def every(self) -> float:
        """Seconds between renewals: two may be missed."""
        return self.seconds / 3

    def ask(self) -> Recipe[None]:
        """Ask until it is granted.

        Raises:
            Leased: It wasn't within the time.
        """
        until = None if self._patience is None else time.monotonic() + self._patience
        seen = 0
        while True:
            left = LOOK if until is None else min(LOOK, until - time.monotonic())
            found = yield self._compose(
                "lease",
                key=self._key,
                seconds=self.seconds,
                why=self.why,
                seen=seen,
                within=max(left, 0.0),
            )
            if "number" in found:
                self._begin(found)
                return
            if found["place"] != seen:
                seen = found["place"]
                if self._waiting is not None:
                    self._waiting(Place(seen, found["held"]))
            if until is not None and time.monotonic() >= until:
                raise Leased(
                    f"{self.worker} is {found['held']}; this one was number {seen} of those who"
                    f" wait when its time was over",
                    worker=self.worker,
                )

    def _begin(self, found: dict[str, Any]) -> None:
        self.number = int(found["number"])
        self.runs = [str(each) for each in found.get("runs", ())]
        self._session.connection.leases[self.worker] = {LEASE: self.number}

    def stay(self) -> Exchange:
        """The request that is answered after a while, or refused as soon as it has ended."""
        asked: dict[str, Any] = {"key": self._key, "seconds": self.seconds, "number": self.number}
        return self._compose("lease", **asked, within=LOOK)

    def renewal(self, seconds: float | None = None) -> Exchange:
        """The request that has it hold for so many seconds from then."""
        span = self.seconds if seconds is None else _span(seconds)
        return self._compose("renew_lease", number=self.number, seconds=span)

    def end(self) -> Exchange:
        """The request that gives it back, or gives up waiting; from here on nothing names it."""
        leases = self._session.connection.leases
        if self.number and leases.get(self.worker) == {LEASE: self.number}:
            del leases[self.worker]
        return self._compose("unlease", number=self.number, key=self._key)

    def give_up(self) -> Exchange:
        """The same, by whoever doesn't wait for the answer."""
        return self._compose("unlease", key=self._key, oneway=True)

    def _compose(self, member: str, *, oneway: bool = False, **asked: Any) -> Exchange:
        waits = {"invocation_timeout": None, "execution_timeout": None} if member == LEASE else {}
        return _question(self._session, member, self.worker, asked, oneway=oneway, **waits)


def ask_rig(rig: Any, member: str, worker: str, **asked: Any) -> dict[str, Any]:
    """Ask a rig for something about a worker's lease: `unlease` with its number, `break_lease`.

    Raises:
        Leased: It holds no more.
        OrchError: Any of the tree.
    """
    session: Session = rig._session
    found: dict[str, Any] = session.connection.request(_question(session, member, worker, asked))
    return found


def _question(
    session: Session, member: str, worker: str, asked: dict[str, Any], **options: Any
) -> Exchange:
    """A request to the rig itself about a worker's lease; `options` are those of `compose`."""
    payload = msgspec.json.encode({"worker": worker, **asked})
    return session.connection.compose(
        session.rig, Operation.INVOKE, member, payload=payload, content_type=JSON, **options
    )


def _span(seconds: Any) -> float:
    """How long a lease is to hold, in seconds; the rig tells the most. Raises ValueRefused."""
    try:
        span = duration(seconds, "seconds", overdue=True)
    except (TypeError, ValueError) as error:
        raise ValueRefused(str(error)) from error
    if not span:
        told = f"a lease holds for more than 0 s, and has an end; its seconds are {seconds!r:.80}"
        raise ValueRefused(told)
    return span


class Lease(Wanted):
    """Exclusive use of a worker within a `with`; it is renewed meanwhile, in a thread of its own.

    All threads that use this connection share it.
    """

    _thread: threading.Thread | None = None

    @surface
    def __enter__(self) -> Lease:
        self.take()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="orch-lease", daemon=True)
        self._thread.start()
        return self

    @surface
    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        assert self._thread is not None
        self._over.set()
        self._thread.join()
        try:
            self.release()
        except OrchError as second:
            if error is None:
                raise
            error.add_note(str(second))

    @surface
    def take(self) -> None:
        """Wait for the lease; nothing renews it by itself.

        Raises:
            Leased: It couldn't be had within the time, or this connection has it already.
            OrchError: Any of the tree.
        """
        request = self._session.connection.request
        try:
            run(self.ask(), request)
        except BaseException:
            with contextlib.suppress(OrchError):  # its connection's end gives it up too
                request(self.give_up())
            raise

    @surface
    def renew(self, seconds: float | None = None) -> None:
        """Have it hold for so many seconds from now; as many as at first if left out.

        Raises:
            Leased: It has ended.
            OrchError: Any of the tree.
        """
        self._session.connection.request(self.renewal(seconds))

    @surface
    def release(self) -> None:
        """Give it back.

        Raises:
            Leased: It had ended before, so that others may have used the worker meanwhile.
            OrchError: Any of the tree.
        """
        self._session.connection.request(self.end())

    def hold(self) -> NoReturn:
        """Wait until it has ended, which is raised.

        Raises:
            Leased: It has ended, with the reason.
            OrchError: Any of the tree.
        """
        while True:
            self._session.connection.request(self.stay())

    def _keep(self) -> None:
        while not self._over.wait(self.every):
            try:
                self.renew()
            except OrchError as error:
                self.lost = error
                if isinstance(error, Leased) or self._session.connection.closed:
                    return

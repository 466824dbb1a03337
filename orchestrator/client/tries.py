"""Calls that are tried again: which failures allow it, after what pauses, and for how long.

The tries are a recipe as those of `session`, which yields requests, and seconds to wait between
them; it is thrown what a request raises.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

from orchestrator.client.exchange import Exchange, Timeout
from orchestrator.client.session import Recipe, Session
from orchestrator.errors import (
    Cancelled,
    InvocationTimeout,
    NoRoom,
    OutcomeUnknown,
    RigNotReachable,
    ValueRefused,
    WorkerUnavailable,
)
from transports import terms
from transports.durations import duration
from transports.headers import Limits

PASSING = (InvocationTimeout, NoRoom, RigNotReachable, WorkerUnavailable)
"""What never began, and may begin another time; the other refusals would only be repeated."""
FIRST, MOST = 0.1, 5.0
"""Seconds of the first pause, and at most: each is about twice the one before."""

Compose = Callable[[Timeout, Timeout], Recipe[Exchange]]
Tries = Generator[Exchange | float, Any, Any]


def tried(
    session: Session,
    worker: str,
    member: str,
    compose: Compose,
    ours: Mapping[str, object],
    timeouts: tuple[Timeout, Timeout],
    *,
    now: Callable[[], float] = time.monotonic,
    chance: Callable[[], float] = random.random,
) -> Tries:
    """Make a call, and again while it fails of what passes.

    It ends within the call's own time: that of its invocation and its execution together.

    Args:
        session: What is known of the rig.
        worker, member: What is asked for.
        compose: The recipe of its request, given both timeouts.
        ours: Has `retry`, how often it may be tried again, unless the action takes that itself.
        timeouts: Of invocation and execution, as they were given.
        now: Monotonic seconds.
        chance: Gives numbers from 0 to 1: who failed together doesn't return together.

    Raises:
        ValueRefused: `retry` is no number of tries.
        Exception: What the last try raised, with the reasons of those before in its notes.
    """
    begun = now()
    reasons: list[str] = []
    wait, run = timeouts
    while True:
        try:
            exchange = yield from compose(wait, run)
            most = _number(ours.get("retry", 0))
            return (yield exchange)
        except Exception as error:
            most = _number(ours.get("retry", 0))
            at = now()
            pause = min(FIRST * 2.0 ** len(reasons), MOST) * (0.5 + 0.5 * chance())
            again = len(reasons) < most and _may_repeat(session, worker, member, error)
            limits = _limits(session, worker, member, timeouts) if again else Limits(0, 0)
            left = begun + _total(limits) - at - pause
            if left <= 0:
                for reason in reasons:
                    error.add_note(reason)
                raise
            told = f"{type(error).__name__}: {error}"
            reasons.append(f"try {len(reasons) + 1} failed after {at - begun:.2f} s: {told}")
        yield pause
        wait, run = _shares(limits, timeouts, left)


def run_tries(
    tries: Tries, request: Callable[[Exchange], Any], sleep: Callable[[float], Any]
) -> Any:
    """Make the tries of a call with blocking requests."""
    try:
        step = next(tries)
        while True:
            try:
                got = sleep(step) if isinstance(step, float) else request(step)
            except Exception as error:  # noqa: BLE001  what it means is decided there
                step = tries.throw(error)
            else:
                step = tries.send(got)
    except StopIteration as end:
        return end.value


def given(**ours: Any) -> dict[str, Any]:
    """Those keywords of ours that the caller gave."""
    return {name: value for name, value in ours.items() if value is not ...}


def _number(retry: object) -> int:
    if type(retry) is not int or retry < 0:
        raise ValueRefused(f"retry is how often to try again: 0 or more, not {retry!r:.80}")
    return retry


def _may_repeat(session: Session, worker: str, member: str, error: Exception) -> bool:
    if isinstance(error, PASSING):
        return True
    if isinstance(error, Cancelled) or not isinstance(error, OutcomeUnknown):
        return False
    members = session.known_members(worker)
    return members is not None and bool(members.affordance(member).get(terms.IDEMPOTENT))


def _limits(
    session: Session, worker: str, member: str, timeouts: tuple[Timeout, Timeout]
) -> Limits:
    """The timeouts of a call as far as they are known."""
    members = session.known_members(worker)
    usual = Limits(None, None) if members is None else members.usual(member)
    wait, run = timeouts
    return Limits(
        usual.invocation_timeout if wait is ... else duration(wait),
        usual.execution_timeout if run is ... else duration(run),
    )


def _total(limits: Limits) -> float:
    wait, run = limits.invocation_timeout, limits.execution_timeout
    return math.inf if wait is None or run is None else float(wait) + float(run)


def _shares(
    limits: Limits, timeouts: tuple[Timeout, Timeout], left: float
) -> tuple[Timeout, Timeout]:
    """The timeouts of the next try, which has so many seconds in all."""
    if left == math.inf:
        return timeouts
    wait, run = limits.invocation_timeout, limits.execution_timeout
    assert wait is not None
    assert run is not None
    waits = min(float(wait), max(left - float(run), left / 2))
    return waits, min(float(run), left - waits)

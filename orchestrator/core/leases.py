"""Who has a worker to himself: leases, their numbers, and who waits for one.

Pure. A lease has a number, which only ever rises: what carries the number of a lease that has ended
comes too late, whoever sends it and however long it was under way. At most one lease of a worker
holds at a time. Those who wait get it in the order in which they came.
"""

from __future__ import annotations

import math

import msgspec

from orchestrator.core.admission import Refusal
from orchestrator.core.queues import earliest

LONGEST = 7 * 86_400.0
"""Seconds that a lease may hold before it has to be renewed."""
MOST_WAITING = 100
"""Who may wait for the lease of one worker."""
OVER = "its time was over"
GIVEN_BACK = "it was given back"
LEFT = "its owner has left"


class Wish(msgspec.Struct):
    """A lease that somebody wants.

    Attributes:
        worker: Whose.
        client: Who wants it: the identity of a connection, whose end gives it up.
        key: Tells it from other wishes of that connection.
        who: Who that is, for people: `user@host:program`.
        why: What for, in the words of whoever wants it.
        seconds: How long it is to hold.
    """

    worker: str
    client: bytes
    key: str
    who: str
    why: str
    seconds: float

    @property
    def owner(self) -> str:
        """`user@host`: whose programs may use the lease, each by its number."""
        return owner_of(self.who)


class Lease(msgspec.Struct):
    """A lease that holds.

    Attributes:
        number: Higher than that of any lease before, of whichever worker.
        wish: Who has it, and why.
        since: When it began, in monotonic seconds.
        until: When it ends unless it is renewed.
    """

    number: int
    wish: Wish
    since: float
    until: float


class Ended(msgspec.Struct, frozen=True):
    """A lease that holds no more.

    Attributes:
        lease: Which.
        why: What ended it.
        at: When, in monotonic seconds.
    """

    lease: Lease
    why: str
    at: float

    def is_over(self, number: int) -> bool:
        """Whether it is the lease of that number, and its time was over."""
        return self.lease.number == number and self.why == OVER


class NoLease(Exception):
    """What was asked of a lease can't be done; the text says why."""


class Leases:
    """The leases of a rig.

    Attributes:
        number: That of the newest lease, of whichever worker.
        held: Those that hold, by worker.
        ended: The last one of each worker that has ended.
    """

    def __init__(self) -> None:
        self.number = 0
        self.held: dict[str, Lease] = {}
        self.ended: dict[str, Ended] = {}
        self._waiting: dict[str, list[Wish]] = {}

    @property
    def next_deadline(self) -> float | None:
        """When `expire` is due; None while nothing holds."""
        return earliest(*(each.until for each in self.held.values())) if self.held else None

    def waiting(self, worker: str) -> list[Wish]:
        """Who waits for a worker, the next one first."""
        return self._waiting.get(worker, [])

    def floor(self, worker: str) -> int:
        """The least number that isn't of a lease that has ended.

        Where none has been held yet, all numbers are of leases from before, or of other workers.
        """
        held = self.held.get(worker)
        return self.number + 1 if held is None else held.number

    def ask(self, wish: Wish, now: float) -> Lease | int:
        """Want a lease; asked again, the same wish keeps its place.

        Returns:
            The lease if it is granted, or was while nobody looked; else its place, from 1.

        Raises:
            NoLease: It can't be waited for.
        """
        held, waiting = self.held.get(wish.worker), self._waiting.setdefault(wish.worker, [])
        if held is not None and held.wish.client == wish.client:
            if held.wish.key == wish.key:
                return held
            raise NoLease(
                f"this connection has the lease of {wish.worker} already: number {held.number}"
            )
        for place, each in enumerate(waiting, 1):
            if (each.client, each.key) == (wish.client, wish.key):
                return place
        if held is None:
            return self._grant(wish, now)
        if len(waiting) >= MOST_WAITING:
            raise NoLease(f"{MOST_WAITING} wait for {wish.worker} already; try again later")
        waiting.append(wish)
        return len(waiting)

    def renew(self, worker: str, number: int, who: str, seconds: float, now: float) -> Lease:
        """Have a lease hold for so many seconds from now.

        Raises:
            NoLease: It holds no more, or is another's.
        """
        held = self._held(worker, number, who, now)
        held.until = now + seconds
        return held

    def give_back(self, worker: str, number: int, who: str, now: float) -> None:
        """End a lease. Raises NoLease if it holds no more, or is another's."""
        self._held(worker, number, who, now)
        self._end(worker, GIVEN_BACK, now)

    def break_(self, worker: str, why: str, now: float) -> Lease:
        """End whatever lease holds; returns it. Raises NoLease if none does."""
        if worker not in self.held:
            raise NoLease(f"nobody has a lease of {worker}")
        return self._end(worker, why, now)

    def give_up(self, worker: str, client: bytes, key: str, now: float) -> None:
        """Whoever waits doesn't any more; what was granted meanwhile is given back."""
        waiting = self._waiting.get(worker, [])
        waiting[:] = [each for each in waiting if (each.client, each.key) != (client, key)]
        held = self.held.get(worker)
        if held is not None and (held.wish.client, held.wish.key) == (client, key):
            self._end(worker, GIVEN_BACK, now)

    def left(self, client: bytes, now: float) -> list[Lease]:
        """A connection has ended: it has nothing and waits for nothing; what it had."""
        for waiting in self._waiting.values():
            waiting[:] = [each for each in waiting if each.client != client]
        had = [each for each in self.held.values() if each.wish.client == client]
        for each in had:
            self._end(each.wish.worker, LEFT, now)
        return had

    def expire(self, now: float) -> list[Lease]:
        """End the leases whose time is over; which they were."""
        over = [each for each in self.held.values() if each.until <= now]
        for each in over:
            self._end(each.wish.worker, OVER, now)
        return over

    def forget(self, worker: str) -> None:
        """There is no such worker any more."""
        self.held.pop(worker, None)
        self.ended.pop(worker, None)
        self._waiting.pop(worker, None)

    # -- in words -------------------------------------------------------------------------

    def refusal(self, worker: str, number: int, who: str, now: float) -> str:
        """Why a request that carries a number, 0 for none, may have no effect; empty if it may.

        Args:
            worker: The worker.
            number: The number that is named; anybody may see it, so it isn't enough.
            who: Who names it.
            now: Monotonic seconds.
        """
        held = self.held.get(worker)
        if held is None and not number:
            return ""
        is_named = held is not None and number == held.number
        if held is not None and is_named and owner_of(who) == held.wish.owner:
            return ""
        parts = []
        if is_named:
            parts.append(f"lease {number} isn't {owner_of(who)}'s")
        elif number:
            parts.append(self._ending(worker, number, now))
        if held is not None:
            parts.append(f"{worker} is {told(held, now)}")
        return "; ".join(parts)

    def _ending(self, worker: str, number: int, now: float) -> str:
        ended = self.ended.get(worker)
        if ended is None or ended.lease.number != number:
            return f"lease {number} of {worker} has ended"
        return f"lease {number} of {worker} ended {now - ended.at:.1f} s ago: {ended.why}"

    # -- how ------------------------------------------------------------------------------

    def _held(self, worker: str, number: int, who: str, now: float) -> Lease:
        held = self.held.get(worker)
        why = self.refusal(worker, number, who, now)
        if held is None or why:
            raise NoLease(why or f"{worker} has no such lease")
        return held

    def _grant(self, wish: Wish, now: float) -> Lease:
        self.number += 1
        lease = Lease(self.number, wish, now, now + wish.seconds)
        self.held[wish.worker] = lease
        return lease

    def _end(self, worker: str, why: str, now: float) -> Lease:
        lease = self.held.pop(worker)
        self.ended[worker] = Ended(lease, why, now)
        if waiting := self._waiting.get(worker):
            self._grant(waiting.pop(0), now)
        return lease


def owner_of(who: str) -> str:
    """`user@host` of a `user@host:program`; all of what names no program."""
    return who.partition(":")[0]


def told(lease: Lease, now: float) -> str:
    """A lease in words: who has had it for how long, and why."""
    why = f" ({lease.wish.why})" if lease.wish.why else ""
    left = max(0.0, lease.until - now)
    return (
        f"leased to {lease.wish.who}{why} for {now - lease.since:.1f} s by now, "
        f"until it is given back or in {left:.1f} s"
    )


def check_seconds(seconds: float) -> float:
    """How long a lease is to hold. Raises Refusal if it is no such time: no waiting mends that."""
    if not (math.isfinite(seconds) and 0 < seconds <= LONGEST):
        raise Refusal(
            "ValueError",
            f"a lease holds for more than 0 s and at most {LONGEST:.0f} s, not {seconds:.12g} s;"
            " it can be renewed",
        )
    return seconds

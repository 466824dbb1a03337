"""What the broker knows of a worker: its incarnation, its lanes, and what waits for them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from orchestrator.core import lives
from orchestrator.core.admission import Caps, Refusal, unknown_worker
from orchestrator.core.kept import KeptWrites
from orchestrator.core.means import NO_MEANS
from orchestrator.core.queues import FairQueue
from orchestrator.core.request import Request, State
from orchestrator.core.requests import Ledger
from orchestrator.core.vitals import Vitals
from transports.headers import Limits
from transports.link import CONCURRENT, QUEUED, routing_id

FORMERS = 1000
"""Ids of ended incarnations that are kept."""


class Phase(Enum):
    """Whether a worker takes requests."""

    HELD = "held"  # not ready: requests wait
    READY = "ready"
    CLOSED = "closed"  # nothing to wait for: requests are refused


AHEAD = 16
"""Operations that a worker may be given, the one that it runs included, while they are brisk."""
AHEAD_BYTES = 1 << 18
"""Bytes of operations that wait at a worker above which it is given no more."""
BRISK = 0.005
"""Seconds of an operation up to which the way to the worker and back counts."""


class Lane:
    """One DEALER of a worker: what it was given and what waits for it.

    Attributes:
        capacity: How many operations it runs at once.
        given: What was sent to it and isn't answered, by number; None for what was taken back
            since, until the worker has given it back.
        ahead: Bytes of those among them whose turn hasn't come.
        claims: Whether a ticket goes with each operation, so that more than it can run may wait
            there.
        brisk: Whether its last operation was a short one.
        taking: Tickets are being taken back: it gets nothing before that is done.
        stalled: An operation has had its time, and the lane hasn't moved since.
    """

    __slots__ = (
        *("ahead", "brisk", "capacity", "claims", "given", "id", "open", "peer", "queue"),
        *("stalled", "taking"),
    )

    def __init__(self, peer: Peer, capacity: int) -> None:
        self.peer = peer
        self.capacity = capacity
        self.queue: FairQueue[Request] = FairQueue()
        self.given: dict[int, Request | None] = {}
        self.clear(b"")

    def clear(self, id_: bytes) -> None:
        """Nothing is there: another incarnation is awaited, under this routing id."""
        self.id = id_
        self.given.clear()
        self.ahead = 0
        self.open = self.claims = self.brisk = self.taking = self.stalled = False

    @property
    def free(self) -> bool:
        """Whether another operation may be dispatched now."""
        if not self.open or self.peer.phase is not Phase.READY or self.taking:
            return False
        count = len(self.given)
        if count < self.capacity:
            return True
        return self.claims and self.brisk and count < AHEAD and self.ahead < AHEAD_BYTES

    def requests(self) -> Iterator[Request]:
        """What the worker was given and wasn't taken back."""
        return (request for request in self.given.values() if request is not None)

    def running(self) -> Iterator[Request]:
        """Those of them whose turn has come."""
        return (request for request in self.requests() if request.state is not State.QUEUED)


class Formers:
    """By what ended incarnations were known, the newest of them.

    A thread that was left behind still uses it, and is no stranger.
    """

    def __init__(self) -> None:
        self._workers: dict[bytes, str] = {}

    def add(self, worker: str, ids: Iterable[bytes]) -> None:
        """An incarnation of a worker has ended."""
        self._workers.update(dict.fromkeys(filter(None, ids), worker))
        while len(self._workers) > FORMERS:
            del self._workers[next(iter(self._workers))]

    def get(self, id: bytes) -> str | None:
        """The worker that was known by it, if one was."""
        return self._workers.get(id)


class Peer:
    """A worker as the broker sees it, over all its incarnations."""

    def __init__(
        self, name: str, limits: Limits, timeouts: dict[str, float | None], run: str = ""
    ) -> None:
        self.name = name
        self.run = run  # of the rig
        self.phase = Phase.HELD
        self.reason = ""  # why it is closed
        self.is_refused = False  # by what reaches further than its own stop: its reason stands
        self.incarnation = 0
        self.pid: int | None = None  # of an incarnation that is ready
        self.exit_status = 0  # that of its last one, as a shell tells it
        self.token = b""
        self.concurrent: frozenset[str] = frozenset()
        self.description: dict[str, Any] | None = None
        self.revision = 0  # of what is told of its members; each change has a new one
        self.queued = Lane(self, 1)
        self.beside = Lane(self, 0)
        self.lanes = (self.queued, self.beside)
        self.waiting = 0
        self.waiting_bytes = 0
        self.stopping = False  # told to stop: this incarnation takes nothing any more
        self.kept = KeptWrites()
        self.means = NO_MEANS
        self.is_guarded = False  # by leases: see `leasing`
        self.vitals = Vitals()
        self.set_limits(limits, timeouts)

    @property
    def described(self) -> bool:
        """Whether some incarnation has said what its driver offers."""
        return self.description is not None

    @property
    def life(self) -> str:
        """The life that it has or had last, apart from those in other runs of the rig."""
        return f"{self.incarnation}@{self.run}"

    def limits_of(self, member: str) -> Limits:
        """The timeouts of a request that brings none."""
        return self._by_member.get(member, self._limits)

    def set_limits(self, limits: Limits, timeouts: Mapping[str, float | None]) -> None:
        """Set the timeouts of requests that bring none, from now on; `timeouts` by member."""
        self.revision += 1
        self._limits = limits
        self._by_member = {
            member: Limits(limits.invocation_timeout, timeout)
            for member, timeout in timeouts.items()
        }

    def lane_for(self, member: str) -> Lane:
        """The lane that a member's requests take."""
        return self.beside if member in self.concurrent else self.queued

    def expect(self, incarnation: int, token: str) -> tuple[Lane, ...]:
        """Await an incarnation: give its lanes their routing ids."""
        self.incarnation = incarnation
        self.token = token.encode()
        for lane, name in zip(self.lanes, (QUEUED, CONCURRENT), strict=True):
            lane.clear(routing_id(token, name))
        self.phase = Phase.HELD
        self.stopping = False
        return self.lanes

    def describe(self, concurrent: frozenset[str], capacity: int, description: Any) -> None:
        """An incarnation says what it offers: sort what waits by the lanes that it declares."""
        self.description = description
        self.revision += 1
        self.beside.capacity = capacity
        if concurrent != self.concurrent:
            self.concurrent = concurrent
            waiting = sorted(self._waiting(), key=lambda request: request.number)
            for lane in self.lanes:
                lane.queue = FairQueue()
            for request in waiting:
                self.lane_for(request.member).queue.push(request)

    def ready(self, pid: int | None, *, claims: bool) -> None:
        """An incarnation is ready; `claims`: its queued lane takes tickets."""
        self.pid = pid
        self.queued.claims = claims
        if self.phase is Phase.HELD and not self.stopping:
            self.phase = Phase.READY

    def hold(self) -> None:
        """Keep what comes until an incarnation is ready."""
        self.phase = Phase.HELD
        self.is_refused = False

    def ended(self) -> None:
        """The incarnation is over; nothing runs any more."""
        self.pid = None
        for lane in self.lanes:
            lane.clear(b"")
        if self.phase is Phase.READY:
            self.phase = Phase.HELD

    def close(self, reason: str) -> list[Request]:
        """Refuse what comes; give back what waits."""
        self.phase = Phase.CLOSED
        if not self.is_refused:
            self.reason = reason
        waiting = list(self._waiting())
        for request in waiting:
            self.stops_waiting(request)
        for lane in self.lanes:
            lane.queue = FairQueue()
        return waiting

    def running(self) -> list[Request]:
        """What the incarnation runs, as far as is known."""
        return [request for lane in self.lanes for request in lane.running()]

    def keeps(self, member: str, now: float, who: Callable[[Request], str]) -> str:
        """What the lane of a member is kept by, for people; empty if it is by nothing that runs.

        Args:
            member: The member.
            now: Monotonic seconds.
            who: Tells who asked.
        """
        running = self.lane_for(member).running()
        return "; ".join(
            f"{self.name} runs {each.member} for {now - each.started:.1f} s, "
            f"asked by {who(each):.100}"
            for each in running
        )

    def enqueue(self, lane: Lane, request: Request, *, front: bool = False) -> None:
        """Let a request wait."""
        if front:
            lane.queue.push_back(request)
        else:
            lane.queue.push(request)
        self.waits(request)

    def waits(self, request: Request) -> None:
        """A request waits, here or at its worker."""
        self.waiting += 1
        self.waiting_bytes += request.size

    def stops_waiting(self, request: Request) -> None:
        """A request doesn't wait any more."""
        self.waiting -= 1
        self.waiting_bytes -= request.size

    def dequeue(self, lane: Lane) -> Request:
        """Take the next request of a lane."""
        request = lane.queue.pop()
        self.stops_waiting(request)
        return request

    def forget(self, request: Request) -> None:
        """Take out a request that waits here."""
        self.lane_for(request.member).queue.discard(request)
        self.stops_waiting(request)

    def take_all(self, member: str) -> list[Request]:
        """Take out all requests for one member that wait."""
        return self._take([request for request in self._waiting() if request.member == member])

    def all_waiting(self) -> list[Request]:
        """All requests that wait here."""
        return list(self._waiting())

    def take_of_life(self) -> list[Request]:
        """Take out all requests that are meant for one life only."""
        return self._take([request for request in self._waiting() if request.life])

    def _take(self, found: list[Request]) -> list[Request]:
        for request in found:
            self.forget(request)
        return found

    def count_of(self, client: bytes) -> int:
        """How many requests of this client wait, in all lanes."""
        return sum(lane.queue.count_of(client) for lane in self.lanes)

    def first_waiting(self, count: int) -> list[Request]:
        """Those that have waited longest, here or at the worker."""
        ahead = (each for each in self.queued.requests() if each.state is State.QUEUED)
        waiting = (*ahead, *self._waiting())
        return heapq.nsmallest(count, waiting, key=lambda each: each.number)

    def _waiting(self) -> Iterator[Request]:
        for lane in self.lanes:
            yield from lane.queue


def check_room(peer: Peer, request: Request, ledger: Ledger, caps: Caps) -> None:
    """Raise Refusal if a request may not wait for a worker any more."""
    if peer.waiting >= caps.queue:
        full = f"{caps.queue} requests wait"
    elif peer.count_of(request.client) >= caps.queue_per_client:
        full = f"{caps.queue_per_client} requests of this client wait"
    elif peer.waiting_bytes + request.size > caps.queue_bytes:
        full = f"requests of {peer.waiting_bytes} bytes wait"
    elif ledger.held.total + request.size > caps.held_bytes:
        raise _too_much(f"its clients' requests have {ledger.held.total} bytes")
    elif ledger.held.of(request.client) + request.size > caps.held_bytes_per_client:
        raise _too_much(f"this client's requests have {ledger.held.of(request.client)} bytes")
    else:
        return
    raise Refusal("BufferError", f"worker {peer.name!r} is busy: {full} for it; try again later")


def _too_much(what: str) -> Refusal:
    return Refusal("BufferError", f"the rig holds too much already: {what}; try again later")


def find_peer(peers: Mapping[str, Peer], rig: str, thing: str | None) -> tuple[Peer, str]:
    """The worker that a request names, and the one life of it that it is for; empty for any.

    Raises:
        Refusal: There is none of that name in the rig.
    """
    name, life = thing or "", ""
    if name not in peers:
        name, life = lives.split(name)
    if (peer := peers.get(name)) is None:
        raise unknown_worker(rig, thing, peers)
    return peer, life

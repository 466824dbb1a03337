"""The promises of the product, judged from what a simulated rig's clients and workers saw.

Nothing is read of the core but whether its tables are empty at rest: each worker's starts and
each client's answers are noted here and joined. The numbers are those of the list of invariants:
one answer (I1), a proof of not started (I2), one start (I3), no mixing of lives (I4), order (I5),
bounds (I7), deadlines (I8), the right client (I9), supervision (I10), rest (I14).
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from orchestrator.core.children import ChildSpec
from orchestrator.core.effects import Moved
from orchestrator.core.states import SETTLED, Status
from orchestrator.testing.behaviour import BESIDE
from transports.exceptions import NOT_STARTED, UNKNOWN
from transports.headers import (
    DESCRIPTION,
    ERROR,
    HANDSHAKE,
    INVALID_MESSAGE,
    INVOCATION,
    REPLY,
    TIMEOUT,
    RequestHeader,
    decode_response_header,
)

Key = tuple[str, str]
EPSILON = 1e-6
LADDER = 2.0
"""Seconds in which a worker is ended that has had its time: interrupted, woken, killed. One that is
told to stop meanwhile has them anew."""


class Violation(AssertionError):
    """A promise was broken."""


@dataclass(frozen=True)
class Answer:
    """What a client was told.

    Attributes:
        time: When it was sent.
        kind: The message type.
        outcome: `done`, `failed`, `not started` or `unknown`.
    """

    time: float
    kind: str
    outcome: str


@dataclass(eq=False)
class Asked:
    """A request, and all that became of it.

    Attributes:
        order: Its place among all requests.
        given: When it was sent to its worker, and to which life.
        turn: When it was its turn there, as far as messages tell.
        starts: The lives in which its worker began it.
        claimed: When its worker claimed it, after which it begins as soon as it arrives.
        replies: Messages of workers that answer it.
        wished: Whether somebody wanted it cancelled.
    """

    client: str
    id: str
    worker: str
    member: str
    oneway: bool
    sent: float
    wait: float | None
    run: float | None
    order: int
    given: tuple[float, str] | None = None
    turn: float | None = None
    claimed: float | None = None
    starts: list[str] = field(default_factory=list)
    replies: int = 0
    answers: list[Answer] = field(default_factory=list)
    returned: bool = False
    wished: bool = False

    @property
    def deadline(self) -> float | None:
        """When it must have been answered, as it stands."""
        begins = self.claimed is not None or (self.given is not None and self.member in BESIDE)
        if not begins:
            return None if self.wait is None else self.sent + self.wait
        return None if self.run is None or self.turn is None else self.turn + self.run


class Judge:
    """Takes notes, and raises `Violation` where they break a promise."""

    def __init__(self) -> None:
        self.asked: dict[Key, Asked] = {}
        self.open: dict[Key, Asked] = {}  # still owed an answer
        self.kinds: Counter[str] = Counter()
        self.told: Counter[Key] = Counter()  # answers to what never is a request
        self.expected: set[Key] = set()
        self.refusable: Counter[str] = Counter()  # malformed messages by client
        self._due: list[tuple[float, int, Asked]] = []
        self._last: dict[tuple[str, str], int] = {}

    # -- clients --------------------------------------------------------------------------

    def ask(
        self,
        client: str,
        id_: str,
        worker: str,
        member: str,
        sent: float,
        wait: float | None = None,
        run: float | None = None,
        *,
        oneway: bool,
    ) -> Asked:
        """A client sends a request, at a time, with the timeouts that it has."""
        order = len(self.asked)
        asked = Asked(client, id_, worker, member, oneway, sent, wait, run, order)
        self.asked[client, id_] = asked
        if not oneway:
            self.open[client, id_] = asked
        self._watch(asked)
        return asked

    def find(self, header: RequestHeader, now: float) -> Asked:
        """What a worker is sent; it may be the rig itself that asks, and is told the answer."""
        client, id_ = header.senderID, str(header.messageID)
        asked = self.asked.get((client, id_))
        worker, member = header.thingID or "", header.objekt or ""
        return asked or self.ask(client, id_, worker, member, now, oneway=True)

    def expect(self, client: str, id_: str) -> None:
        """A client sends what the rig answers itself."""
        self.expected.add((client, id_))

    def send_rubbish(self, client: str) -> None:
        """A client sends what can't be a request: it may be refused once."""
        self.refusable[client] += 1

    def answer(self, frames: list[Any], now: float) -> Asked | None:
        """A client is sent an answer; gives the request."""
        identity, empty, head, payload, _ = (bytes(frame) for frame in frames)
        header = decode_response_header(head)
        key = identity.decode(), str(header.messageID)
        self._hold(empty == b"" and payload != b"", "an answer has five frames", key)
        if key in self.expected:
            self.told[key] += 1
            self._hold(self.told[key] == 1, "I1: answered twice", key)
            self.kinds[header.messageType] += 1
            return None
        asked = self.asked.get(key)
        if asked is None and self.refusable[key[0]] and header.messageType == INVALID_MESSAGE:
            self.refusable[key[0]] -= 1
            self.kinds["refused rubbish"] += 1
            return None
        if asked is None:
            raise Violation(f"I1, I9: {key} was never asked, and is answered")
        answer = Answer(now, header.messageType, _outcome(header.messageType, payload))
        self.kinds[answer.outcome] += 1
        self._hold(not asked.answers, "I1: answered twice", key)
        if asked.oneway:
            self._hold(answer.kind in (TIMEOUT, INVALID_MESSAGE), "oneway is answered", key)
        asked.answers.append(answer)
        self.open.pop(key, None)
        if b'"InterruptedError"' in payload:
            self._hold(asked.wished, "cancelled, though nobody wanted that", key)
        by_worker = asked.replies > 0
        deadline = asked.deadline
        if answer.outcome == NOT_STARTED:
            self._hold(not asked.starts, "I2: said not to be started, but was", key)
        elif answer.outcome == UNKNOWN:
            self._hold(asked.given is not None, "unknown, but never given to a worker", key)
            if answer.kind == TIMEOUT and asked.member not in BESIDE:
                self._hold(asked.claimed is not None, "its execution timed out, unclaimed", key)
        elif asked.member != DESCRIPTION:
            self._hold(len(asked.starts) == 1 and by_worker, "done, but not by its worker", key)
        if deadline is not None:
            self._hold(now <= deadline + EPSILON, f"I8: answered {now - deadline} s late", key)
        return asked

    # -- workers --------------------------------------------------------------------------

    def give(self, asked: Asked, token: str, now: float, *, is_next: bool) -> None:
        """A request is sent to a worker's life; `is_next`: it doesn't wait there for another."""
        key = asked.client, asked.id
        self._hold(asked.given is None, "I3: given to a worker twice", key)
        self._hold(not asked.answers, "given to a worker after its answer", key)
        if asked.wait is not None:
            self._hold(now <= asked.sent + asked.wait + EPSILON, "I8: started too late", key)
        asked.given = now, token
        if is_next:
            self.turn(asked, now)

    def turn(self, asked: Asked, now: float) -> None:
        """All that was given to the worker before it is answered."""
        asked.turn = now
        self._watch(asked)

    def take_back(self, asked: Asked) -> None:
        """It couldn't be sent after all, or the worker can't begin it any more."""
        asked.given = asked.turn = None
        asked.returned = True
        self._watch(asked)

    def claim(self, asked: Asked, now: float) -> None:
        """A worker claims it."""
        if asked.wait is not None:
            in_time = now <= asked.sent + asked.wait + EPSILON
            key = asked.client, asked.id
            self._hold(in_time, "I8: claimed after its invocation's time", key)
        asked.claimed = now
        self._watch(asked)

    def start(self, asked: Asked, token: str) -> None:
        """A worker begins it."""
        key = asked.client, asked.id
        asked.starts.append(token)
        self._hold(len(asked.starts) == 1, "I3: started twice", key)
        self._hold(asked.given is not None and asked.given[1] == token, "I4: another life's", key)
        outcome = asked.answers[0].outcome if asked.answers else ""
        self._hold(outcome != NOT_STARTED, "I2: started, but said not to be", key)
        if asked.member not in BESIDE:
            self._hold(asked.claimed is not None, "I2: started, but not claimed", key)
            place = asked.client, asked.worker
            self._hold(self._last.get(place, -1) < asked.order, "I5: out of order", key)
            self._last[place] = asked.order

    # -- time and rest --------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Whether nobody has waited for longer than was said."""
        due = self._due
        while due and due[0][0] < now - EPSILON:
            at, _, asked = heapq.heappop(due)
            late = asked.deadline == at and not asked.answers and not asked.oneway
            self._hold(not late, f"I8: not answered by {at}", (asked.client, asked.id))

    def rest(self) -> None:
        """All is quiet: whether anybody is still owed an answer."""
        self._hold(not self.open, "I14: never answered", next(iter(self.open), None))
        missing = self.expected - set(self.told)
        self._hold(not missing, "I1: never answered", next(iter(missing), None))

    def _watch(self, asked: Asked) -> None:
        if (deadline := asked.deadline) is not None:
            heapq.heappush(self._due, (deadline, asked.order, asked))

    def _hold(self, kept: bool, what: str, key: Key | None) -> None:
        if not kept:
            raise Violation(f"{what}: {key} {self.asked.get(key) if key else ''}")


class StartsJudge:
    """The promises about starts (I10): they end in time, and what may go better is tried again.

    Args:
        specs: The workers.
    """

    def __init__(self, specs: Sequence[ChildSpec]) -> None:
        self._most = {
            spec.name: spec.start_timeout + spec.stop_timeout + 2 * LADDER
            for spec in specs
            if spec.start_timeout is not None
        }
        self._retried = {
            spec.name for spec in specs if spec.retry_start and spec.restart != "temporary"
        }
        self._after = {spec.name: spec.after for spec in specs}
        self.counts: Counter[str] = Counter()  # of what went wrong with starts
        self._launched: dict[str, float] = {}
        self._wanting: set[str] = set()  # whose last start failed for want of something
        self._failed: set[str] = set()  # who failed to start since they were last ready

    def launch(
        self, worker: str, now: float, ready: Container[str], states: Mapping[str, Status]
    ) -> None:
        """A worker's life begins, while these workers are ready; `states`: what the rig says."""
        for name in self._after[worker]:
            # One that has died is settled until its end is told. One that failed is tried again.
            settled = states[name] in SETTLED or name in self._failed
            if name not in ready and not settled:
                raise Violation(f"I10: {worker} is launched before {name}: {states[name]}")
        self._launched[worker] = now
        self._wanting.discard(worker)

    def fail(self, worker: str, *, wants: bool) -> None:
        """A start has failed; `wants`: for want of something of the system's."""
        self._failed.add(worker)
        self.counts["for want of something" if wants else "of a driver"] += 1
        if wants:
            self._wanting.add(worker)

    def move(self, moved: Moved) -> None:
        """The rig says that a worker's state has changed."""
        is_overdue = moved.reason.startswith("didn't start within")
        if moved.state == Status.BACKOFF and is_overdue:
            self.counts["that took too long"] += 1
            if moved.worker in self._retried:
                self._failed.add(moved.worker)
        if moved.state == Status.READY:
            self.counts["until it went well"] += moved.worker in self._failed
            self._failed.discard(moved.worker)
        elif moved.state == Status.FAILED and moved.worker in self._wanting and not is_overdue:
            raise Violation(f"I10: {moved.worker} is given up, though it may start another time")

    def stop(self, worker: str, living: Iterable[str]) -> None:
        """A worker is told to stop, while these live."""
        for name in living:
            if worker in self._after[name]:
                raise Violation(f"I10: {worker} is told to stop before {name}")

    def look(self, starting: Iterable[str], now: float) -> None:
        """Whether none of those that start has had more than its time, and that for its end."""
        for worker in starting:
            most = self._most.get(worker)
            if most is not None and now > self._launched[worker] + most + EPSILON:
                raise Violation(f"I10: {worker} starts for longer than {most} s")


class GroupsJudge:
    """The promise of a strategy (I10): no life sees two lives of a worker that it relies on.

    Args:
        specs: The workers.
        strategy: Who is restarted with a worker that died.
    """

    def __init__(self, specs: Sequence[ChildSpec], strategy: str) -> None:
        self._after = {spec.name: spec.after for spec in specs}
        self._strategy = strategy
        self._doomed: dict[str, set[str]] = {}  # lives that are to end first, by who has died

    def die(self, worker: str, lives: Mapping[str, str]) -> None:
        """A worker's life has ended in a crash.

        Args:
            worker: Who has died.
            lives: Whose drivers are built, each with what tells its life from others.
        """
        if self._strategy != "one_for_one":
            self._doomed[worker] = {
                life
                for name, life in lives.items()
                if self._strategy == "one_for_all" or self._relies(name, worker)
            }

    def launch(self, worker: str, lives: Iterable[str]) -> None:
        """A worker's life begins while these live."""
        if left := self._doomed.pop(worker, set()) & set(lives):
            raise Violation(f"I10: {worker} is launched before {left} have ended with it")

    def _relies(self, name: str, on: str) -> bool:
        return any(each == on or self._relies(each, on) for each in self._after[name])


def _outcome(kind: str, payload: bytes) -> str:
    if kind in (REPLY, HANDSHAKE):
        return "done"
    if kind == TIMEOUT:
        return NOT_STARTED if msgspec.json.decode(payload) == INVOCATION else UNKNOWN
    if kind in (ERROR, INVALID_MESSAGE):
        outcome: str = msgspec.json.decode(payload)["exception"]["outcome"]
        return outcome
    raise Violation(f"answered with a {kind}")

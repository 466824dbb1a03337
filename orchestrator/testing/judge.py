"""The promises of the product, judged from what a simulated rig's clients and workers saw.

Nothing is read of the core but whether its tables are empty at rest: each worker's starts and
each client's answers are noted here and joined. The numbers are those of the list of invariants:
one answer (I1), a proof of not started (I2), one start (I3), no mixing of lives (I4), order (I5),
bounds (I7), deadlines (I8), the right client (I9), supervision (I10), rest (I14).
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from orchestrator.core.rig import Rig
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
        only: The one life that may begin it; empty for any.
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
    only: str = ""

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

    def removed(self, workers: Sequence[str]) -> None:
        """Workers were removed from the config: nobody waits for them any more."""
        for key, asked in self.open.items():
            waits = asked.worker in workers and asked.given is None
            self._hold(not waits, "I8: waits for a worker that was removed", key)

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
        self._hold(asked.only in ("", token), "I4: meant for another life", key)
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


def judge_tables(core: Rig) -> None:
    """Judge that nothing is left in the tables of a rig that is at rest."""
    broker = core.broker
    left = [
        *broker.ledger.requests,
        *broker.ledger.unanswered,
        *(name for name in broker.peers if broker.queued(name) or broker.running(name)),
    ]
    if left or core.effects or core.next_deadline is not None:
        raise Violation(f"I7, I14: something is left at rest: {left}")


def _outcome(kind: str, payload: bytes) -> str:
    if kind in (REPLY, HANDSHAKE):
        return "done"
    if kind == TIMEOUT:
        return NOT_STARTED if msgspec.json.decode(payload) == INVOCATION else UNKNOWN
    if kind in (ERROR, INVALID_MESSAGE):
        outcome: str = msgspec.json.decode(payload)["exception"]["outcome"]
        return outcome
    raise Violation(f"answered with a {kind}")

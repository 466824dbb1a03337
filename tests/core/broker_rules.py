"""The rules that the broker's core must keep, judged by what a world around it has seen.

They are those that the broker promises to its users. Nothing is read from the core but its
public counts, which must agree with the world's, and in the end its tables, which must be empty.
Every worker keeps a record of its own of what it started, and every client of what it was
answered; `Rules.join` compares the two.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.admission import Caps
from orchestrator.core.broker import Broker
from orchestrator.core.effects import ToWorker
from tests.core.kit import RIG, Answer
from tests.core.told import KeeperTold
from transports.headers import Limits

DESCRIPTION = "get_thing_description"
CAPS = Caps(queue=7, queue_per_client=4, queue_bytes=3000, header=4000, message=8000)
DEFAULTS = {"a": (3.0, 4.0), "b": (None, None)}
"""The workers' configured timeouts: invocation, execution."""


@dataclass(eq=False)
class Life:
    """An incarnation of a worker, as the world sees it."""

    worker: str
    token: str
    open: set[str] = field(default_factory=set)
    ready: bool = False
    told: bool = False
    cut: bool = False
    capacity: dict[str, int] = field(default_factory=lambda: {"q": 1, "c": 0})
    inbox: dict[str, list[tuple[int, Job]]] = field(default_factory=lambda: {"q": [], "c": []})
    running: dict[str, list[tuple[int, Job]]] = field(default_factory=lambda: {"q": [], "c": []})

    @property
    def is_busy(self) -> bool:
        """Whether it has anything to do."""
        return any(self.outstanding(lane) for lane in "qc")

    def outstanding(self, lane: str) -> int:
        """How many requests a lane was given and hasn't answered."""
        return len(self.inbox[lane]) + len(self.running[lane])


@dataclass(eq=False)
class Job:
    """A request that a client sent, and all that became of it."""

    client: str
    id: str
    worker: str
    member: str
    frames: list[bytes]
    arrived: float
    wait: float | None
    run: float | None
    oneway: bool
    order: int
    given: Life | None = None
    given_at: float = 0.0
    returned: bool = False
    answer: Answer | None = None
    settled: bool = False

    @property
    def size(self) -> int:
        """Bytes of header, payload and raw frame."""
        return sum(len(frame) for frame in self.frames[2:])

    @property
    def deadline(self) -> float | None:
        """When it must have been answered, in its present state."""
        if self.given is None:
            return None if self.wait is None else self.arrived + self.wait
        return None if self.run is None else self.given_at + self.run


class Rules:
    """What the world knows, and what must hold of it."""

    def __init__(self) -> None:
        self.effects: deque[Any] = deque()
        self.broker = Broker(RIG, self.effects, KeeperTold(self.effects), CAPS)
        self.now = 1000.0
        self.seen: Counter[str] = Counter()
        self.jobs: dict[tuple[str, str], Job] = {}
        self.open: dict[tuple[str, str], Job] = {}  # those that aren't settled
        self.calls: set[tuple[str, str]] = set()  # to the broker itself
        self.lives: dict[str, Life | None] = {}
        self.closed: dict[str, bool] = {}
        self.concurrent: dict[str, set[str]] = {}
        self.described: set[str] = set()
        self.dead: list[Life] = []
        self.losing: Life | None = None
        self.incarnations = 0
        self.started: list[tuple[str, str, str]] = []  # the workers' record: client, id, token
        self.journal: list[tuple[str, Answer]] = []  # the clients' record
        self.served: dict[tuple[str, str, str], Counter[str]] = {}
        for name, (wait, run) in DEFAULTS.items():
            self.broker.add_worker(name, Limits(wait, run))
            self.lives[name] = None
            self.closed[name] = False
            self.concurrent[name] = set()

    # -- the rules, as things happen ------------------------------------------------------

    def judge_dispatch(self, effect: ToWorker) -> None:
        """A worker is sent a request, or told to stop."""
        routing_id, _, header, _, _ = (bytes(frame) for frame in effect.frames)
        token, lane = routing_id.decode().split(".")
        (life,) = [each for each in self.lives.values() if each and each.token == token]  # I4
        if effect.number == 0:
            assert life.told
            return
        asked = json.loads(header)
        job = self.jobs[asked["senderID"], asked["messageID"]]
        assert job.given is None, "I3: given to a worker a second time"
        assert job.answer is None, "I2: given to a worker after it was answered"
        assert not job.settled
        assert life.worker == job.worker
        assert life.ready
        assert not life.told, "given to a worker that was told to stop"
        assert not self.closed[job.worker]
        assert lane == self.lane_of(job)
        if life.cut:
            self.fail_to_send(effect.number, job, lane)
            return
        assert lane in life.open
        assert life.outstanding(lane) < life.capacity[lane], "more than the lane's credit"
        assert job.wait is None or self.now < job.arrived + job.wait, "I8: started too late"
        waiting = [other for other in self.waiting(job.worker) if self.lane_of(other) == lane]
        earlier = [o for o in waiting if o.client == job.client and o.order < job.order]
        assert not earlier, "I5: started before an earlier one of its client"
        self.judge_turn(job, lane, waiting)
        job.given, job.given_at = life, self.now
        life.inbox[lane].append((effect.number, job))

    def fail_to_send(self, number: int, job: Job, lane: str) -> None:
        """A worker can't be reached: the request comes back, its turn doesn't count."""
        self.seen["unreachable"] += 1
        job.returned = True
        life = self.lives[job.worker]
        assert life is not None
        life.open.discard(lane)
        self.served.pop((job.worker, lane, job.client), None)
        self.broker.unreachable(number, self.now)

    def judge_turn(self, job: Job, lane: str, waiting: list[Job]) -> None:
        """I6: while a client waits, each other client has one turn at most before it."""
        self.served.pop((job.worker, lane, job.client), None)
        for client in {other.client for other in waiting} - {job.client}:
            turns = self.served.setdefault((job.worker, lane, client), Counter())
            turns[job.client] += 1
            assert turns[job.client] == 1, "I6: a waiting client was overtaken twice"

    def over(self, job: Job) -> None:
        """A request is settled: answered, or oneway and at its end."""
        job.settled = True
        self.open.pop((job.client, job.id), None)

    def forget_turns(self, settled: Job) -> None:
        """A client that doesn't wait for a lane any more isn't overtaken there."""
        place = settled.client, self.lane_of(settled)
        if not any(
            (job.client, self.lane_of(job)) == place for job in self.waiting(settled.worker)
        ):
            self.served.pop((settled.worker, place[1], place[0]), None)

    def judge_answer(self, answer: Answer) -> None:
        """A client is answered."""
        self.journal.append((answer.client, answer))
        assert answer.header["receiverID"] == answer.client, "I9: not to its requester"
        job = self.jobs.get((answer.client, answer.id))
        if job is None:
            assert (answer.client, answer.id) in self.calls, "I1: an answer to nobody's request"
            return
        assert job.answer is None, "I1: a second answer"
        assert not job.settled
        self.seen[f"answer {' '.join(map(str, self.verdict(job, answer)))}"] += 1
        job.answer = answer
        self.over(job)
        self.forget_turns(job)

    def verdict(self, job: Job, answer: Answer) -> tuple[str, ...]:
        """Judge an answer by what the world knows of its request; name its kind."""
        kind, value = answer.kind, answer.value
        if kind == "TIMEOUT" and value == "invokation":
            assert job.given is None, "I2: said not to be started, but was"
            assert self._at_once(job) or self.now >= (job.deadline or 0) > job.arrived
            return kind, value
        if kind == "TIMEOUT":
            assert value == "execution"
            assert job.given is not None
            assert job.deadline is not None
            assert self.now >= job.deadline, "timed out too early"
            return kind, value
        if kind == "INVALID_MESSAGE":
            assert answer.error["type"] == "BufferError"
            assert job.given is None
            assert self._is_full(job), "refused for room, but there was room"
            return kind, "BufferError"
        assert not job.oneway, "an answer that nobody wants"
        if kind == "REPLY" and "td" in value:
            assert (job.member, value["td"]) == (DESCRIPTION, job.worker)
            assert job.given is None
            return kind, "description"
        outcome = answer.error["outcome"] if kind == "EXCEPTION" else "done"
        if outcome == "not started":
            assert job.given is None, "I2: said not to be started, but was"
            assert self.closed[job.worker]
            return kind, outcome
        assert job.given is not None
        if outcome == "unknown":
            assert job.given is self.losing, "unknown, but its worker lives"
            return kind, outcome
        said = value if kind == "REPLY" else answer.error["notes"]
        assert said == [job.given.token, job.client, job.id], "I9: somebody else's reply"
        assert job.given is self.lives[job.worker], "I4: a dead incarnation's reply"
        assert (job.client, job.id, job.given.token) in self.started
        return kind, outcome

    # -- the rules, at any time -----------------------------------------------------------

    def judge_state(self) -> None:
        """Nothing overdue, nothing idle while work waits, all counts right."""
        open_jobs = list(self.open.values())
        deadlines = [job.deadline for job in open_jobs if job.deadline is not None]
        assert all(deadline > self.now for deadline in deadlines), "I8: not answered in time"
        assert self.broker.ledger.deadlines.next() == min(deadlines, default=None)
        assert len(self.broker.ledger.unanswered) == len(open_jobs)
        running = 0
        for name, life in self.lives.items():
            waiting = self.waiting(name)
            assert not (waiting and self.closed[name]), "waits for a worker that is given up"
            fresh = [job for job in waiting if not job.returned]
            assert len(fresh) <= CAPS.queue, "I7"
            by_client = Counter(job.client for job in fresh)
            assert max(by_client.values(), default=0) <= CAPS.queue_per_client, "I7"
            assert sum(job.size for job in fresh) <= CAPS.queue_bytes, "I7"
            assert self.broker.queued(name) == len(waiting)
            assert self.broker.peers[name].waiting_bytes == sum(job.size for job in waiting)
            busy = life.outstanding("q") + life.outstanding("c") if life else 0
            assert len(self.broker.running(name)) == busy
            running += busy
            if life and life.ready and not life.told and not self.closed[name]:
                for lane in life.open:
                    idle = life.outstanding(lane) < life.capacity[lane]
                    work = [job for job in waiting if self.lane_of(job) == lane]
                    assert not (idle and work), "idle while work waits"
        assert len(self.broker.ledger.requests) == running + sum(
            job.given is None for job in open_jobs
        )

    def join(self) -> None:
        """All is over: compare the workers' record with the clients', and find all tables empty."""
        starts = Counter((client, id_) for client, id_, _ in self.started)
        assert max(starts.values(), default=0) <= 1, "I3"
        answers = Counter((client, answer.id) for client, answer in self.journal)
        for key, job in self.jobs.items():
            assert job.settled
            assert answers[key] == (0 if job.answer is None else 1)
            assert job.oneway or answers[key] == 1, "I1: never answered"
            if job.answer is not None and _says_not_started(job.answer):
                assert starts[key] == 0, "I2"
        ledger = self.broker.ledger
        assert len(ledger.requests) == len(ledger.unanswered) == len(ledger.deadlines) == 0
        assert self.broker.ledger.deadlines.next() is None
        assert (ledger.held.by_client, ledger.held.total) == ({}, 0)
        for peer in self.broker.peers.values():
            assert (peer.waiting, peer.waiting_bytes, peer.running()) == (0, 0, [])
            assert not any(lane.queue._clients for lane in peer.lanes)

    # -- looks ----------------------------------------------------------------------------

    def waiting(self, worker: str) -> list[Job]:
        """The requests that wait for a worker."""
        return [job for job in self.open.values() if job.worker == worker and job.given is None]

    def lane_of(self, job: Job) -> str:
        """The lane that a request belongs to by what its worker declared last.

        None for a description that the broker can give itself.
        """
        if job.member == DESCRIPTION and job.worker in self.described:
            return ""
        return "c" if job.member in self.concurrent[job.worker] else "q"

    def _at_once(self, job: Job) -> bool:
        return any(limit is not None and limit <= 0 for limit in (job.wait, job.run))

    def _is_full(self, job: Job) -> bool:
        others = [other for other in self.waiting(job.worker) if other is not job]
        return (
            len(others) >= CAPS.queue
            or sum(other.client == job.client for other in others) >= CAPS.queue_per_client
            or sum(other.size for other in others) + job.size > CAPS.queue_bytes
        )


def _says_not_started(answer: Answer) -> bool:
    if answer.kind == "TIMEOUT":
        return bool(answer.value == "invokation")
    return (
        answer.kind in ("EXCEPTION", "INVALID_MESSAGE") and answer.error["outcome"] == "not started"
    )

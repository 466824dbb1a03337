"""A world around the broker's core: clients, workers that die, and the rules that must hold.

The rules are those that the broker promises to its users. They are judged from what the world
sees itself: what was asked, what reached a worker, what was answered. Nothing is read from the
core but its public counts, which must agree with the world's.

Every worker keeps a record of its own of what it started, and every client of what it was
answered; `World.join` compares the two when all is over.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.broker import Broker
from orchestrator.effects import Describe, ToClient, ToWorker
from orchestrator.intake import Caps
from tests.orchestrator.kit import CONTROL, RIG, Answer, reply_frames, request
from transports.messages import Limits

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


class World:
    """Clients, workers and a broker's core between them."""

    def __init__(self) -> None:
        self.broker = Broker(RIG, CAPS)
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

    # -- what clients do ------------------------------------------------------------------

    def new_id(self, client: str) -> str:
        """An id that this client hasn't used; other clients have used the same."""
        asked = [key for key in [*self.jobs, *self.calls] if key[0] == client]
        return str(len(asked) + 1)

    def ask(
        self, client: str, worker: str, member: str, context: dict[str, Any], payload: bytes
    ) -> None:
        """Send a request. Timeouts that the context leaves out are the worker's."""
        id_ = self.new_id(client)
        wait, run = DEFAULTS[worker]
        job = Job(
            client=client,
            id=id_,
            worker=worker,
            member=member,
            frames=request(
                id_, worker, member, client=client, payload=payload,
                context=context | {"defaults": True},
            ),
            arrived=self.now,
            wait=_first(context, ("invokation_timeout", "invokationTimeout"), wait),
            run=_first(context, ("execution_timeout", "executionTimeout"), run),
            oneway=bool(context.get("oneway")),
            order=len(self.jobs),
        )  # fmt: skip
        self.jobs[client, id_] = self.open[client, id_] = job
        told_nothing = self.closed[worker] or self.lane_of(job) == ""
        if job.oneway and told_nothing and not self._at_once(job):
            self.over(job)
        self.broker.receive_client(job.frames, self.now)
        self.settle()

    def call(self, frames: list[bytes], kind: str, count: int | None = None) -> Answer:
        """Send what the broker answers itself, at once and alone."""
        client = frames[0].decode()
        self.calls.add((client, self.new_id(client)))
        before = len(self.journal)
        self.broker.receive_client(frames, self.now, count)
        self.settle()
        ((to, answer),) = self.journal[before:]
        assert (to, answer.kind) == (client, kind)
        return answer

    def unanswered_call(self, frames: list[bytes], count: int | None = None) -> None:
        """Send what must have no effect at all."""
        before, given = len(self.journal), len(self.started)
        size = len(self.broker)
        self.broker.receive_client(frames, self.now, count)
        self.settle()
        assert (len(self.journal), len(self.started), len(self.broker)) == (before, given, size)

    # -- what workers do ------------------------------------------------------------------

    def launch(self, worker: str) -> Life:
        """Await a new incarnation."""
        assert self.lives[worker] is None
        if self.closed[worker]:
            self.hold(worker)
        self.incarnations += 1
        life = Life(worker, f"{worker}-{self.incarnations}")
        self.lives[worker] = life
        self.broker.expect(worker, self.incarnations, life.token)
        self.settle()
        return life

    def open_lane(self, life: Life, lane: str) -> None:
        """A lane's first message; also its return after it was cut off."""
        life.cut = False
        life.open.add(lane)
        self.say(life, lane, {"type": "lane_open"})

    def say_ready(self, life: Life, concurrent: Iterable[str], capacity: int) -> None:
        """A driver is built."""
        life.ready = True
        life.capacity = {"q": 1, "c": capacity}
        self.concurrent[life.worker] = set(concurrent)
        self.described.add(life.worker)
        for job in self.waiting(life.worker):
            if job.oneway and self.lane_of(job) == "":
                self.over(job)  # nobody wants the description
        self.served.clear()  # sorted anew: the turns begin anew
        message = {"type": "ready", "concurrent": sorted(concurrent), "capacity": capacity}
        self.say(life, "q", message, b'{"title": "Stage"}')

    def say(self, life: Life, lane: str, message: dict[str, Any], payload: bytes = b"") -> None:
        """Send a control message."""
        self.link(f"{life.token}.{lane}", [CONTROL, json.dumps(message).encode(), payload, b""])

    def link(self, routing_id: str, frames: list[bytes]) -> None:
        """Send frames from the private side."""
        self.broker.receive_link([routing_id.encode(), *frames], self.now)
        self.settle()

    def begin(self, life: Life, lane: str) -> None:
        """A worker takes the next request and starts it: its record is the ground truth."""
        number, job = life.inbox[lane].pop(0)
        life.running[lane].append((number, job))
        self.started.append((job.client, job.id, life.token))

    def finish(self, life: Life, lane: str, index: int, kind: str) -> None:
        """A worker ends an operation and replies."""
        number, job = life.running[lane].pop(index)
        if job.oneway:
            self.over(job)
        self.link(f"{life.token}.{lane}", reply(number, job, life, kind))

    def end(self, life: Life, *, holds: bool) -> None:
        """An incarnation is over."""
        self.lives[life.worker] = None
        self.dead.append(life)
        for lane in "qc":
            for _, job in [*life.inbox[lane], *life.running[lane]]:
                if job.oneway:
                    self.over(job)
        if not holds:
            self._close(life.worker)
        self.losing = life
        self.broker.lost(life.worker, self.now, reason="died", holds=holds)
        self.perform()
        self.losing = None
        self.settle()

    def stop(self, life: Life, *, hold: bool) -> None:
        """The supervisor asks a worker to stop."""
        could = "q" in life.open
        life.told = True
        if hold:
            self.closed[life.worker] = False
        else:
            self._close(life.worker)
        told = self.broker.ask_to_stop(life.worker, self.now, hold=hold, reason="stopping")
        assert told is could
        self.settle()

    def refuse(self, worker: str) -> None:
        """The supervisor gives a worker up."""
        self._close(worker)
        self.broker.refuse(worker, "given up")
        self.settle()

    def hold(self, worker: str) -> None:
        """The supervisor will start a worker again."""
        self.closed[worker] = False
        self.broker.hold(worker)
        self.settle()

    def _close(self, worker: str) -> None:
        self.closed[worker] = True
        self.served.clear()  # nobody waits there any more; that others are forgotten too is fine
        for job in self.waiting(worker):
            if job.oneway:
                self.over(job)

    # -- time -----------------------------------------------------------------------------

    def settle(self) -> None:
        """Perform what the core wants, then let it look at the clock, as a loop does."""
        self.perform()
        self.broker.tick(self.now)
        self.perform()

    def perform(self) -> None:
        """Perform effects until there are none."""
        while effects := self.broker.take_effects():
            for effect in effects:
                match effect:
                    case ToClient():
                        self.judge_answer(Answer.read(effect))
                    case ToWorker():
                        self.judge_dispatch(effect)
                    case Describe():
                        assert effect.worker in self.described
                        answer = json.dumps({"td": effect.worker}).encode()
                        self.broker.described(effect.number, "REPLY", answer)

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
        assert self.broker.next_deadline == min(deadlines, default=None)
        assert self.broker.unanswered == len(open_jobs)
        running = 0
        for name, life in self.lives.items():
            waiting = self.waiting(name)
            assert not (waiting and self.closed[name]), "waits for a worker that is given up"
            fresh = [job for job in waiting if not job.returned]
            assert len(fresh) <= CAPS.queue, "I7"
            assert max(Counter(job.client for job in fresh).values(), default=0) <= 4, "I7"
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
        assert len(self.broker) == running + sum(job.given is None for job in open_jobs)

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
        assert len(self.broker) == self.broker.unanswered == 0
        assert self.broker.next_deadline is None
        assert len(self.broker._deadlines) == 0
        assert not self.broker._keys
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


def reply(number: int, job: Job, life: Life, kind: str) -> list[bytes]:
    """A worker's answer, which says whose it is and from whom."""
    said = [life.token, job.client, job.id]
    body = {"traceback": ["x"], "notes": said, "outcome": "failed"}
    value = said if kind == "REPLY" else {"exception": body}
    return [number.to_bytes(8, "big"), *reply_frames(json.loads(job.frames[2]), value, kind)]


def _first(context: dict[str, Any], names: Iterable[str], missing: float | None) -> float | None:
    for name in names:
        if name in context:
            value: float | None = context[name]
            return value
    return missing


def _says_not_started(answer: Answer) -> bool:
    if answer.kind == "TIMEOUT":
        return bool(answer.value == "invokation")
    return (
        answer.kind in ("EXCEPTION", "INVALID_MESSAGE") and answer.error["outcome"] == "not started"
    )

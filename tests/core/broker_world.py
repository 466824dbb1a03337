"""A world around the broker's core: clients, workers that die, a supervisor and a clock."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from orchestrator.core.effects import Describe, ToClient, ToWorker
from tests.core.broker_rules import DEFAULTS, Job, Life, Rules
from tests.core.kit import CONTROL, Answer, reply_frames, request
from tests.core.told import taken


class World(Rules):
    """Clients and workers around a broker's core; all that happens is judged."""

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
        size = len(self.broker.ledger.requests)
        self.broker.receive_client(frames, self.now, count)
        self.settle()
        assert (len(self.journal), len(self.started), len(self.broker.ledger.requests)) == (
            before,
            given,
            size,
        )

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
        while effects := taken(self.effects):
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

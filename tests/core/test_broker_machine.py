"""The broker's core in random worlds: every promise, under every fault, in every order."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any, ClassVar

import pytest
from hypothesis.stateful import invariant

from tests.core.broker_rules import DESCRIPTION, Life
from tests.core.broker_world import World, reply
from tests.core.kit import CONTROL, RIG, request
from tests.core.moves import Machine, Moves, mover, run_long, run_short

pytestmark = pytest.mark.unmeasured

MALFORMED: list[dict[str, Any]] = [
    {"without": ["receiverID"]},
    {"thingID": 5},
    {"context": []},
    {"context": {"execution_timeout": "x"}},
    {"worker": "nobody"},
    {"messageType": "EXIT"},
    {"messageType": "REPLY"},
    {"objekt": "x" * 5000},
    {"payload": b"x" * 9000},
    {"operation": "pending", "payload": b'["\xff"]'},
]
CONTEXTS: list[dict[str, Any]] = [
    {},
    {},
    {"oneway": True},
    {"oneway": True, "invokation_timeout": 1, "execution_timeout": 1},
    {"oneway": True, "execution_timeout": 0},
    {"invokation_timeout": 1, "executionTimeout": 2.5},
    {"invokationTimeout": None, "executionTimeout": 1},
    {"invokation_timeout": 6, "execution_timeout": 6},
    {"invokation_timeout": None, "execution_timeout": None},
    {"invokationTimeout": 0},
]
GARBAGE = [
    [],
    [CONTROL],
    [b"", b"", b"", b""],
    [CONTROL, b"\xff", b"", b""],
    [CONTROL, b'{"type": "ready"}', b"{", b""],
    [CONTROL, b'{"type": "stop"', b"", b"", b""],
]
NOISE = ["malformed", "miscounted", "handshake", "ask what is pending"]
DISTURBANCES = ["late", "garbage", "stranger"]

CLIENTS, WORKERS = ["ann", "bob", "cyd"], ["a", "b"]
PICKS, PAUSES, EITHER = list(range(6)), [0, 0, 0, 0.5, 1], [False, True]
MOVES: Moves = {
    "begin_with": {"up": ["ab", "ab", "a", ""], "concurrent": EITHER},
    "ask": {
        "client": CLIENTS,
        "worker": WORKERS,
        "member": ["move", "peek", "move", "peek", DESCRIPTION],
        "context": CONTEXTS,
        "pause": PAUSES,
        "prompt": EITHER,
    },
    "ask_often": {
        "client": CLIENTS,
        "worker": WORKERS,
        "members": [["move"] * 2, ["move"] * 5, ["peek"] * 4, ["move", "peek", "move"]],
        "size": [4, 4, 4, 900],
        "prompt": EITHER,
    },
    "repeat": {"index": PICKS, "changes": [{}, {}, {"messageType": "HANDSHAKE"}, *MALFORMED[:8]]},
    "noise": {"client": CLIENTS, "kind": NOISE, "changes": MALFORMED},
    "rise": {
        "index": PICKS,
        "concurrent": EITHER,
        "steps": ["up", "up", "launch", "stop early"],
        "pause": PAUSES,
    },
    "work": {"index": PICKS, "count": PICKS},
    "finish": {"index": PICKS, "kind": ["REPLY", "EXCEPTION"], "pause": PAUSES},
    "die": {"index": PICKS, "how": ["die", "die", "cut off"], "late": EITHER},
    "disturb": {"index": PICKS, "kind": DISTURBANCES, "garbage": GARBAGE},
    "supervise": {
        "worker": WORKERS,
        "wish": ["stop", "restart", "hold", "refuse"],
        "hold": EITHER,
    },
    "wait": {"seconds": [0.5, 0.5, 1, 3, 10, None, None]},
}
WEIGHTS = {"ask": 10, "ask_often": 3, "rise": 8, "work": 5, "finish": 8, "die": 2, "wait": 2}
SITUATIONS = [
    *("ask", "ask often", "repeat waiting", "repeat running", *NOISE, *DISTURBANCES, "cut off"),
    *("launch", "open lane", "ready", "begin", "re-laned while waiting", "unreachable"),
    *("ready after it was told to stop", "finish q", "finish c", "finish overdue"),
    *("die idle", "die queued", "die given", "die in flight", "die replying"),
    *("late, with successor", "refuse", "hold", "restart", "wait", "wait for the deadline"),
    *("stop idle, hold", "stop idle, refuse", "stop busy, hold", "stop busy, refuse"),
    *("answer REPLY done", "answer EXCEPTION failed", "answer REPLY description"),
    *(
        "answer TIMEOUT invokation",
        "answer TIMEOUT execution",
        "answer INVALID_MESSAGE BufferError",
    ),
    *("answer EXCEPTION unknown", "answer EXCEPTION not started"),
]
move = mover(MOVES)


class BrokerMachine(Machine):
    """Moves of clients, workers, supervisor and clock, in any order."""

    moves: ClassVar[Moves] = MOVES
    weights: ClassVar[dict[str, int]] = WEIGHTS
    situations: ClassVar[list[str]] = SITUATIONS
    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @move
    def begin_with(self, up: str, concurrent: bool) -> None:
        """Most worlds begin with workers up."""
        for worker in up:
            self.bring_up(worker, concurrent)

    def can(self, move: str) -> bool:
        """Whether a move makes sense now."""
        world, lives = self.world, self.lives()
        match move:
            case "repeat":
                return bool(world.open)
            case "rise":
                return len(lives) < len(world.lives) or bool(self.shut_lanes())
            case "work":
                return any(life.is_busy for life in lives)
            case "finish":
                return any(life.running["q"] + life.running["c"] for life in lives)
            case "die":
                return bool(lives)
            case "disturb":
                return bool(lives and world.dead)
        return True

    def lives(self) -> list[Life]:
        return [life for life in self.world.lives.values() if life]

    def pass_time(self, pause: float) -> None:
        """Time passes before the next move, and the clock isn't looked at in between."""
        self.world.now += pause

    # -- clients --------------------------------------------------------------------------

    @move
    def ask(
        self,
        client: str,
        worker: str,
        member: str,
        context: dict[str, Any],
        pause: float,
        prompt: bool,
    ) -> None:
        self.pass_time(pause)
        self.seen["ask"] += 1
        self.world.ask(client, worker, member, context, b"null")
        if prompt:
            self.begin_all()

    @move
    def ask_often(
        self, client: str, worker: str, members: list[str], size: int, prompt: bool
    ) -> None:
        self.seen["ask often"] += 1
        for member in members:
            self.world.ask(client, worker, member, {"invokation_timeout": 6}, b"1" * size)
        if prompt:
            self.begin_all()

    @move
    def repeat(self, index: int, changes: dict[str, Any]) -> None:
        """A message with the id of a pending request: exactly it, or something else."""
        pending = list(self.world.open.values())
        job = pending[index % len(pending)]
        self.seen["repeat running" if job.given else "repeat waiting"] += 1
        changed = request(job.id, client=job.client, **{"worker": job.worker, **changes})
        self.world.unanswered_call(changed if changes else job.frames)

    @move
    def noise(self, client: str, kind: str, changes: dict[str, Any]) -> None:
        """What the broker answers itself, at once, whatever goes on."""
        self.seen[kind] += 1
        world = self.world
        id_ = world.new_id(client)
        if kind == "malformed":
            frames = request(id_, client=client, **{"worker": "a", **changes})
            assert world.call(frames, "INVALID_MESSAGE").error["outcome"] == "not started"
        elif kind == "miscounted":
            count = (3, 4, 6, 900)[MALFORMED.index(changes) % 4]
            frames = request(id_, "a", client=client)[:count]
            assert world.call(frames, "INVALID_MESSAGE", count).error["type"] == "ValueError"
        elif kind == "handshake":
            frames = request(id_, client=client, messageType="HANDSHAKE")
            assert world.call(frames, "HANDSHAKE").value is None
        else:
            jobs = [job for job in world.jobs.values() if job.client == client]
            ids = json.dumps([job.id for job in jobs] + ["never"]).encode()
            frames = request(id_, RIG, "", client=client, operation="pending", payload=ids)
            held = [job.id for job in jobs if not job.settled]
            assert world.call(frames, "REPLY").value == held

    # -- workers --------------------------------------------------------------------------

    @move
    def rise(self, index: int, concurrent: bool, steps: str, pause: float) -> None:
        """A worker is launched, or does its next step towards being ready, or connects anew."""
        self.pass_time(pause)
        absent = [name for name, life in self.world.lives.items() if life is None]
        unready = [life for life in self.lives() if not life.ready]
        shut = self.shut_lanes()
        if unready and index % 3 == 0:
            self.seen["ready"] += 1
            self.become_ready(unready[0], concurrent)
        elif shut and (index % 3 == 1 or not absent):
            self.seen["open lane"] += 1
            self.world.open_lane(*shut[index % len(shut)])
        elif absent:
            self.seen["launch"] += 1
            self.bring_up(absent[0], concurrent, steps)

    def shut_lanes(self) -> list[tuple[Life, str]]:
        return [(life, lane) for life in self.lives() for lane in "qc" if lane not in life.open]

    def bring_up(self, worker: str, concurrent: bool, steps: str = "up") -> None:
        life = self.world.launch(worker)
        if steps == "launch":
            return
        for lane in "qc":
            self.world.open_lane(life, lane)
        if steps == "stop early":
            self.world.stop(life, hold=True)
        self.become_ready(life, concurrent)

    def become_ready(self, life: Life, concurrent: bool) -> None:
        peeks = [job for job in self.world.waiting(life.worker) if job.member == "peek"]
        if peeks and concurrent != bool(self.world.concurrent[life.worker]):
            self.seen["re-laned while waiting"] += 1
        if life.told:
            self.seen["ready after it was told to stop"] += 1
        self.world.say_ready(life, {"peek"} if concurrent else (), 2 if concurrent else 0)

    @move
    def work(self, count: int, index: int) -> None:
        """Workers start what they were given, and end some of it, one after the other."""
        self.begin_all()
        for each in range(index, index + count):
            if any(life.is_busy for life in self.lives()):
                self.finish_one(each, "REPLY")
                self.begin_all()

    @move
    def finish(self, index: int, kind: str, pause: float) -> None:
        """A worker ends something that it had started; its next task waits to be begun."""
        self.pass_time(pause)
        self.finish_one(index, kind)

    def begin_all(self) -> None:
        for life in self.lives():
            for lane in "qc":
                while life.inbox[lane]:
                    self.seen["begin"] += 1
                    self.world.begin(life, lane)

    def finish_one(self, index: int, kind: str) -> None:
        busy = [(life, lane) for life in self.lives() for lane in "qc" if life.running[lane]]
        life, lane = busy[index % len(busy)]
        place = index % len(life.running[lane])
        job = life.running[lane][place][1]
        self.seen["finish overdue" if job.answer else f"finish {lane}"] += 1
        self.world.finish(life, lane, place, kind)

    # -- faults ---------------------------------------------------------------------------

    @move
    def die(self, index: int, how: str, late: bool) -> None:
        """A worker dies, its replies perhaps still on the wire, or nothing reaches it any more."""
        life = self.lives()[index % len(self.lives())]
        if how == "cut off":
            self.seen[how] += 1
            life.cut = True
            return
        state = "idle"
        if life.running["q"] + life.running["c"]:
            state = "replying" if late else "in flight"
        elif life.is_busy:
            state = "given"
        elif self.world.waiting(life.worker):
            state = "queued"
        self.seen[f"die {state}"] += 1
        self.world.end(life, holds=index % 2 == 0)
        if late:
            self.come_late(life)

    @move
    def disturb(self, index: int, kind: str, garbage: list[bytes]) -> None:
        """Frames that make no sense, come from nobody known, or long after their sender died."""
        world, life = self.world, self.lives()[index % len(self.lives())]
        dead = world.dead[index % len(world.dead)]
        if kind == "late":
            self.seen["late, with successor" if world.lives[dead.worker] else "late"] += 1
            self.come_late(dead)
        else:
            self.seen[kind] += 1
            table = world.broker.ledger.requests
            before = len(world.journal), len(world.started), len(table)
            world.link(f"{life.token}.q" if kind == "garbage" else "a-999.q", garbage)
            assert before == (len(world.journal), len(world.started), len(table))

    def come_late(self, life: Life) -> None:
        """All that a dead incarnation may have sent arrives, and nobody hears of it."""
        before = len(self.world.journal), len(self.world.started)
        successor = self.world.lives[life.worker]
        for lane in "qc":
            for number, job in life.running[lane] + life.inbox[lane]:
                frames = reply(number, job, life, "REPLY")
                self.world.link(f"{life.token}.{lane}", frames)
                if successor:  # and its number from the successor, which wasn't given it
                    self.world.link(f"{successor.token}.{lane}", frames)
        self.world.say(life, "q", {"type": "lane_open"})
        self.world.say(life, "q", {"type": "ready"}, b"{}")
        assert (len(self.world.journal), len(self.world.started)) == before

    # -- supervisor -----------------------------------------------------------------------

    @move
    def supervise(self, worker: str, wish: str, hold: bool) -> None:
        """A stop, all of a restart, a refusal, or the news that a worker will start again."""
        world, life = self.world, self.world.lives[worker]
        if life and wish in ("stop", "restart"):
            busy = "busy" if life.outstanding("q") else "idle"
            self.seen[f"stop {busy}, {'hold' if hold else 'refuse'}"] += 1
            world.stop(life, hold=hold)
            if wish == "restart":
                self.seen["restart"] += 1
                world.end(life, holds=hold)
                self.bring_up(worker, hold)
        elif wish == "refuse":
            self.seen["refuse"] += 1
            world.refuse(worker)
        elif wish == "hold" and (life is None or life.told):
            # Only a worker without a living incarnation, or with one that stops, is held.
            self.seen["hold"] += 1
            world.hold(worker)

    # -- clock ----------------------------------------------------------------------------

    @move
    def wait(self, seconds: float | None) -> None:
        """Time passes: so much, or until the next deadline, when something must happen."""
        deadline = self.world.broker.ledger.deadlines.next()
        if seconds is not None or deadline is None:
            self.seen["wait"] += 1
            self.pass_time(seconds or 0)
            self.world.settle()
            return
        self.seen["wait for the deadline"] += 1
        self.world.now = deadline
        before = len(self.world.journal)
        self.world.settle()
        assert len(self.world.journal) > before, "woken for nothing"

    # -- always, and at the end -----------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        self.world.judge_state()

    def teardown(self) -> None:
        """Faults end; everything must settle and nothing be left."""
        if sys.exc_info()[0] is not None:
            return  # a rule was broken; what follows from that would only hide it
        world = self.world
        for name, life in world.lives.items():
            if life and not (life.told or world.closed[name]):
                for lane in "qc":
                    world.open_lane(life, lane)
                if not life.ready:
                    world.say_ready(life, ["peek"], 1)
            while life and life.is_busy:
                self.begin_all()
                self.finish_one(0, "REPLY")
            if life:
                world.end(life, holds=bool(world.waiting(name)))
            if world.waiting(name):
                world.refuse(name)
        world.judge_state()
        world.join()
        self.seen.update(world.seen)


@pytest.mark.timeout(300)  # only to find the smallest failure
def test_random_worlds() -> None:
    """I1 to I9 hold whatever clients, workers, supervisor and clock do."""
    run_short(BrokerMachine, runs=250, steps=50)


def test_long_worlds() -> None:
    """They hold in long and busy worlds, too; each fault hits each state, each answer is given."""
    run_long(BrokerMachine, seeds=range(150), steps=400)

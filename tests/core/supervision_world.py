"""A world around the supervisor's core: simulated processes, and the rules that must hold.

The world knows which processes live, what was wished for, and how each process ended. From this
it judges every effect and predicts every state; it reads the core's states only to compare.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.children import ChildSpec, Exit
from orchestrator.core.effects import Launch, Signal
from orchestrator.core.states import Status
from orchestrator.core.supervision import Supervision
from tests.core.told import AskToStop, HolderTold, Lost, taken

SPECS = (  # not in the order of their starts, on purpose
    ChildSpec("c", after=("a", "b"), intensity=2, period=10.0, start_timeout=7.0),
    ChildSpec("a", intensity=2, period=10.0, start_timeout=None, stop_timeout=3.0),
    ChildSpec("d", after=("c",), restart="transient", intensity=1, period=10.0),
    ChildSpec(
        "b", after=("a",), restart_on_overrun=True, intensity=3, period=5.0, retry_start=False
    ),
    ChildSpec("e", restart="temporary"),
)
DONE = Exit("ended with status 0", normal=True)
CRASH = Exit("killed by SIGSEGV", normal=False)
USELESS = Exit("ended with status 3", normal=False, unusable=True)
NAMES = tuple(spec.name for spec in SPECS)
AFTER = {spec.name: spec.after for spec in SPECS}


@dataclass(eq=False)
class Process:
    """A living incarnation.

    Attributes:
        ready: It has said so.
        ready_at: When.
        unbuilt: It has said that its driver couldn't be built.
        leaving: `stop` or `restart`, if it was asked for; its turn may not have come.
        told: It was asked to stop, or killed.
        due: The signal that is due, and when.
        stalled: An operation keeps others waiting.
        overrun: It is being ended, since an operation overran.
        overdue: It is being ended, since its start took too long.
    """

    incarnation: int
    launched: float
    ready: bool = False
    ready_at: float = 0.0
    unbuilt: bool = False
    leaving: str = ""
    told: bool = False
    due: tuple[str, float] | None = None
    stalled: bool = False
    overrun: bool = False
    overdue: bool = False

    @property
    def ending(self) -> bool:
        """It is about to end, by itself or by signals."""
        return self.told or self.unbuilt or self.overrun or self.overdue


@dataclass
class Worker:
    """What the world knows of a worker over all its processes."""

    spec: ChildSpec
    wished: bool = False
    process: Process | None = None
    launched: int = 0
    ever_ready: bool = False
    pause_until: float | None = None
    failed: bool = False
    restarts: list[float] = field(default_factory=list)
    lost_due: bool = False
    failures: int = 0
    crashes: int = 0


class SupervisedWorld:
    """Processes that live and die as told, or not."""

    def __init__(self) -> None:
        self.effects: deque[Any] = deque()
        self.holder = HolderTold(self.effects)
        self.core = Supervision(SPECS, self.effects, self.holder)
        self.now = 50.0
        self.workers = {spec.name: Worker(spec) for spec in SPECS}
        self.closing = False
        self.killing = False
        self.seen: Counter[str] = Counter()

    # -- wishes ---------------------------------------------------------------------------

    def start(self, names: Iterable[str]) -> None:
        """Wish workers to run."""
        for worker in [] if self.closing else [self.workers[name] for name in names]:
            process = worker.process
            if process is None and self.status(worker) is not Status.WAITING:
                self._begin_anew(worker)
            elif process and process.leaving == "stop" and not process.told:
                self.seen["a stop is taken back"] += 1
                process.leaving = ""
            worker.wished = True
        self.core.start(names, self.now)
        self.perform()

    def restart(self, names: Iterable[str]) -> None:
        """Wish workers to run anew."""
        for worker in [] if self.closing else [self.workers[name] for name in names]:
            worker.wished = True
            if worker.process is None:
                self._begin_anew(worker)
            elif not worker.process.told:
                worker.process.leaving = "restart"
        self.core.restart(names, self.now)
        self.perform()

    def stop(self, names: Iterable[str]) -> None:
        """Wish workers not to run."""
        self._wish_stopped(names)
        self.core.stop(names, self.now)
        self.perform()

    def shut_down(self) -> None:
        """Wish all to be over."""
        self.closing = True
        self._wish_stopped(NAMES)
        self.core.shut_down(self.now)
        self.perform()

    def kill(self) -> None:
        """Wish all to be over now."""
        self.closing = self.killing = True
        self._wish_stopped(NAMES)
        self.core.kill(self.now)
        self.perform()
        self.killing = False
        for worker in self.workers.values():
            assert worker.process is None or (worker.process.told and worker.process.due is None)

    def _begin_anew(self, worker: Worker) -> None:
        worker.restarts.clear()
        worker.failed = False
        worker.failures = worker.crashes = 0
        worker.pause_until = None

    def _wish_stopped(self, names: Iterable[str]) -> None:
        for worker in [self.workers[name] for name in names]:
            worker.wished = False
            worker.pause_until = None
            if worker.process and not worker.process.told:
                worker.process.leaving = "stop"

    # -- what happens ---------------------------------------------------------------------

    def ready(self, name: str) -> None:
        """A process says that it is ready."""
        worker = self.workers[name]
        assert worker.process is not None
        if not worker.process.told and not worker.process.overdue:
            worker.process.ready = worker.ever_ready = True
            worker.process.ready_at = self.now
            worker.failures = 0
        self.core.ready(name, worker.process.incarnation, self.now)
        self.perform()

    def unbuilt(self, name: str) -> None:
        """A process says that it can't build its driver."""
        process = self.workers[name].process
        assert process is not None
        process.unbuilt = True
        process.due = ("kill", self.now + 2)
        error = {"type": "OSError", "message": "no device", "traceback": ["x"]}
        self.core.unbuilt(name, process.incarnation, "build", error, self.now)
        self.perform()

    def exit(self, name: str, how: Exit) -> None:
        """A process is over."""
        worker = self.workers[name]
        process = worker.process
        assert process is not None
        late = how.unusable and not (process.unbuilt or process.leaving or process.told)
        worker.process = None
        if late:  # its reason may still come
            self.core.exited(name, process.incarnation, how, self.now)
            assert taken(self.effects) == []
            self.now += 0.25
            self._end_pauses()
        worker.lost_due = True
        self.seen[f"exit {self.predict(worker, process, how)}"] += 1
        if late:
            self.core.tick(self.now)
        else:
            self.core.exited(name, process.incarnation, how, self.now)
        self.perform()
        assert not worker.lost_due, "what it held was never settled"

    def predict(self, worker: Worker, process: Process, how: Exit) -> str:
        """What becomes of a worker whose process has ended, in the words of its spec."""
        spec = worker.spec
        if process.leaving or process.told:
            return "as asked, again" if worker.wished else "as asked"
        is_retried = spec.retry_start and spec.restart != "temporary"
        if process.overdue:
            self.seen["died of a start that took too long"] += 1
            if is_retried:
                return self.try_later(worker, "overdue")
        elif process.unbuilt and is_retried:
            return self.try_later(worker, "unbuilt")
        elif (process.unbuilt or how.unusable) and not worker.ever_ready:
            return self.give_up(worker, "at its first build")
        normal = how.normal and not process.unbuilt and not process.overdue
        if process.overrun:
            self.seen["died of an overrun"] += 1
        elif spec.restart == "temporary" or (spec.restart == "transient" and normal):
            if not normal:
                return self.give_up(worker, "temporary")
            worker.wished = False
            return "in peace"
        recent = [time for time in worker.restarts if time > self.now - spec.period]
        if len(recent) >= spec.intensity:
            return self.give_up(worker, "too often")
        worker.restarts = [*recent, self.now]
        stable = process.ready and self.now - process.ready_at >= 10.0
        self.seen["died after a stable life"] += stable
        worker.crashes = 1 if stable else worker.crashes + 1
        first, most = spec.backoff
        worker.pause_until = self.now + min(first * 2 ** (worker.crashes - 1), most)
        return "by a crash"

    def give_up(self, worker: Worker, why: str) -> str:
        """A worker won't be tried again."""
        worker.wished = False
        worker.failed = True
        return f"given up {why}"

    def try_later(self, worker: Worker, why: str) -> str:
        """A start has failed for now."""
        worker.failures += 1
        worker.pause_until = self.now + min(2.0 ** (worker.failures - 1), 30.0)
        return f"for now, {why}"

    def wanting(self, name: str) -> None:
        """A process couldn't be started for want of something."""
        worker = self.workers[name]
        process = worker.process
        assert process is not None
        worker.process = None
        worker.lost_due = True
        if process.leaving or process.told:
            self.seen["wanting, but to stop"] += 1
        else:
            self.seen[self.try_later(worker, "wanting")] += 1
        self.core.unlaunched(name, process.incarnation, "no memory", self.now, wants=True)
        self.perform()
        assert not worker.lost_due

    def unlaunched(self, name: str) -> None:
        """A process couldn't be started at all."""
        worker = self.workers[name]
        process = worker.process
        assert process is not None
        worker.process = None
        worker.lost_due = True
        self.give_up(worker, "unlaunched")
        self.core.unlaunched(name, process.incarnation, "no memory", self.now)
        self.perform()
        assert not worker.lost_due

    def overran(self, name: str, *, stalls: bool) -> None:
        """An operation ran past its execution timeout."""
        worker = self.workers[name]
        process = worker.process
        assert process is not None
        if process.ready and not process.told and not process.overrun:
            process.stalled |= stalls
            if worker.spec.restart_on_overrun and not process.leaving:
                process.overrun = True
                process.due = ("term", self.now)
        self.core.overran(name, process.incarnation, "move", self.now, stalls=stalls, taken=True)
        self.perform()

    def recovered(self, name: str) -> None:
        """The operation that kept others waiting has ended."""
        process = self.workers[name].process
        assert process is not None
        if process.stalled and not process.told and not process.overrun:
            self.seen["recovered"] += 1
            process.stalled = False
        self.core.recovered(name, process.incarnation, self.now)
        self.perform()

    def cut(self, name: str) -> None:
        """From now on, or no longer, a process can't be asked to stop over its link."""
        self.holder.untold ^= {name}

    def stale(self, name: str, incarnation: int) -> None:
        """News of an incarnation that is over, or never was."""
        before = [life.status for life in self.core.children.values()], self.core.next_deadline
        self.core.exited(name, incarnation, Exit("late", normal=False), self.now)
        self.core.ready(name, incarnation, self.now)
        self.core.unbuilt(name, incarnation, "build", {}, self.now)
        self.core.unlaunched(name, incarnation, "late", self.now)
        self.core.overran(name, incarnation, "move", self.now, stalls=True, taken=True)
        self.core.recovered(name, incarnation, self.now)
        assert taken(self.effects) == []
        assert before == (
            [life.status for life in self.core.children.values()],
            self.core.next_deadline,
        )

    def pass_time(self, seconds: float) -> None:
        """Time passes, and the core looks at the clock."""
        self.now += seconds
        self._end_pauses()
        self.core.tick(self.now)
        self.perform()

    def _end_pauses(self) -> None:
        for worker in self.workers.values():
            process, limit = worker.process, worker.spec.start_timeout
            if process is None or self.status(worker) is not Status.STARTING or process.ending:
                continue
            if limit is not None and process.launched + limit <= self.now:
                process.overdue = True
                process.due = ("term", self.now)
        for worker in self.workers.values():
            if worker.pause_until is not None and worker.pause_until <= self.now:
                worker.pause_until = None

    # -- the rules, as things happen ------------------------------------------------------

    def perform(self) -> None:
        """Judge what the core wants, in order."""
        for effect in taken(self.effects):
            match effect:
                case Launch():
                    self.judge_launch(self.workers[effect.worker], effect.incarnation)
                case AskToStop():
                    self.judge_stop(effect.worker, hold=effect.hold)
                case Signal():
                    self.judge_signal(effect.worker, effect.how)
                case Lost():
                    worker = self.workers[effect.worker]
                    assert worker.process is None, "said to be over, but it lives"
                    assert effect.holds is worker.wished
                    worker.lost_due = False

    def judge_launch(self, worker: Worker, incarnation: int) -> None:
        """A process is started."""
        name = worker.spec.name
        assert worker.process is None, "I10: two live incarnations"
        assert not self.closing, "launched while all shuts down"
        assert worker.wished, "launched, but nobody wants it"
        assert worker.pause_until is None, "launched before its pause is over"
        assert not worker.lost_due, "launched before its predecessor was settled"
        assert incarnation == worker.launched + 1
        unsettled = [dep for dep in AFTER[name] if not self.settled(dep)]
        assert not unsettled, f"I10: {name} launched before {unsettled}"
        worker.launched = incarnation
        worker.process = Process(incarnation, self.now)
        self.seen["launch" if incarnation == 1 else "launch again"] += 1

    def judge_stop(self, name: str, *, hold: bool) -> None:
        """A process is asked to stop."""
        worker = self.workers[name]
        process = worker.process
        assert process is not None
        assert process.leaving, "stopped, but nobody wanted it"
        assert not process.told
        assert hold is worker.wished
        assert not self.must_go_first(name), "I10: stopped before one that started after it"
        process.told = True
        untold = name in self.holder.untold
        self.seen["untold"] += untold
        process.due = ("term", self.now + worker.spec.stop_timeout * (not untold))
        self.seen["ask to stop, hold" if hold else "ask to stop"] += 1

    def judge_signal(self, name: str, how: str) -> None:
        """A process is signalled."""
        process = self.workers[name].process
        assert process is not None, "a signal for a process that is over"
        self.seen[f"signal {how}"] += 1
        if self.killing:
            assert how == "kill" or (how == "term" and name in self.holder.untold)
            process.told, process.due = True, None
            return
        assert process.due is not None
        assert process.due[0] == how
        assert process.due[1] <= self.now, "signalled before its time"
        following = {"term": "wake", "wake": "kill"}.get(how)
        process.due = (following, self.now + 1) if following else None

    # -- the rules, at any time -----------------------------------------------------------

    def settled(self, name: str) -> bool:
        """Whether those that start after a worker need not wait for it."""
        process = self.workers[name].process
        if process is None:
            return not self.workers[name].wished or self.workers[name].failures > 0
        if process.told or process.leaving:
            return False
        return process.ready or self.workers[name].failures > 0

    def must_go_first(self, name: str) -> list[str]:
        """Those that started after a worker, are to stop as well, and live."""
        return [
            other
            for other, worker in self.workers.items()
            if name in AFTER[other] and worker.process
            and (worker.process.leaving or worker.process.told)
        ]  # fmt: skip

    def status(self, worker: Worker) -> Status:
        """The state that a worker must be in."""
        process = worker.process
        if process is not None:
            if process.told:
                return Status.STOPPING
            if process.stalled:
                return Status.STALLED
            return Status.READY if process.ready else Status.STARTING
        if worker.wished:
            return Status.BACKOFF if worker.pause_until is not None else Status.WAITING
        return Status.FAILED if worker.failed else Status.STOPPED

    def judge_state(self) -> None:
        """All states are as predicted, and nobody waits for nothing."""
        due = []
        for name, worker in self.workers.items():
            assert self.core.children[name].status is self.status(worker)
            if self.status(worker) is Status.WAITING:
                assert not all(map(self.settled, AFTER[name])), f"{name} waits for nothing"
            if worker.pause_until is not None:
                due.append(worker.pause_until)
            process = worker.process
            if process is None:
                continue
            if process.leaving and not process.told:
                assert self.must_go_first(name), f"{name} should have been asked to stop"
            if process.due is not None:
                due.append(process.due[1])
            elif self.status(worker) is Status.STARTING and not process.ending:
                due.append(self.next_look(worker, process))
        assert all(time > self.now for time in due), "what is due wasn't done"
        assert self.core.next_deadline == min(due, default=None)
        assert self.core.all_down is not any(worker.process for worker in self.workers.values())

    def next_look(self, worker: Worker, process: Process) -> float:
        """When a start is to be told to take long, or to be ended."""
        limit = worker.spec.start_timeout
        marks = [5.0, *(30.0 * each for each in range(1, 40)), limit or math.inf]
        return min(t for m in marks if (t := process.launched + m) > self.now)

    def calm_down(self) -> None:
        """Faults end: processes do as they are told, and time passes until all is quiet."""
        for _ in range(200):
            acted = False
            for name, worker in self.workers.items():
                process = worker.process
                if process and (
                    process.told or process.unbuilt or process.overrun or process.overdue
                ):
                    self.exit(name, DONE)
                    acted = True
                elif process and not process.ready:
                    self.ready(name)
                    acted = True
                elif process and process.stalled:
                    self.recovered(name)
                    acted = True
            deadline = self.core.next_deadline
            if deadline is not None:
                self.pass_time(deadline - self.now)
            elif not acted:
                return
        raise AssertionError("it never came to rest")

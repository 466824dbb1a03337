"""The promises about lives (I10), judged from what a simulated rig does with its processes.

They start and stop in order and in time, what may go better is tried again, those that belong
together are restarted together, and a device is made safe between two lives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Protocol

from orchestrator.core.children import Child, ChildSpec, Exit
from orchestrator.core.effects import Launch, Moved
from orchestrator.core.rig import Rig
from orchestrator.core.states import SETTLED, Status
from orchestrator.testing.judge import EPSILON, Violation

LADDER = 2.0
"""Seconds in which a worker is ended that has had its time: interrupted, woken, killed. One that is
told to stop meanwhile has them anew."""


class StartsJudge:
    """The promises about starts (I10): they end in time, and what may go better is tried again.

    Args:
        specs: The workers, by name, as they are at any time.
    """

    def __init__(self, specs: Mapping[str, ChildSpec]) -> None:
        self._specs = specs
        self.counts: Counter[str] = Counter()  # of what went wrong with starts
        self._launched: dict[str, float] = {}
        self._wanting: set[str] = set()  # whose last start failed for want of something
        self._failed: set[str] = set()  # who failed to start since they were last ready

    def change(self, worker: str) -> None:
        """A worker is specified anew: a start that is under way has another limit by now."""
        self._launched.pop(worker, None)

    def launch(
        self, worker: str, now: float, ready: Container[str], children: Mapping[str, Child]
    ) -> None:
        """A worker's life begins, while those that are `ready` can be relied on."""
        for name in self._specs[worker].after:
            status = children[name].status
            # One that has died is settled until its end is told. One that failed is tried again.
            if name not in ready and status not in SETTLED and name not in self._failed:
                raise Violation(f"I10: {worker} is launched before {name}, which is {status}")
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
            spec = self._specs[moved.worker]
            if spec.retry_start and spec.restart != "temporary":
                self._failed.add(moved.worker)
        if moved.state == Status.READY:
            self.counts["until it went well"] += moved.worker in self._failed
            self._failed.discard(moved.worker)
        elif moved.state == Status.FAILED and moved.worker in self._wanting and not is_overdue:
            raise Violation(f"I10: {moved.worker} is given up, though it may start another time")

    def stop(self, worker: str, living: Iterable[str]) -> None:
        """A worker is told to stop, while these live."""
        for name in living:
            if worker in self._specs[name].after:
                raise Violation(f"I10: {worker} is told to stop before {name}")

    def look(self, starting: Iterable[str], now: float) -> None:
        """Whether none of those that start has had more than its time, and that for its end."""
        for worker in starting:
            spec, launched = self._specs[worker], self._launched.get(worker)
            if spec.start_timeout is None or launched is None:
                continue
            most = spec.start_timeout + spec.stop_timeout + 2 * LADDER
            if now > launched + most + EPSILON:
                raise Violation(f"I10: {worker} starts for longer than {most} s")


class GroupsJudge:
    """The promise of a strategy (I10): no life sees two lives of a worker that it relies on.

    Args:
        specs: The workers, by name, as they are at any time.
        strategy: Who is restarted with a worker that died.
    """

    def __init__(self, specs: Mapping[str, ChildSpec], strategy: str) -> None:
        self._specs = specs
        self._strategy = strategy
        self._doomed: dict[str, set[str]] = {}  # lives that are to end first, by who has died

    def change(self, strategy: str) -> None:
        """Others rely on others from now on; who was to end by the old rules may live."""
        self._strategy = strategy
        self._doomed.clear()

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
        return any(each == on or self._relies(each, on) for each in self._specs[name].after)


class SafetyJudge:
    """The promise of recipes (I10): after a life, before the next one, once.

    Attributes:
        counts: How many recipes were followed.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._owed: dict[str, int] = {}  # lives after which the device isn't safe, by worker
        self._followed: dict[str, int] = {}  # whose recipe is under way

    def launch(self, worker: str, incarnation: int, *, secures: bool) -> None:
        """A life begins; `secures`: its device is to be made safe when it has ended."""
        if worker in self._owed:
            raise Violation(f"I10: life {incarnation} of {worker} begins before its device is safe")
        if secures:
            self._owed[worker] = incarnation

    def unlaunched(self, worker: str) -> None:
        """A life didn't begin after all."""
        self._owed.pop(worker, None)

    def follow(self, worker: str, incarnation: int, *, lives: bool) -> None:
        """A recipe is about to be followed; `lives`: some life of the worker isn't over."""
        if lives:
            raise Violation(f"I10: the device of {worker} is taken from a life that isn't over")
        if self._owed.get(worker) != incarnation or worker in self._followed:
            raise Violation(f"I10: nothing is to be done after life {incarnation} of {worker}")
        self._followed[worker] = incarnation

    def safe(self, worker: str) -> None:
        """A recipe has ended, well or not."""
        self.counts["followed"] += 1
        del self._followed[worker], self._owed[worker]

    def rest(self) -> None:
        """All has ended: whether some device was forgotten."""
        if self._owed:
            raise Violation(f"I10: left as they were: the devices of {list(self._owed)}")


class Life(Protocol):
    """What is seen of a living process: whether its driver is built, and what tells its life."""

    ready: bool
    token: str


class LivesJudge:
    """All of them together.

    Args:
        specs: The workers.
        strategy: Who is restarted with a worker that died.

    Attributes:
        specs: The workers by name, as they are now.
        starts: About starts and stops.
        groups: About who is restarted with whom.
        safety: About recipes.
    """

    def __init__(self, specs: Sequence[ChildSpec], strategy: str) -> None:
        self.specs = {spec.name: spec for spec in specs}
        self.starts = StartsJudge(self.specs)
        self.groups = GroupsJudge(self.specs, strategy)
        self.safety = SafetyJudge()

    def change(self, specs: Sequence[ChildSpec], strategy: str) -> None:
        """Some workers are specified anew."""
        for spec in specs:
            self.specs[spec.name] = spec
            self.starts.change(spec.name)
        self.groups.change(strategy)

    def launch(self, launch: Launch, now: float, lives: Mapping[str, Life], core: Rig) -> None:
        """A life begins, while these live."""
        if core.is_closing:
            raise Violation(f"I10: {launch.worker} is launched while all shuts down")
        ready = {name for name, life in lives.items() if life.ready}
        self.starts.launch(launch.worker, now, ready, core.children)
        self.groups.launch(launch.worker, [life.token for life in lives.values()])
        secures = self.specs[launch.worker].secures
        self.safety.launch(launch.worker, launch.incarnation, secures=secures)

    def unlaunched(self, worker: str, *, wants: bool) -> None:
        """A life didn't begin after all; `wants`: for want of something."""
        if wants:
            self.starts.fail(worker, wants=True)
        self.safety.unlaunched(worker)

    def ended(self, worker: str, exit_: Exit, *, served: bool) -> None:
        """A life has ended; `served`: its start had gone well, though that may not be known yet."""
        if exit_.wants or exit_.unusable:
            self.starts.fail(worker, wants=exit_.wants and not served)

    def look(self, lives: Mapping[str, Life], now: float) -> None:
        """Whether none of these starts for longer than it may."""
        self.starts.look([name for name, life in lives.items() if not life.ready], now)

    def crashed(self, worker: str, lives: Mapping[str, Life]) -> None:
        """A life has ended that served, and isn't what was wanted."""
        self.groups.die(worker, {name: life.token for name, life in lives.items() if life.ready})

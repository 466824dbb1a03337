"""A bench for the supervisor's core."""

from __future__ import annotations

from collections import deque
from typing import Any

from orchestrator.core.children import ChildSpec, Exit
from orchestrator.core.effects import Effect, Fact, Moved, ToClient, ToWorker
from orchestrator.core.states import Status as S
from orchestrator.core.supervision import Supervision
from tests.core.told import HolderTold, taken

DONE = Exit("ended with status 0", normal=True)
CRASH = Exit("killed by SIGSEGV", normal=False)
IMPORT_ERROR = {"type": "ImportError", "message": "no module", "traceback": ["line 1", "line 2"]}


def worker_of(effect: Effect) -> str:
    """Whom an effect of the supervisor's core concerns."""
    assert not isinstance(effect, (ToClient, ToWorker, Fact))
    return effect.worker


class Rig:
    """A supervisor's core with a clock of its own; facts and moves are kept apart from
    other effects."""

    def __init__(self, *specs: ChildSpec, **options: Any) -> None:
        self._queue: deque[Any] = deque()
        self.holder = HolderTold(self._queue)
        self.core = Supervision(specs, self._queue, self.holder, **options)
        self.now = 0.0
        self.effects: list[Effect] = []
        self.facts: list[Fact] = []
        self.moves: list[Moved] = []

    def take(self) -> list[Effect]:
        """The effects since the last call, without facts and moves."""
        self.collect()
        effects, self.effects = self.effects, []
        return effects

    def collect(self) -> None:
        for effect in taken(self._queue):
            if isinstance(effect, Fact):
                self.facts.append(effect)
            elif isinstance(effect, Moved):
                self.moves.append(effect)
            else:
                self.effects.append(effect)

    def of(self, kind: type) -> list[Any]:
        """The names in new effects of one kind; all new effects are taken."""
        return [worker_of(effect) for effect in self.take() if isinstance(effect, kind)]

    def status(self, name: str = "a") -> S:
        return self.core.children[name].status

    @property
    def statuses(self) -> str:
        """All states, short."""
        return " ".join(life.status for life in self.core.children.values())

    def start(self, *names: str) -> None:
        self.core.start(names, self.now)

    def stop(self, *names: str) -> None:
        self.core.stop(names, self.now)

    def restart(self, *names: str) -> None:
        self.core.restart(names, self.now)

    def ready(self, *names: str) -> None:
        for name in names:
            self.core.ready(name, self.core.children[name].incarnation, self.now)

    def exit(self, name: str = "a", how: Exit = CRASH) -> None:
        self.core.exited(name, self.core.children[name].incarnation, how, self.now)

    def unbuilt(self, name: str = "a", stage: str = "import") -> None:
        incarnation = self.core.children[name].incarnation
        self.core.unbuilt(name, incarnation, stage, IMPORT_ERROR, self.now)

    def unlaunched(self, name: str = "a", *, wants: bool = False) -> None:
        incarnation = self.core.children[name].incarnation
        self.core.unlaunched(name, incarnation, "no such file", self.now, wants=wants)

    def overran(self, name: str = "a", *, stalls: bool = True) -> None:
        incarnation = self.core.children[name].incarnation
        self.core.overran(name, incarnation, "move", self.now, stalls=stalls, taken=True)

    def recovered(self, name: str = "a") -> None:
        self.core.recovered(name, self.core.children[name].incarnation, self.now)

    def at(self, now: float) -> None:
        """Move the clock and let what is due happen."""
        self.now = now
        self.core.tick(now)

    def to_deadline(self) -> None:
        """Move the clock to the next deadline."""
        deadline = self.core.next_deadline
        assert deadline is not None
        self.at(deadline)

    def up(self, *names: str) -> None:
        """Start workers that depend on nothing unready, and have them ready."""
        self.start(*names)
        for name in names:
            self.ready(name)
        self.take()


def in_state(state: S, spec: ChildSpec | None = None) -> Rig:
    """A rig whose worker `a`, after `first`, is in the state."""
    rig = Rig(ChildSpec("first"), spec or ChildSpec("a", after=("first",)))
    if state is S.WAITING:
        rig.start("first", "a")
    elif state is not S.STOPPED:
        rig.start("a")
    if state in (S.READY, S.STALLED, S.STOPPING):
        rig.ready("a")
    if state is S.STALLED:
        rig.overran()
    if state is S.STOPPING:
        rig.stop("a")
    elif state is S.BACKOFF:
        rig.exit()
    elif state is S.FAILED:
        rig.unlaunched()
    assert rig.status() is state
    rig.take()
    return rig

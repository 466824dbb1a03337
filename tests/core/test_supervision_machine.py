"""The supervisor's core in random worlds: I10, whatever is wished and whatever dies."""

from __future__ import annotations

import sys
from collections import Counter
from typing import ClassVar

import pytest
from hypothesis.stateful import invariant

from orchestrator.core.children import Exit
from orchestrator.core.states import Status
from tests.core.moves import Machine, Moves, mover, run_long, run_short
from tests.core.supervision_world import CRASH, DONE, NAMES, USELESS, SupervisedWorld

pytestmark = pytest.mark.unmeasured

GROUPS: list[tuple[str, ...]] = [*((name,) for name in NAMES), ("a", "b"), ("d", "c"), NAMES]
PICKS = list(range(6))
MOVES: Moves = {
    "begin_with": {"names": [NAMES, NAMES, ("a", "b", "c"), ("d",), ()], "up": [False, True]},
    "start": {"names": GROUPS},
    "stop": {"names": GROUPS},
    "restart": {"names": GROUPS},
    "say_ready": {"index": PICKS},
    "say_all_ready": {},
    "say_unbuilt": {"index": PICKS},
    "crash": {"index": PICKS, "how": [CRASH, CRASH, DONE, USELESS]},
    "obey": {"index": PICKS, "how": [DONE, DONE, CRASH]},
    "fail_to_launch": {"index": PICKS},
    "fail_for_want": {"index": PICKS},
    "overrun": {"index": PICKS, "stalls": [True, True, False]},
    "recover": {"index": PICKS},
    "be_cut": {"index": PICKS},
    "be_late": {"index": PICKS},
    "wait": {"seconds": [0.05, 0.5, 2.0, 8.0, None, None, None]},
    "close": {"how": ["shut_down", "shut_down", "kill"]},
}
WEIGHTS = {
    "start": 5,
    "stop": 5,
    "restart": 5,
    "say_ready": 10,
    "say_all_ready": 15,
    "crash": 8,
    "obey": 20,
    "overrun": 5,
    "recover": 2,
    "wait": 16,
    "say_unbuilt": 3,
    "fail_to_launch": 2,
    "fail_for_want": 3,
}
"""How often a move is made in the long worlds; the others once."""
SITUATIONS = [
    *("start", "stop", "restart", "a stop is taken back", "launch", "launch again"),
    *("stop while STARTING", "stop while WAITING", "stop while BACKOFF", "stop while STOPPING"),
    *("start while STARTING", "start while WAITING", "start while BACKOFF", "start while STOPPING"),
    *("start while FAILED", "restart while READY", "restart while STOPPING"),
    *("ask to stop", "ask to stop, hold", "signal term", "signal wake", "signal kill"),
    *("say unbuilt", "crash READY", "crash STARTING", "crash before its turn to stop"),
    *("exit as asked", "exit as asked, again", "exit by a crash", "exit in peace"),
    *("exit given up at its first build", "exit given up temporary", "exit given up too often"),
    *("fail to launch", "died of an overrun", "recovered", "untold", "late", "wait"),
    *("exit for now, unbuilt", "for now, wanting", "wanting, but to stop"),
    *("died of a start that took too long",),
    *("close by shut_down", "close by kill", "wish after the close"),
]
move = mover(MOVES)


class SupervisionMachine(Machine):
    """Wishes, deaths, silence and time, in any order."""

    moves: ClassVar[Moves] = MOVES
    weights: ClassVar[dict[str, int]] = WEIGHTS
    situations: ClassVar[list[str]] = SITUATIONS
    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.world = SupervisedWorld()

    def can(self, move: str) -> bool:
        match move:
            case "say_ready" | "say_all_ready" | "say_unbuilt" | "fail_to_launch" | "fail_for_want":
                return bool(self.those(ready=False, unbuilt=False))
            case "crash":
                return bool(self.those(told=False))
            case "obey":
                return bool(self.those(told=True))
            case "overrun" | "recover" | "be_cut":
                return bool(self.those())
            case "close":
                return not self.world.closing
        return True

    def those(self, **attributes: bool) -> list[str]:
        """The workers whose living process is as said."""
        return [
            name
            for name, worker in self.world.workers.items()
            if worker.process
            and all(getattr(worker.process, key) is value for key, value in attributes.items())
        ]

    def pick(self, index: int, **attributes: bool) -> str:
        names = self.those(**attributes)
        return names[index % len(names)]

    def note(self, wish: str, names: tuple[str, ...]) -> None:
        """Count a wish, and the states that it meets."""
        self.seen[wish if not self.world.closing else "wish after the close"] += 1
        for name in names:
            self.seen[f"{wish} while {self.world.status(self.world.workers[name])}"] += 1

    # -- wishes ---------------------------------------------------------------------------

    @move
    def begin_with(self, names: tuple[str, ...], up: bool) -> None:
        """Most worlds begin with workers started, some with them ready."""
        self.world.start(names)
        while up and self.can("say_all_ready"):
            self.say_all_ready()

    @move
    def start(self, names: tuple[str, ...]) -> None:
        self.note("start", names)
        self.world.start(names)

    @move
    def stop(self, names: tuple[str, ...]) -> None:
        self.note("stop", names)
        self.world.stop(names)

    @move
    def restart(self, names: tuple[str, ...]) -> None:
        self.note("restart", names)
        self.world.restart(names)

    @move
    def close(self, how: str) -> None:
        self.seen[f"close by {how}"] += 1
        getattr(self.world, how)()

    # -- what processes do ----------------------------------------------------------------

    @move
    def say_ready(self, index: int) -> None:
        self.world.ready(self.pick(index, ready=False, unbuilt=False))

    @move
    def say_all_ready(self) -> None:
        for name in self.those(ready=False, unbuilt=False):
            self.world.ready(name)

    @move
    def say_unbuilt(self, index: int) -> None:
        self.seen["say unbuilt"] += 1
        self.world.unbuilt(self.pick(index, ready=False, unbuilt=False))

    @move
    def crash(self, index: int, how: Exit) -> None:
        """A process ends that wasn't asked to, as far as it knows."""
        name = self.pick(index, told=False)
        process = self.world.workers[name].process
        assert process is not None
        state = "READY" if process.ready else "STARTING"
        self.seen["crash before its turn to stop" if process.leaving else f"crash {state}"] += 1
        self.world.exit(name, how)

    @move
    def obey(self, index: int, how: Exit) -> None:
        """A process ends that was asked to."""
        self.world.exit(self.pick(index, told=True), how)

    @move
    def fail_to_launch(self, index: int) -> None:
        self.seen["fail to launch"] += 1
        self.world.unlaunched(self.pick(index, ready=False, unbuilt=False))

    @move
    def fail_for_want(self, index: int) -> None:
        self.world.wanting(self.pick(index, ready=False, unbuilt=False))

    @move
    def overrun(self, index: int, stalls: bool) -> None:
        self.world.overran(self.pick(index), stalls=stalls)

    @move
    def recover(self, index: int) -> None:
        self.world.recovered(self.pick(index))

    @move
    def be_cut(self, index: int) -> None:
        self.world.cut(self.pick(index))

    @move
    def be_late(self, index: int) -> None:
        """News of an incarnation that is over, or of one that never was."""
        self.seen["late"] += 1
        name = NAMES[index % len(NAMES)]
        worker = self.world.workers[name]
        over = worker.launched - 1 if worker.process else worker.launched
        for incarnation in (over, over + 2):
            self.world.stale(name, incarnation)

    # -- clock ----------------------------------------------------------------------------

    @move
    def wait(self, seconds: float | None) -> None:
        """Time passes: so much, or until the next deadline, when something must happen."""
        self.seen["wait"] += 1
        deadline = self.world.core.next_deadline
        if seconds is None:
            seconds = deadline - self.world.now if deadline is not None else 0.0
        self.world.pass_time(seconds)

    # -- always, and at the end -----------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        self.world.judge_state()

    def teardown(self) -> None:
        """Faults end: who is wanted runs, who isn't doesn't; then all shuts down."""
        if sys.exc_info()[0] is not None:
            return  # a rule was broken; what follows from that would only hide it
        world = self.world
        world.calm_down()
        self.holds()
        for worker in world.workers.values():
            running = world.status(worker) is Status.READY
            assert running is worker.wished
        launched = sum(worker.launched for worker in world.workers.values())
        world.shut_down()
        world.calm_down()
        self.holds()
        assert world.core.all_down
        assert world.core.next_deadline is None
        assert sum(worker.launched for worker in world.workers.values()) == launched
        self.seen.update(world.seen)


@pytest.mark.timeout(300)  # only to find the smallest failure
def test_random_worlds() -> None:
    """One incarnation at a time, order of starts and stops, intensity, and rest in the end."""
    run_short(SupervisionMachine, runs=200, steps=50)


def test_long_worlds() -> None:
    """They hold in long and busy worlds as well, in which every situation occurs."""
    run_long(SupervisionMachine, seeds=range(700), steps=150)

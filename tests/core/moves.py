"""State machines whose moves are listed once: for hypothesis, and for long runs by seed.

Hypothesis finds small failures in short runs and shrinks them. Runs by seed are longer and
busier, the same on every machine, and show that each situation occurs.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, ClassVar, TypeVar

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

Method = TypeVar("Method", bound=Callable[..., None])
Moves = dict[str, dict[str, list[Any]]]
"""The moves by name, with the choices for each of their arguments."""
FIRST = "begin_with"
"""The move that each run begins with."""


class Machine(RuleBasedStateMachine):
    """Moves in any order.

    Attributes:
        moves: All moves; each is a method made by `mover`.
        weights: How often a move is made in long runs; once if it isn't listed.
        situations: What must occur in them.
        seen: How often each situation occurred, over all runs of the class.
    """

    moves: ClassVar[Moves] = {}
    weights: ClassVar[dict[str, int]] = {}
    situations: ClassVar[list[str]] = []
    seen: ClassVar[Counter[str]] = Counter()

    def can(self, move: str) -> bool:
        """Whether a move makes sense now."""
        raise NotImplementedError

    def holds(self) -> None:
        """Check what must hold after each move."""
        raise NotImplementedError


def mover(moves: Moves) -> Callable[[Method], Method]:
    """A decorator that makes a method a rule, with its choices, where `can` allows it."""

    def move(method: Method) -> Method:
        name = method.__name__
        choices = {key: st.sampled_from(options) for key, options in moves[name].items()}
        decorator: Any = initialize if name == FIRST else rule
        made = decorator(**choices)(method)
        if name != FIRST:
            allowed: Any = precondition(lambda self: self.can(name))
            made = allowed(made)
        result: Method = made
        return result

    return move


def run_short(machine: type[Machine], runs: int, steps: int) -> None:
    """Let hypothesis look for a failure; `ORCH_TEST_SHRINK=0` takes the first as it is."""
    # Without the explaining phase: it traces each line and takes minutes here.
    phases = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]
    more: dict[str, Any] = {}
    if os.environ.get("ORCH_TEST_SHRINK") == "0":
        phases = [Phase.generate]
        more = {"derandomize": True, "database": None}
    chosen = settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        phases=phases,
        print_blob=True,
        report_multiple_bugs=False,
        **more,
    )
    run_state_machine_as_test(machine, settings=chosen)


def run_long(machine: type[Machine], seeds: Iterable[int], steps: int) -> None:
    """Make many moves for each seed; print how often each situation occurred (pytest -s)."""
    machine.seen.clear()
    names = [name for name in machine.moves if name != FIRST]
    weights = [machine.weights.get(name, 1) for name in names]
    for seed in seeds:
        random = Random(seed)
        made: list[tuple[str, dict[str, Any]]] = []
        run = machine()
        try:
            for name in [FIRST, *random.choices(names, weights, k=steps)]:
                if name == FIRST or run.can(name):
                    options = machine.moves[name]
                    chosen = {key: random.choice(each) for key, each in options.items()}
                    made.append((name, chosen))
                    getattr(run, name)(**chosen)
                    run.holds()
            run.teardown()
        except Exception as error:
            error.add_note(f"seed {seed}, the last of {len(made)} moves: {made[-5:]}")
            raise
    for situation in machine.situations:
        print(f"{machine.seen[situation]:6} {situation}")  # noqa: T201
    assert [each for each in machine.situations if machine.seen[each] < 20] == []

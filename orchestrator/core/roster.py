"""The workers of a rig and where they stand: the one place that moves them.

Pure: which state follows is in the table of `states`; that it has changed is left as an effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.core.children import Child, ChildSpec
from orchestrator.core.effects import Effects, Fact, Moved
from orchestrator.core.states import NEXT, UP, Happening


class Roster:
    """The workers' states and deadlines.

    Args:
        specs: The workers.
        effects: Where what is to be done is left.
        strategy: Who is restarted with a worker that died: see `restarts.companions`.

    Attributes:
        children: The workers, by name.
        closing: Whether all is to end.
        changes: Goes up with each change of a state.
        effects: As given.
        strategy: As given.
    """

    def __init__(
        self, specs: Sequence[ChildSpec], effects: Effects, strategy: str = "one_for_one"
    ) -> None:
        self.children = {spec.name: Child(spec) for spec in specs}
        self.closing = False
        self.changes = 0
        self.effects = effects
        self.strategy = strategy
        self._changed = False  # whether `_next` is out of date
        self._next: float | None = None

    @property
    def next_deadline(self) -> float | None:
        """When something is due; None while nothing has a deadline."""
        if self._changed:
            deadlines = [each.deadline for each in self.children.values()]
            self._next = min((each for each in deadlines if each is not None), default=None)
            self._changed = False
        return self._next

    def alive(self, name: str, incarnation: int) -> Child | None:
        """The worker, if this incarnation of it lives."""
        child = self.children.get(name)
        if child is None or incarnation != child.incarnation:
            return None
        return child if child.status in UP and child.late is None else None

    def move(self, child: Child, happening: Happening, now: float, reason: str = "") -> None:
        """Something has happened to a worker; nothing is due for it in its new state.

        Args:
            child: The worker.
            happening: What has happened.
            now: Monotonic seconds.
            reason: Why, for those who are told; if left out, why it is where it is, or what has
                happened.
        """
        was, child.status = child.status, NEXT[child.status][happening]
        why = reason or child.reason or str(happening)
        self.effects.append(
            Moved(child.spec.name, child.incarnation, str(was), str(child.status), why)
        )
        child.since = now
        self.changes += 1
        self.due(child, None)

    def due(self, child: Child, deadline: float | None) -> None:
        """Something is due for a worker at a moment; nothing for None."""
        child.deadline = deadline
        self._changed = True

    def fact(self, level: str, text: str, worker: str, **fields: Any) -> None:
        """Something about a worker is worth a record."""
        self.effects.append(Fact(level, text, {"worker": worker, **fields}))

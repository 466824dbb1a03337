"""What is done about a worker that takes too long, or that somebody asks about: a look at it.

Pure: when is decided here, what is done is left as effects.
"""

from __future__ import annotations

from orchestrator.core.effects import Effects, Signal, Unblock

INSIST_AFTER = 0.25
"""Seconds in which a worker that can run Python code writes its stacks."""


class Hang:
    """The evidence that is gathered of workers that take too long.

    Args:
        effects: Where what is to be done is left.
        unblock_again: Seconds after which output that nobody reads can be told for sure.
    """

    def __init__(self, effects: Effects, unblock_again: float) -> None:
        self._effects = effects
        self._unblock_again = unblock_again
        self._later: list[tuple[float, Signal | Unblock]] = []
        self._asked: dict[str, float] = {}

    @property
    def next_deadline(self) -> float | None:
        """When `tick` is due; None while nothing has a deadline."""
        return min(at for at, _ in self._later) if self._later else None

    def overran(self, worker: str, now: float) -> None:
        """An operation of a worker ran past its execution timeout."""
        # After a short timeout it is too early to tell, so once more.
        self._effects.append(Unblock(worker))
        self._later.append((now + self._unblock_again, Unblock(worker)))
        if self._asked.get(worker, now) <= now:  # else what it is about to write tells this too
            self.look(worker, now)

    def look(self, worker: str, now: float) -> None:
        """Have a worker write its stacks, whatever it does.

        If it has just been asked, it is asked again when that is over: what it did before may not
        be what it does now.
        """
        at = self._asked.get(worker, now)
        if at > now + INSIST_AFTER:  # it is about to be asked again
            return
        at = max(at, now)
        self._asked[worker] = at + INSIST_AFTER
        if at > now:
            self._later.append((at, Signal(worker, "stacks")))
        else:
            self._effects.append(Signal(worker, "stacks"))
        self._later.append((at + INSIST_AFTER, Signal(worker, "forced stacks")))

    def ended(self, worker: str) -> None:
        """Its incarnation is over: nothing of this concerns the next one."""
        self._asked.pop(worker, None)
        self._later = [entry for entry in self._later if entry[1].worker != worker]

    def tick(self, now: float) -> None:
        """Do what is due."""
        due = [effect for at, effect in self._later if at <= now]
        if due:
            self._later = [entry for entry in self._later if entry[0] > now]
            self._effects.extend(due)

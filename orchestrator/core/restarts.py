"""Which restart follows a death: after how long, with whom, and when there were too many.

Pure: seconds are monotonic, and chance is given. The words are those of Erlang's supervisor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.core.children import Child
from orchestrator.core.starts import doubled
from orchestrator.core.states import RUNNING, Status

Chance = Callable[[], float]
"""Gives numbers from 0 to 1."""
STRATEGIES = ("one_for_one", "rest_for_one", "one_for_all")
STABLE = 10.0
"""Seconds that a life has to have been ready for, so that crashes before it don't count: the next
pause is the first one again."""
JITTER = 0.5
"""The part of a pause that is left to chance: workers that died together don't return together."""


def crash_delay(child: Child, now: float, chance: Chance) -> float | None:
    """Seconds until the restart after a crash, which is counted; None if there were too many."""
    spec = child.spec
    while child.history and child.history[0] <= now - spec.period:
        child.history.popleft()
    if len(child.history) >= spec.intensity:
        return None
    child.history.append(now)
    if child.served is not None and now - child.served >= STABLE:
        child.crashes = 0
    child.crashes += 1
    first, most = spec.backoff
    return doubled(first, child.crashes, most) * (1.0 - JITTER + JITTER * chance())


def many_restarts(child: Child) -> str:
    """That there were too many, in words."""
    count, period = child.spec.intensity, child.spec.period
    return f"given up after {count} restart{'s'[: count != 1]} in {period:g} s"


def companions(strategy: str, dead: Child, children: Mapping[str, Child]) -> list[Child]:
    """The workers that are restarted with one that has died.

    Args:
        strategy: `one_for_one`: none; `rest_for_one`: those that started after it, and after
            these; `one_for_all`: all.
        dead: Who has died.
        children: The workers, by name.

    Returns:
        Those of them that run, also those that are to stop.
    """
    group = _group(strategy, dead, children)
    return [child for child in group if child.status in RUNNING]


def is_awaited(strategy: str, child: Child, children: Mapping[str, Child]) -> bool:
    """Whether a worker has to wait with its start: one that would be restarted with it still ends.

    They start together, so that none of them sees two lives of another.
    """
    return any(
        each.is_to_stop or each.status is Status.STOPPING
        for each in _group(strategy, child, children)
    )


def _group(strategy: str, child: Child, children: Mapping[str, Child]) -> list[Child]:
    """Who goes with a worker, in the order of `children`."""
    if strategy == "one_for_one":
        return []
    if strategy == "one_for_all":
        return [each for each in children.values() if each is not child]
    found: set[str] = set()
    names = {child.spec.name}
    while names:
        names = {each for each, other in children.items() if names & set(other.spec.after)}
        names -= found
        found |= names
    return [children[name] for name in children if name in found]

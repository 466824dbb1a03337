"""What is going to happen, on a virtual clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Timeline:
    """Calls in the order of their times; of one time, in the order in which they were added.

    Args:
        now: Virtual seconds at which it begins.

    Attributes:
        now: Virtual seconds.
    """

    def __init__(self, now: float) -> None:
        self.now = now
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        self._arrivals: dict[tuple[str, str], float] = {}

    @property
    def due(self) -> float | None:
        """When the next thing happens; None if nothing does."""
        return self._queue[0][0] if self._queue else None

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something happen after so many seconds."""
        self._sequence += 1
        heapq.heappush(self._queue, (self.now + seconds, self._sequence, call))

    def in_order(self, way: str, token: str, seconds: float, call: Callable[[], None]) -> None:
        """The same, but not before what was sent earlier on the same way of the same link."""
        before = self._arrivals.get((way, token), 0.0)
        at = self._arrivals[way, token] = max(self.now + seconds, before)
        self.later(at - self.now, call)

    def take(self) -> Callable[[], None]:
        """Take out what happens next."""
        return heapq.heappop(self._queue)[2]

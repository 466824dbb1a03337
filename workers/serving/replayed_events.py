"""Emits what was recorded of a worker's events, at the times that it came."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable
from typing import Any

from workers import threads

Timed = tuple[float, Any]
"""Seconds after something, and what is to be emitted then."""


class Emitter:
    """A thread that emits each thing when its time has come, in the order of the times.

    Args:
        emit: Emits one.
    """

    def __init__(self, emit: Callable[[Any], None]) -> None:
        self._emit = emit
        self._due: list[tuple[float, int, Any]] = []
        self._count = 0
        self._lock = threads.Lock()  # held while one is emitted: they keep their order
        self._wake = threads.Event()
        self._is_over = False
        threads.Thread(self._run, "replayed events").start()

    def after(self, begun: float, each: Iterable[Timed]) -> None:
        """Emit these so many seconds after a time of the monotonic clock."""
        with self._lock:
            for seconds, what in each:
                self._count += 1
                heapq.heappush(self._due, (begun + seconds, self._count, what))
            self._wake.set()

    def through(self, until: float) -> None:
        """Emit at once what was to come by then, for who is told that it came before."""
        with self._lock:
            self._emit_until(until)

    def close(self) -> None:
        """Emit nothing more."""
        with self._lock:
            self._is_over = True
            self._wake.set()

    def _emit_until(self, until: float) -> None:
        while self._due and self._due[0][0] <= until and not self._is_over:
            self._emit(heapq.heappop(self._due)[2])

    def _run(self) -> None:
        while True:
            with self._lock:
                self._emit_until(time.monotonic())
                if self._is_over:
                    return
                wake = self._wake = threads.Event()
                left = self._due[0][0] - time.monotonic() if self._due else None
            wake.wait(None if left is None else max(0.0, left))

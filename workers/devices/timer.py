"""A clock that ticks: light enough for a thread of the supervisor."""

from __future__ import annotations

import threading
import time

from workers.driver.markers import Event, action, prop


class SimulatedTimer:
    """Counts the time since its start, and ticks while it is switched on.

    Args:
        period: Seconds between ticks.
    """

    tick = Event("number of the tick, from 1", data=int)

    def __init__(self, period: float = 1.0) -> None:
        self._period = period
        self._began = time.monotonic()
        self._ticks = 0
        self._off = threading.Event()
        self._thread: threading.Thread | None = None

    @prop(unit="s")
    def period(self) -> float:
        """Time between ticks; more than 0."""
        return self._period

    @period.setter  # type: ignore[no-redef]
    def period(self, value: float) -> None:
        if not value > 0:
            raise ValueError(f"period must be more than 0 s, not {value:g}")
        self._period = float(value)

    @prop(unit="s")
    def elapsed(self) -> float:
        """Time since the last reset."""
        return time.monotonic() - self._began

    @property
    def ticks(self) -> int:
        """Ticks since the last reset."""
        return self._ticks

    def reset(self) -> None:
        """Begin again at 0."""
        self._began = time.monotonic()
        self._ticks = 0

    def start(self) -> None:
        """Tick: an event each period. Does nothing while it ticks."""
        if self._thread is None:
            self._off.clear()
            self._thread = threading.Thread(target=self._run, name="timer", daemon=True)
            self._thread.start()

    @action(concurrent=True)
    def stop(self) -> None:
        """Tick no more."""
        thread, self._thread = self._thread, None
        self._off.set()
        if thread is not None:
            thread.join()

    def close(self) -> None:
        """Tick no more."""
        self.stop()

    def _run(self) -> None:
        while not self._off.wait(self._period):
            self._ticks += 1
            self.tick.emit(self._ticks)

"""A linear stage that takes its time."""

from __future__ import annotations

import threading
import time

from workers.driver.markers import Event, action, prop


class SimulatedStage:
    """One axis with limits, a speed, and moves that can be aborted.

    Args:
        travel: Length of the axis in mm; positions go from 0 to this.
        speed: Speed in mm/s.
    """

    moved = Event("the stage came to rest; its position in mm", data=float)

    def __init__(self, travel: float = 100.0, speed: float = 10.0) -> None:
        self._travel = travel
        self._speed = speed
        self._changed = threading.Condition()
        self._start = 0.0
        self._target = 0.0
        self._started = time.monotonic()
        self._arrives = self._started
        self._aborted = False

    @prop(unit="mm", observable=True)
    def position(self) -> float:
        """Where the stage is, also while it moves."""
        with self._changed:
            return self._position(time.monotonic())

    @prop(unit="mm/s")
    def speed(self) -> float:
        """Speed of the next move; more than 0."""
        return self._speed

    @speed.setter  # type: ignore[no-redef]
    def speed(self, value: float) -> None:
        if not value > 0:
            raise ValueError(f"speed must be more than 0 mm/s, not {value:g}")
        self._speed = float(value)

    @prop(unit="mm")
    def travel(self) -> float:
        """Length of the axis."""
        return self._travel

    def move(self, x: float) -> float:
        """Go to a position and return when the stage is there; takes distance / speed.

        Args:
            x: Position in mm.

        Returns:
            The position in mm.

        Raises:
            ValueError: `x` is beyond the limits; the stage doesn't move.
            RuntimeError: The move was aborted.
        """
        if not 0 <= x <= self._travel:
            raise ValueError(f"x={x:g} mm is beyond the limits, 0 to {self._travel:g} mm")
        with self._changed:
            self._begin(float(x))
            while (remaining := self._arrives - time.monotonic()) > 0 and not self._aborted:
                self._changed.wait(remaining)
            aborted = self._aborted
            position = self._position(time.monotonic())
        self.moved.emit(position)
        if aborted:
            raise RuntimeError(f"the move was aborted at {position:.3f} mm")
        return position

    def home(self) -> float:
        """Go to position 0."""
        return self.move(0.0)

    @action(concurrent=True)
    def abort(self) -> None:
        """Stop a move where it is."""
        with self._changed:
            now = time.monotonic()
            if now < self._arrives:
                self._start = self._target = self._position(now)
                self._arrives = now
                self._aborted = True
                self._changed.notify_all()

    def close(self) -> None:
        """Come to rest."""
        self.abort()

    def _begin(self, target: float) -> None:
        now = time.monotonic()
        self._start = self._position(now)
        self._target = target
        self._started = now
        self._arrives = now + abs(target - self._start) / self._speed
        self._aborted = False

    def _position(self, now: float) -> float:
        if now >= self._arrives:
            return self._target
        part = (now - self._started) / (self._arrives - self._started)
        return self._start + part * (self._target - self._start)

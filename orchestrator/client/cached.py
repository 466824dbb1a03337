"""The last value of a polled property."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cached:
    """What a polled property was when the worker read it last.

    Attributes:
        value: The value.
        time: When it was read, in seconds since the epoch, by the clock of the worker's machine.
        error: What keeps it from being read since, as `OSError: no answer`; empty while it can.
    """

    value: Any
    time: float
    error: str = ""

    @property
    def age(self) -> float:
        """Seconds since it was read."""
        return max(0.0, time.time() - self.time)

    @classmethod
    def read(cls, answer: Any) -> Cached:
        """What a worker answered: when it was read and what keeps it from it, then the value."""
        told, value = answer
        return cls(value, float(told["time"]), str(told["error"]))

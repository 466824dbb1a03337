"""How simulated workers behave: how they start, what their operations take, how they end."""

from __future__ import annotations

from random import Random
from typing import Literal, NamedTuple, Protocol

STOP = "stop"
"""A member that stops what the queue runs."""

BESIDE = ("abort", STOP)
"""Members that run beside the queued ones, in all simulated workers."""

BRISK = "position"
"""A member whose operations are mostly short ones, so that more of them wait at their worker."""


class Boot(NamedTuple):
    """How a life begins.

    Attributes:
        seconds: Until it says what came of it; one that takes long says what it is at.
        outcome: It is ready; says that its driver can't be built now (`unbuilt`) or ever
            (`unfit`); ends for want of threads (`starved`); dies; never says anything; can't be
            launched now for want of a process (`wanting`), or at all (`unlaunched`).
    """

    seconds: float
    outcome: Literal[
        "ready", "unbuilt", "unfit", "starved", "dies", "hangs", "wanting", "unlaunched"
    ] = "ready"


class Operation(NamedTuple):
    """What an operation does.

    Attributes:
        seconds: Until its outcome.
        outcome: It replies, raises, kills its process, or never ends.
    """

    seconds: float
    outcome: Literal["reply", "raise", "crash", "hang"] = "reply"


class Recipe(NamedTuple):
    """How a device is made safe.

    Attributes:
        seconds: How long that takes.
        failure: What was in the way; empty if nothing was.
    """

    seconds: float
    failure: str = ""


class Behaviour(Protocol):
    """What a simulated rig asks of whoever writes its script."""

    def boot(self, worker: str, incarnation: int) -> Boot:
        """How this life begins."""

    def operation(self, worker: str, member: str) -> Operation:
        """What this operation does."""

    def closing(self, worker: str, how: str) -> float | None:
        """Seconds until it ends after `stop` or `term`; None if it takes no notice."""

    def heeding(self, worker: str, how: str) -> float | None:
        """Seconds until what runs ends after a stop or an `interrupt`; None if it takes no notice.

        Args:
            worker: Where it runs.
            how: `STOP` or `interrupt`.
        """

    def recipe(self, worker: str) -> Recipe:
        """How its device is made safe after a life."""

    def latency(self) -> float:
        """Seconds that a message or the news of an end takes."""


class Calm:
    """All goes well, and quickly."""

    def boot(self, worker: str, incarnation: int) -> Boot:
        """Ready after 0.1 s."""
        return Boot(0.1)

    def operation(self, worker: str, member: str) -> Operation:
        """A reply after 10 ms."""
        return Operation(0.01)

    def closing(self, worker: str, how: str) -> float | None:
        """After 10 ms."""
        return 0.01

    def heeding(self, worker: str, how: str) -> float | None:
        """After 1 ms."""
        return 0.001

    def recipe(self, worker: str) -> Recipe:
        """Within 50 ms."""
        return Recipe(0.05)

    def latency(self) -> float:
        """0.1 ms."""
        return 0.0001


class Chaos:
    """Whatever real drivers and processes do, by the dice.

    Args:
        random: The dice.
    """

    def __init__(self, random: Random) -> None:
        self._random = random

    def boot(self, worker: str, incarnation: int) -> Boot:
        """Mostly ready within a second; a few take long, some of them too long."""
        weights = {"ready": 40, "unbuilt": 3, "unfit": 1, "starved": 1, "dies": 3, "hangs": 1}
        weights |= {"wanting": 2, "unlaunched": 1}
        (outcome,) = self._random.choices(list(weights), list(weights.values()))
        rate = 0.05 if self._random.random() < 0.03 else 4.0
        return Boot(self._random.expovariate(rate), outcome)  # type: ignore[arg-type]

    def operation(self, worker: str, member: str) -> Operation:
        """Mostly a reply, at any time around the usual timeouts; most of some members' at once."""
        outcomes = ("reply", "raise", "crash", "hang")
        (outcome,) = self._random.choices(outcomes, (60, 10, 3, 2))
        is_brisk = member == BRISK and self._random.random() < 0.9
        seconds = self._random.expovariate(2000.0 if is_brisk else 3.0)
        return Operation(seconds, outcome)  # type: ignore[arg-type]

    def closing(self, worker: str, how: str) -> float | None:
        """Mostly soon; some take no notice."""
        if self._random.random() < (0.15 if how == "stop" else 0.3):
            return None
        return self._random.expovariate(2.0)

    def heeding(self, worker: str, how: str) -> float | None:
        """Often soon, at times too late; many take no notice."""
        return self._random.expovariate(3.0) if self._random.random() < 0.6 else None

    def recipe(self, worker: str) -> Recipe:
        """Mostly well; some fail, some take long."""
        failure = "no device" if self._random.random() < 0.2 else ""
        return Recipe(self._random.expovariate(3.0), failure)

    def latency(self) -> float:
        """Mostly short, now and then longer than anything else takes."""
        long = self._random.random() < 0.01
        return self._random.expovariate(2.0 if long else 5000.0)

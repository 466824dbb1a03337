"""A worker's life as the supervisor keeps it: its plan, its state, and how its lives ended."""

from __future__ import annotations

from collections import deque
from enum import StrEnum

import msgspec


class Status(StrEnum):
    """The states of a worker, as `orch status` shows them."""

    WAITING = "WAITING"
    STARTING = "STARTING"
    READY = "READY"
    STALLED = "STALLED"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    BACKOFF = "BACKOFF"
    FAILED = "FAILED"


SERVING = frozenset({Status.READY, Status.STALLED})
"""States in which the driver is built; STALLED while an overdue operation keeps it from others."""
RUNNING = SERVING | {Status.STARTING}
"""States in which an incarnation lives that nobody has told to stop."""
UP = RUNNING | {Status.STOPPING}
"""States in which an incarnation lives."""


class Plan(msgspec.Struct, frozen=True):
    """What a worker's config says of its life.

    Attributes:
        name: The worker.
        after: Workers that start before it and stop after it.
        restart: `permanent`, `transient` or `temporary`.
        intensity: How many restarts are allowed within `period`.
        period: Seconds.
        restart_on_overrun: Whether an execution timeout restarts the worker.
        place: Where the config declares it, for messages.
    """

    name: str
    after: tuple[str, ...] = ()
    restart: str = "permanent"
    intensity: int = 5
    period: float = 60.0
    restart_on_overrun: bool = False
    place: str = ""


class Exit(msgspec.Struct, frozen=True):
    """How an incarnation ended.

    Attributes:
        text: In words, such as `killed by SIGKILL`.
        normal: Whether it ended as programs do that are done.
        unusable: Whether it says that trying again is of no use.
    """

    text: str
    normal: bool
    unusable: bool = False


class Life:
    """One worker's present state."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.status = Status.STOPPED
        self.wanted = False
        self.incarnation = 0
        self.restarts = 0
        self.reason = ""
        self.since = 0.0
        self.launched = 0.0
        self.deadline: float | None = None
        self.was_ready = False
        self.unbuilt = ""
        self.overrun = ""  # why it is being ended
        self.stopping_hold = False
        self.asked_to_stop = False
        self.ladder: list[tuple[str, float]] = []
        self.history: deque[float] = deque()

    @property
    def settled(self) -> bool:
        """Whether workers that start after this one need not wait any longer.

        One that is ready but about to stop isn't: a restart of both starts them in order.
        """
        return (
            (self.status in SERVING and not self.asked_to_stop)
            or self.status is Status.FAILED
            or (self.status is Status.STOPPED and not self.wanted)
        )

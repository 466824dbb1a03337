"""A worker as the supervisor keeps it: its specification, its state, how its lives ended."""

from __future__ import annotations

from collections import deque

import msgspec

from orchestrator.core.states import RUNNING, SERVING, Goal, Status


class ChildSpec(msgspec.Struct, frozen=True):
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


class Child:
    """One worker's present state.

    Attributes:
        spec: What is configured.
        status: Where it stands.
        goal: What is wanted of it.
        incarnation: Number of its present or last life; 0 before the first.
        restarts: How often another life followed one.
        reason: Why it is where it is, if that isn't plain; empty else.
        since: When it came into its status, seconds (monotonic), as all times here.
        launched: When its present or last life began.
        deadline: When something is due that nothing but time brings about.
        was_ready: Whether any life of it was ever ready.
        unbuilt: Why its driver couldn't be built, if it said so.
        overrun: Why its life is being ended, if an operation overran.
        late: How its life ended, while its reason may still come.
        ladder: Signals that are still to be sent, with the seconds to wait before each.
        history: When it was restarted lately.
    """

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.status = Status.STOPPED
        self.goal = Goal.STOP
        self.incarnation = 0
        self.restarts = 0
        self.reason = ""
        self.since = 0.0
        self.launched = 0.0
        self.deadline: float | None = None
        self.was_ready = False
        self.unbuilt = ""
        self.overrun = ""
        self.late: Exit | None = None
        self.ladder: list[tuple[str, float]] = []
        self.history: deque[float] = deque()

    @property
    def is_to_stop(self) -> bool:
        """Whether its incarnation is to end, but hasn't been told yet."""
        return self.status in RUNNING and self.goal is not Goal.RUN

    @property
    def settled(self) -> bool:
        """Whether workers that start after this one need not wait any longer.

        One that is ready but about to stop isn't: a restart of both starts them in order.
        """
        return (self.status in SERVING and self.goal is Goal.RUN) or self.status in (
            Status.FAILED,
            Status.STOPPED,
        )

"""A worker as the supervisor keeps it: its specification, its state, how its lives ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

import msgspec

from orchestrator.core.states import RUNNING, SERVING, Goal, Status
from orchestrator.core.vitals import Trouble

UNHEARD: Final = "it isn't known whether on_loss was done"
"""What a failure begins with that may be none."""


def unsafe(failure: str) -> str:
    """What is told of a device that may not be safe."""
    failed = "" if failure.startswith(UNHEARD) else "on_loss failed, "
    return f"{failed}its device may not be safe: {failure}"


class ChildSpec(msgspec.Struct, frozen=True):
    """What a worker's config says of its life.

    Attributes:
        name: The worker.
        after: Workers that start before it and stop after it.
        restart: `permanent`, `transient` or `temporary`.
        intensity: How many restarts are allowed within `period`.
        period: Seconds.
        backoff: Seconds before the first restart after a crash, and at most: each pause is twice
            the one before.
        required: Whether the rig ends when it is FAILED.
        retry_failed: Seconds after which it is tried anew once it is FAILED; None for never.
        restart_on_overrun: Whether an execution timeout restarts the worker.
        stall_limit: Seconds that it may be STALLED before it is restarted; None for no limit.
        start_timeout: Seconds that a start may take; None for no limit.
        stop_timeout: Seconds to close, before a signal insists.
        retry_start: Whether a driver whose constructor raises is tried again.
        secures: Whether its device is to be made safe when a life has ended.
        thread: Whether it is a thread of the supervisor, which takes no signals.
        place: Where the config declares it, for messages.
    """

    name: str
    after: tuple[str, ...] = ()
    restart: str = "permanent"
    intensity: int = 5
    period: float = 60.0
    backoff: tuple[float, float] = (0.1, 30.0)
    required: bool = False
    retry_failed: float | None = None
    restart_on_overrun: bool = False
    stall_limit: float | None = None
    start_timeout: float | None = 30.0
    stop_timeout: float = 5.0
    retry_start: bool = True
    secures: bool = False
    thread: bool = False
    place: str = ""


class Exit(msgspec.Struct, frozen=True):
    """How an incarnation ended.

    Attributes:
        text: In words, such as `killed by SIGKILL`.
        normal: Whether it ended as programs do that are done.
        unusable: Whether it says that trying again is of no use.
        wants: Whether it says that the system lacked something for it to start.
        status: Its exit status as a shell tells it, 128 + N for a signal N.
        speaks: Whether what it wrote last is about to be told.
    """

    text: str
    normal: bool
    unusable: bool = False
    wants: bool = False
    status: int = 1
    speaks: bool = False


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
        doing: What its start was last seen to be at, if it said so.
        slow: Whether its start was told to take long.
        failures: How many starts in a row failed for now, and will be tried again.
        unstarted: Why its life is being ended, if its start took too long.
        unbuilt: Why its driver couldn't be built, if it said so.
        passing: Whether that may go better another time.
        overrun: Why its life is being ended, if an operation overran.
        held: What keeps it from running Python code, if that was found of one that is STALLED.
        where: Where in its driver it was found then.
        late: How its life ended, while its reason may still come.
        ladder: Signals that are still to be sent, with the seconds to wait before each.
        history: When it was restarted lately.
        crashes: How many lives have ended by a crash, without a stable one between them.
        served: When its present or last life was ready; None if it never was.
        outlived: Whether it has outlived one that it is restarted with, and was to stop anyway.
        securing: The life after which its device is being made safe; 0 if none is.
        securing_since: Since when it is, in monotonic seconds.
        trouble: Why a life of it ended last that wasn't to, or didn't begin; None if none did.
        unsecured: Why its device couldn't be made safe, last time; empty if it could.
        stopped_for: The alarm that its present life is ended for, or its last one was.
        secures: Whether that is to be done after its present life, as `thread`.
        thread: Whether its present or last life is a thread; its specification is of the next.
        follows: After whom its present or last life has started, and before whom it is stopped.
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
        self.doing = ""
        self.slow = False
        self.failures = 0
        self.unstarted = ""
        self.unbuilt = ""
        self.passing = False
        self.overrun = ""
        self.held = ""
        self.where = ""
        self.late: Exit | None = None
        self.ladder: list[tuple[str, float]] = []
        self.history: deque[float] = deque()
        self.crashes = 0
        self.served: float | None = None
        self.outlived = False
        self.securing, self.securing_since = 0, 0.0
        self.unsecured = self.stopped_for = ""
        self.trouble: Trouble | None = None
        self.secures = spec.secures
        self.thread = spec.thread
        self.follows = frozenset(spec.after)

    def fails(self, reason: str, now: float) -> None:
        """A life of it has ended, or couldn't begin, and `reason` tells why."""
        self.reason = reason
        self.trouble = Trouble(now, reason)

    def forget_failures(self) -> None:
        """Somebody wants it started anew: what went wrong before doesn't count."""
        self.history.clear()
        self.failures = self.crashes = 0

    @property
    def is_to_stop(self) -> bool:
        """Whether its incarnation is to end, but hasn't been told yet."""
        return self.status in RUNNING and self.goal is not Goal.RUN

    @property
    def is_up(self) -> bool:
        """Whether it serves, and is to go on with that.

        One that is ready but about to stop isn't: a restart of several starts them in order.
        """
        return self.status in SERVING and self.goal is Goal.RUN

    @property
    def settled(self) -> bool:
        """Whether workers that start after this one need not wait any longer.

        They don't for one whose start has failed for now: its device may stay off for long.
        """
        tried = self.failures > 0 and self.goal is Goal.RUN
        return self.is_up or tried or self.status in (Status.FAILED, Status.STOPPED)

    @property
    def waits_to_retry(self) -> bool:
        """Whether it couldn't start for now, and its next turn hasn't come."""
        return self.failures > 0 and self.status is Status.BACKOFF

    @property
    def has_outcome(self) -> bool:
        """Whether whoever gave an order need not wait any longer."""
        over = self.waits_to_retry or self.status in (Status.FAILED, Status.STOPPED)
        return self.is_up or (over and not self.securing)


def may_start(child: Child, children: Mapping[str, Child]) -> bool:
    """Whether those that start before a worker have settled."""
    return all(children[name].settled for name in child.spec.after)


def may_stop(child: Child, children: Mapping[str, Child]) -> bool:
    """Whether no worker that started after this one, and is to stop too, still lives."""
    return not any(
        child.spec.name in other.follows
        and (other.is_to_stop or other.status is Status.STOPPING or other.securing)
        for other in children.values()
    )


def follow(child: Child, children: Mapping[str, Child]) -> None:
    """A worker follows, from now on, those that its specification names.

    Lives that others have from earlier specifications don't go before it any more if it goes before
    them now: else none of them could be stopped.
    """
    child.follows = frozenset(child.spec.after)
    name, before = child.spec.name, set[str]()
    names = set(child.follows)
    while names:
        before |= names
        names = {each for on in names & children.keys() for each in children[on].follows} - before
    for other in before & children.keys():
        children[other].follows -= {name}

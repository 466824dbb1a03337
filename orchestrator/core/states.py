"""The states of a worker, and what leads from one to another: one table.

`docs/architecture.md` shows it as a diagram, drawn by `scripts/diagram`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


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


class Goal(StrEnum):
    """What is wanted of a worker."""

    RUN = "run"
    STOP = "stop"
    RESTART = "restart"  # its incarnation is to end, and another one to follow


class Happening(StrEnum):
    """What may happen to a worker."""

    START = "start is asked for"
    STOP = "stop is asked for"
    TURN = "those before it have settled"
    READY = "says that it is ready"
    OVERRUN = "an overdue operation keeps others waiting"
    RECOVERY = "that operation ends"
    TOLD = "its turn to stop: it is told"
    ENDED = "ends as asked"
    REPLACED = "ends as asked, to run again"
    CRASH = "dies; it is to be tried again"
    LATER = "can't start now; it is tried again later"
    DONE = "ends by itself, and isn't to run again"
    GIVEN_UP = "can't run, or died too often"
    DELAY = "its delay is over"


SERVING = frozenset({Status.READY, Status.STALLED})
"""States in which the driver is built; STALLED while an overdue operation keeps it from others."""
RUNNING = SERVING | {Status.STARTING}
"""States in which an incarnation lives that nobody has told to stop."""
SETTLED = SERVING | {Status.FAILED, Status.STOPPED}
"""States that last: nobody waits for a worker in one of them."""
UP = RUNNING | {Status.STOPPING}
"""States in which an incarnation lives."""

_OVER: Mapping[Happening, Status] = {
    Happening.TOLD: Status.STOPPING,
    Happening.ENDED: Status.STOPPED,
    Happening.REPLACED: Status.WAITING,
    Happening.CRASH: Status.BACKOFF,
    Happening.DONE: Status.STOPPED,
    Happening.GIVEN_UP: Status.FAILED,
}
"""How any incarnation ends that nobody has told to stop; one may end before it is told."""

NEXT: Mapping[Status, Mapping[Happening, Status]] = {
    Status.STOPPED: {Happening.START: Status.WAITING},
    Status.WAITING: {Happening.TURN: Status.STARTING, Happening.STOP: Status.STOPPED},
    Status.STARTING: {
        Happening.READY: Status.READY,
        **_OVER,
        Happening.LATER: Status.BACKOFF,
    },
    Status.READY: {Happening.OVERRUN: Status.STALLED, **_OVER},
    Status.STALLED: {Happening.RECOVERY: Status.READY, **_OVER},
    Status.STOPPING: {
        Happening.ENDED: Status.STOPPED,
        Happening.REPLACED: Status.WAITING,
        Happening.GIVEN_UP: Status.FAILED,
    },
    Status.BACKOFF: {
        Happening.DELAY: Status.WAITING,
        Happening.START: Status.WAITING,
        Happening.STOP: Status.STOPPED,
    },
    Status.FAILED: {Happening.DELAY: Status.WAITING, Happening.START: Status.WAITING},
}
"""For each state what may happen in it, and the state that follows; nothing else may."""


def diagram() -> str:
    """The table as a state diagram in the language of Mermaid."""
    lines = ["stateDiagram-v2", f"    [*] --> {Status.STOPPED}"]
    for status, moves in NEXT.items():
        causes: dict[Status, list[str]] = {}
        for happening, follower in moves.items():
            causes.setdefault(follower, []).append(happening)
        lines += [f"    {status} --> {to}: {' / '.join(why)}" for to, why in causes.items()]
    return "\n".join(lines) + "\n"

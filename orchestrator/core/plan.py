"""What a changed config would do to a running rig: two configs in, a plan out.

Pure, and without a notion of files: a config is what it says by key, for the rig and for each of
its workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

ADD: Literal["add"] = "add"
REMOVE: Literal["remove"] = "remove"
RESTART: Literal["restart"] = "restart"
LIMITS: Literal["limits"] = "limits"
What = Literal["add", "remove", "restart", "limits"]

LIVE = frozenset(
    {
        *("after", "restart", "max_restarts", "backoff", "required", "retry_failed"),
        *("start_timeout", "stop_timeout", "retry_start", "stall_timeout", "on_stall"),
        *("invocation_timeout", "execution_timeout", "timeouts", "on_execution_timeout"),
        *(
            "probe",
            "on_sick",
            "idempotent",
            "verify",
            "cancel_grace",
            "audit",
            "leased",
            "simulate",
        ),
        *("alarms", "leased"),
    }
)
"""Keys of a worker that the rig alone goes by. Its process was told all others at its start."""
RIG_LIVE = frozenset({"strategy", "allow_local_users", "access"})
"""Keys of the rig that can change while it runs."""


class Config(msgspec.Struct, frozen=True):
    """A config, as plans see it.

    Attributes:
        rig: What it says of the rig, by key.
        workers: What it says of each worker, by key.
        order: All workers, each after those in its `after`.
    """

    rig: Mapping[str, Any]
    workers: Mapping[str, Mapping[str, Any]]
    order: Sequence[str]


class Change(msgspec.Struct, frozen=True):
    """What becomes of one worker.

    Attributes:
        worker: The worker.
        what: `add`, `remove`, `restart`, or `limits`: only what the rig itself goes by changes.
        because: The keys whose values differ; empty for one that comes or goes.
    """

    worker: str
    what: What
    because: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """What would be done.

    Attributes:
        changes: Of workers, in order: those that go, the last started first; then the others, each
            after those in its `after`.
        rig: Keys of the rig that change while it runs.
        fixed: Keys of the rig that can't, so that the config can't be applied.
        stopped: Those of the workers that would be restarted that were stopped on purpose: they
            stay so, and begin in their new form when they are started.
    """

    changes: tuple[Change, ...] = ()
    rig: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.changes or self.rig or self.fixed)

    def names(self, *what: What) -> list[str]:
        """The workers of which one of these holds, in order."""
        return [each.worker for each in self.changes if each.what in what]


def plan(running: Config, wanted: Config) -> Plan:
    """What leads from a config to another one.

    Args:
        running: By which the rig runs.
        wanted: By which it is to run.
    """
    gone = [name for name in reversed(running.order) if name not in wanted.workers]
    changes = [Change(name, REMOVE) for name in gone]
    for name in wanted.order:
        if name not in running.workers:
            changes.append(Change(name, ADD))
        elif keys := _differing(running.workers[name], wanted.workers[name]):
            what: What = LIMITS if LIVE.issuperset(keys) else RESTART
            changes.append(Change(name, what, keys))
    keys = _differing(running.rig, wanted.rig)
    return Plan(
        changes=tuple(changes),
        rig=tuple(key for key in keys if key in RIG_LIVE),
        fixed=tuple(key for key in keys if key not in RIG_LIVE),
    )


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys whose values aren't the same; 1 and 1.0 and True are three values to a driver."""
    return tuple(
        key
        for key in {**before, **after}
        if key not in before or key not in after or not _same(before[key], after[key])
    )


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other) or (one != one and other != other)

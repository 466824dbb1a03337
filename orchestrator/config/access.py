"""``access`` of a config: what each name may do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.access.value_limits import Limits, RuleError, member_name, read_limits
from orchestrator.config.doors import ROLES
from orchestrator.words import did_you_mean, quoted, say, unknown_key

_KEYS = ("role", "read", "allow", "limits")
_EXAMPLE = "{allow: [stage.move], limits: {stage.move: {x: [0, 50]}}}"


@dataclass(frozen=True)
class Granted:
    """What one name may do.

    Attributes:
        role: ``reader``, ``operator`` or ``admin``.
        read: properties that it may read, marked as free of effect or not, as ``worker.member``.
        allow: members that it may use beyond its role.
        limits: what their arguments, or the values that are written, may be.
    """

    role: str = ROLES[0]
    read: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    limits: Mapping[str, Limits] = field(default_factory=dict)


def check_grant(value: object) -> Granted:
    """A role, or a mapping such as ``{allow: [stage.move]}``.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str):
        return Granted(_role(value))
    if not isinstance(value, dict):
        raise ValueError(f"must be a role, {_listed(ROLES)}, or {_EXAMPLE}, not {say(value)}")
    for key in value:
        if key not in _KEYS:
            raise ValueError(unknown_key(key, _KEYS))
    try:
        allow = _members(value.get("allow", []), "allow")
        limits = value.get("limits", {})
        if not isinstance(limits, dict):
            raise ValueError(f"limits are by member, such as {_EXAMPLE}, not {say(limits)}")
        for name in limits:
            if name not in allow:
                raise ValueError(
                    f"{say(name)} has limits and isn't in allow: they hold for what is allowed"
                    " beyond a role"
                )
        found = Granted(
            role=_role(value.get("role", ROLES[0])),
            read=_members(value.get("read", []), "read"),
            allow=allow,
            limits={name: read_limits(name, each) for name, each in limits.items()},
        )
    except RuleError as error:
        raise ValueError(f"{'.'.join(map(str, error.path))}: {error}") from error
    if found.limits and found.role != ROLES[0]:
        raise ValueError(f"limits hold nobody back who may all of a worker, as {found.role} may")
    return found


def unknown_workers(
    access: Mapping[str, Granted], workers: Collection[str], rig: str
) -> Iterator[tuple[str, str]]:
    """Names in a config's ``access`` that stand for no worker: whose, and a text."""
    for name, granted in access.items():
        for member in (*granted.read, *granted.allow):
            worker = member.partition(".")[0]
            if worker not in workers and worker != rig:
                yield (
                    name,
                    f"{member}: no worker is named {quoted(worker)}"
                    + did_you_mean(worker, workers),
                )


def _role(value: Any) -> str:
    if value not in ROLES:
        hint = did_you_mean(value, ROLES) if isinstance(value, str) else ""
        raise ValueError(f"a role is {_listed(ROLES)}, not {say(value)}{hint}")
    return str(value)


def _members(value: Any, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{quoted(key)} must be a list such as [stage.move], not {say(value)}")
    return tuple(map(member_name, value))


def _listed(names: Collection[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}"

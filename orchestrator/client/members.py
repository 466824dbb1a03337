"""What a worker offers, as its Thing Description says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from orchestrator.client.exchange import UNKNOWN
from transports import terms
from transports.headers import Limits
from transports.paths import prefixes

PROPERTY = "property"
ACTION = "action"
EVENT = "event"


class _Timeouts(msgspec.Struct, frozen=True):
    """What a Thing Description says under `orch:timeouts`, in seconds."""

    invocation: float | None = None
    execution: float | None = None
    members: dict[str, float | None] = {}


@dataclass(frozen=True)
class Members:
    """What a worker offers, from its Thing Description.

    Attributes:
        description: The Thing Description.
        kinds: `PROPERTY`, `ACTION` or `EVENT` by member.
        limits: The worker's timeouts.
        timeouts: Execution timeouts of members that have their own, in seconds.
        life: The worker's life at that time; empty of a rig that doesn't tell.
    """

    description: dict[str, Any]
    kinds: dict[str, str] = field(default_factory=dict)
    limits: Limits = UNKNOWN
    timeouts: dict[str, float | None] = field(default_factory=dict)
    life: str = ""

    @classmethod
    def read(cls, description: Any) -> Members:
        """Read a Thing Description; parts that are missing or odd are empty."""
        known: dict[str, Any] = description if isinstance(description, dict) else {}
        kinds: dict[str, str] = {}
        for key, kind in (("events", EVENT), ("actions", ACTION), ("properties", PROPERTY)):
            members = known.get(key)
            if isinstance(members, dict):
                kinds.update(dict.fromkeys(members, kind))
        try:
            said = msgspec.convert(known.get(terms.TIMEOUTS, {}), _Timeouts)
        except msgspec.ValidationError:
            said = _Timeouts()
        limits, life = Limits(said.invocation, said.execution), known.get(terms.LIFE, "")
        return cls(known, kinds, limits, said.members, str(life))

    def affordance(self, name: str) -> dict[str, Any]:
        """The description of one member; empty if there is none."""
        for key in ("properties", "actions", "events"):
            members = self.description.get(key)
            if isinstance(members, dict) and isinstance(members.get(name), dict):
                found: dict[str, Any] = members[name]
                return found
        return {}

    def own_keywords(self, action: str, names: Iterable[str]) -> list[str]:
        """Which of these names an action has a parameter of."""
        from orchestrator.client.signatures import signature_of

        parameters = signature_of(self.affordance(action)).parameters
        return [name for name in names if name in parameters]

    def part(self, path: str) -> dict[str, Any]:
        """What is said of a component; empty if nothing is."""
        parts = self.description.get(terms.PARTS)
        found = parts.get(path) if isinstance(parts, dict) else None
        return found if isinstance(found, dict) else {}

    def may_have(self, path: str) -> bool:
        """Whether a path that isn't described may be one: its worker has to look for it.

        So it is below a property that may give a component, and where members are made by use.
        """
        for before in reversed(["", *prefixes(path)[:-1]]):
            kind = self.kinds.get(before)
            if kind == PROPERTY:
                said = self.affordance(before)
                return "type" not in said and not said.get(terms.CALLABLE)
            if kind is not None or not before or self.part(before):
                return self.is_open(before)
        return False

    def is_open(self, path: str) -> bool:
        """Whether a component may have members that show at their use only."""
        opened = self.description.get(terms.OPEN)
        return isinstance(opened, list) and path in opened

    def usual(self, name: str) -> Limits:
        """The timeouts of a member where a call gives none; None also where they aren't known."""
        limits = self.limits
        if name in self.timeouts:
            return Limits(limits.invocation_timeout, self.timeouts[name])
        return limits

    def of_kind(self, kind: str) -> list[str]:
        """Names of the members of one kind."""
        return [name for name, each in self.kinds.items() if each == kind]

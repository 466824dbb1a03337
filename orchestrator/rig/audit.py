"""What is recorded of requests beside that they came and went: who asked, and with what."""

from __future__ import annotations

from typing import Any

from orchestrator.core.effects import Asked, Fact
from orchestrator.core.rig import Rig
from orchestrator.rig.arguments import in_words
from orchestrator.rig.callers import Callers
from transports.levels import AUDIT, SPAN


class Audit:
    """Tells of operations what the core leaves for whoever records them.

    Args:
        rig: The core, which knows what its workers offer.
        callers: Who is connected.
    """

    def __init__(self, rig: Rig, callers: Callers) -> None:
        self._rig = rig
        self._callers = callers

    def fields(self, fact: Fact, asked: Asked, now: float) -> dict[str, Any]:
        """The fields of a record of a fact about an operation.

        Args:
            fact: What the core says.
            asked: The operation.
            now: Monotonic seconds: when it was answered, of one that is audited.
        """
        worker, member = str(fact.fields["worker"]), str(fact.fields["member"])
        fields = dict(fact.fields)
        if fact.level in (AUDIT, SPAN):
            begun = asked.started or now
            fields["waited"] = round(begun - asked.arrived, 6)
            fields["seconds"] = round(now - begun, 6)
        if fact.level == SPAN:
            return fields
        if peer := self._callers.peer(asked.client):
            fields["peer"] = peer
        names = self._parameters(worker, member)
        if given := in_words(asked, member, names, self._rig.hide):
            fields["arguments"] = given
        return fields

    def _parameters(self, worker: str, member: str) -> list[str]:
        peer = self._rig.broker.peers.get(worker)
        description = peer.description if peer is not None else None
        action = (description or {}).get("actions", {}).get(member, {})
        return list(action.get("input", {}).get("properties", {}))

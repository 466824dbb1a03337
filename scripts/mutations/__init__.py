"""What `scripts/mutate` breaks in the pure core, and which tests have to notice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tests:
    """The tests of one file of the core, by name in `tests/core`.

    Attributes:
        units: Sentences about it; each mutation of it has to break one.
        world: Random worlds in which it shows as well, apart by spaces; empty if there are none.
    """

    units: tuple[str, ...]
    world: str = ""


@dataclass(frozen=True)
class Mutation:
    """One rule switched off.

    Attributes:
        name: What is broken.
        file: Where, in `orchestrator/core`.
        old: The source that is replaced; it must occur exactly once.
        new: What it becomes.
        units_only: The random worlds can't see it: why is said beside the mutation.
    """

    name: str
    file: str
    old: str
    new: str
    units_only: bool = False


_BROKER = Tests(("test_broker", "test_broker_answers", "test_broker_link"), "test_broker_machine")
_CLAIMS = Tests(
    (
        "test_dispatch",
        "test_ladder",
        "test_lives",
        "test_verify",
        "test_audit",
        "test_spans",
        "test_vitals",
        *_BROKER.units,
    ),
    "test_claims_worlds test_broker_machine",
)
_SUPERVISION = Tests(
    (
        "test_supervision",
        "test_supervision_faults",
        "test_starts",
        "test_restarts",
        "test_health",
        "test_securing",
        "test_interlock",
    ),
    "test_supervision_machine",
)
TESTS = {
    "alarms.py": Tests(("test_alarms",)),
    "admission.py": Tests(("test_admission",), _BROKER.world),
    "access.py": Tests(("test_access",)),
    "broker.py": Tests((*_CLAIMS.units, "test_access"), _CLAIMS.world),
    "cancels.py": Tests(("test_dispatch", "test_ladder")),
    "dispatch.py": _CLAIMS,
    "ladder.py": Tests(("test_ladder",), "test_claims_worlds"),
    "means.py": Tests(("test_ladder",), "test_claims_worlds"),
    "peers.py": _CLAIMS,
    "queues.py": Tests(("test_queues", "test_evidence"), _BROKER.world),
    "requests.py": Tests((*_CLAIMS.units, "test_slots"), _CLAIMS.world),
    "slots.py": Tests(("test_slots",)),
    "held.py": Tests(("test_held",), _BROKER.world),
    "leases.py": Tests(("test_leases",)),
    "leasing.py": Tests(("test_leasing",)),
    "lives.py": Tests(("test_lives",)),
    "own_client.py": Tests(("test_verify", "test_health")),
    "verify.py": Tests(("test_verify",)),
    "evidence.py": Tests(("test_evidence", *_BROKER.units), _BROKER.world),
    "children.py": Tests((*_SUPERVISION.units, "test_orders"), _SUPERVISION.world),
    "supervision.py": _SUPERVISION,
    "roster.py": _SUPERVISION,
    "outcomes.py": _SUPERVISION,
    "restarts.py": _SUPERVISION,
    "starts.py": _SUPERVISION,
    "endings.py": _SUPERVISION,
    "states.py": Tests(("test_states", *_SUPERVISION.units), _SUPERVISION.world),
    "health.py": Tests(("test_health",)),
    "kept.py": Tests(("test_kept",)),
    "hang.py": Tests(("test_hang",)),
    "interlock.py": Tests(("test_interlock",)),
    "orders.py": Tests(("test_orders",)),
    "rig.py": Tests(("test_rig", "test_evidence", "test_restarts", "test_kept", "test_securing")),
    "plan.py": Tests(("test_plan",)),
    "changeover.py": Tests(("test_changeover",)),
    "manners.py": Tests(("test_manners",)),
    "tally.py": Tests(("test_tally",)),
    "vitals.py": Tests(("test_vitals",)),
    "answered.py": Tests(("test_audit", "test_vitals")),
    "audit.py": Tests(("test_audit",)),
    "own_ids.py": Tests(("test_audit", "test_verify", "test_health")),
    "request.py": _CLAIMS,
}
"""Which tests a file's mutations are tried on."""
NO_RULES = {"__init__.py", "contracts.py", "effects.py"}
"""Files that only name things: nothing in them could be switched off."""

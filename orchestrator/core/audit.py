"""What an audit tells of a request: which ones it is about, and what came of each.

Pure.
"""

from __future__ import annotations

from typing import Any, Final

from orchestrator.core.answered import first_line, is_error, is_refusal
from orchestrator.core.own_ids import is_own
from transports.exceptions import DONE, FAILED, NOT_STARTED
from transports.headers import DESCRIPTION, STREAMS, Operation

RIG_ORDERS: Final = frozenset(("start", "stop", "restart", "apply", "cancel", "down", "log_level"))
"""What of the rig itself is audited: all but looks at it."""

_BY_THEMSELVES = frozenset((DESCRIPTION, *STREAMS))
"""Members that clients ask for as they connect, or for a call that is audited as such."""


def is_audited(client: bytes, member: str, operation: str, *, of_rig: bool = False) -> bool:
    """Whether a request is one that somebody made: not a look of the rig itself at a worker.

    Args:
        client: Identity of who asks.
        member: Of what.
        operation: What for.
        of_rig: Whether the rig itself is asked.
    """
    if of_rig:
        return member in RIG_ORDERS
    if is_own(client) and operation == Operation.READ:
        return False
    return member not in _BY_THEMSELVES


def outcome_of(header: Any, payload: Any) -> tuple[str, str]:
    """How the operation went that a worker answered with these frames, and why if it failed."""
    if not is_error(header):
        return DONE, ""
    return NOT_STARTED if is_refusal(payload) else FAILED, first_line(payload)

"""What came of an operation, by what it raised: the same word in every protocol."""

from __future__ import annotations

from orchestrator.errors import (
    DriverError,
    NotStarted,
    OrchError,
    OutcomeUnknown,
    ResultUnsendable,
)
from transports.exceptions import DONE, FAILED, NOT_STARTED, UNKNOWN


def outcome_of(error: Exception) -> str:
    """`not started`, `unknown`, `done`, or `failed` where the driver raised."""
    if isinstance(error, NotStarted):
        return NOT_STARTED
    if isinstance(error, OutcomeUnknown):
        return UNKNOWN
    if isinstance(error, ResultUnsendable):
        return DONE
    if isinstance(error, OrchError) and not isinstance(error, DriverError):
        return UNKNOWN
    return FAILED

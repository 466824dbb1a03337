"""What a call on a rig can raise: `NotStarted`, `OutcomeUnknown` and the others, in a tree.

They are those of `orchestrator.errors`, whose text shows the tree.
"""

from orchestrator.errors import (
    Aborted,
    AlreadyRunning,
    ArgumentsRefused,
    ArgumentUnsendable,
    Cancelled,
    DriverError,
    ExecutionTimeout,
    InvocationTimeout,
    NotStarted,
    OrchError,
    OutcomeUnknown,
    Refused,
    ResultUnsendable,
    RigLost,
    RigNotReachable,
    RuntimeFolderError,
    Withdrawn,
    WorkerDied,
    WorkerUnavailable,
)

__all__ = [
    "Aborted",
    "AlreadyRunning",
    "ArgumentUnsendable",
    "ArgumentsRefused",
    "Cancelled",
    "DriverError",
    "ExecutionTimeout",
    "InvocationTimeout",
    "NotStarted",
    "OrchError",
    "OutcomeUnknown",
    "Refused",
    "ResultUnsendable",
    "RigLost",
    "RigNotReachable",
    "RuntimeFolderError",
    "Withdrawn",
    "WorkerDied",
    "WorkerUnavailable",
]

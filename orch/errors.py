"""What a call on a rig can raise: `NotStarted`, `OutcomeUnknown` and the others, in a tree.

They are those of `orchestrator.errors`, whose text shows the tree.
"""

from orchestrator.errors import (
    AlreadyRunning,
    ArgumentsRefused,
    DriverError,
    ExecutionTimeout,
    InvocationTimeout,
    NotStarted,
    OrchError,
    OutcomeUnknown,
    Refused,
    RigLost,
    RigNotReachable,
    RuntimeFolderError,
    WorkerDied,
    WorkerUnavailable,
)

__all__ = [
    "AlreadyRunning",
    "ArgumentsRefused",
    "DriverError",
    "ExecutionTimeout",
    "InvocationTimeout",
    "NotStarted",
    "OrchError",
    "OutcomeUnknown",
    "Refused",
    "RigLost",
    "RigNotReachable",
    "RuntimeFolderError",
    "WorkerDied",
    "WorkerUnavailable",
]

"""What a call on a rig can raise: `NotStarted`, `OutcomeUnknown` and the others, in a tree.

They are those of `orchestrator.errors`, whose text shows the tree.
"""

from orchestrator.errors import (
    AlreadyRunning,
    ArgumentsRefused,
    ArgumentUnsendable,
    Cancelled,
    DriverError,
    ExecutionTimeout,
    InvocationTimeout,
    NameRefused,
    NoRoom,
    NothingThere,
    NotStarted,
    OrchError,
    OtherLife,
    OutcomeUnknown,
    Refused,
    ResultUnsendable,
    RigLost,
    RigNotReachable,
    RuntimeFolderError,
    ValueRefused,
    WorkerDied,
    WorkerUnavailable,
)

__all__ = [
    "AlreadyRunning",
    "ArgumentUnsendable",
    "ArgumentsRefused",
    "Cancelled",
    "DriverError",
    "ExecutionTimeout",
    "InvocationTimeout",
    "NameRefused",
    "NoRoom",
    "NotStarted",
    "NothingThere",
    "OrchError",
    "OtherLife",
    "OutcomeUnknown",
    "Refused",
    "ResultUnsendable",
    "RigLost",
    "RigNotReachable",
    "RuntimeFolderError",
    "ValueRefused",
    "WorkerDied",
    "WorkerUnavailable",
]

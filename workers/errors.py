"""Errors of the worker's runtime, and the statuses with which its process ends."""

from __future__ import annotations

EXIT_STOPPED = 0
"""Told to stop, and did."""
EXIT_CRASHED = 1
"""The runtime itself failed; its traceback is on stderr and in the records."""
EXIT_BOOT_FAILED = 70
"""The driver couldn't be imported, built or described; the link was told why."""
EXIT_SUPERVISOR_LOST = 71
"""The supervisor is gone and the process couldn't be ended by a signal."""
EXIT_WANTING = 75
"""The system has no threads left for it; another time it may have."""
EXIT_NO_MEMORY = 76
"""The runtime got no more memory than its limit."""
EXIT_NO_FILES = 77
"""The runtime could open no more files than its limit."""
EXIT_TERMINATED = 143
"""The supervisor's signal came: 128 + 15, as a shell shows SIGTERM. The driver was closed."""


class WorkerError(Exception):
    """Root of what this package raises by itself."""


class SpecError(WorkerError, ValueError):
    """What the configuration says of a worker doesn't fit its driver.

    Args:
        message: The place in the configuration, what is wrong there, and the nearest valid name.
    """


class BootError(WorkerError):
    """A driver isn't there to be served; the cause is the driver's own exception.

    Attributes:
        stage: What was being done: `limits`, `import`, `arguments`, `build`, `open`, `describe`,
            `on_start` or `restore`.
        error: What was raised.
    """

    def __init__(self, stage: str, error: BaseException) -> None:
        super().__init__(f"{stage}: {type(error).__name__}")
        self.stage = stage
        self.error = error


class Terminated(BaseException):
    """The supervisor's signal reached the process while code of the driver ran.

    Not an Exception, so that the driver's `finally` blocks run and its `except Exception` doesn't
    catch it.
    """


class Interrupted(BaseException):
    """An operation was interrupted, because somebody cancelled it or its time was over.

    Raised in the driver's code, once. Not an Exception, likewise.
    """

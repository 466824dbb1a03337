"""The clock of leases."""

from __future__ import annotations

import time


def clock() -> float:
    """Seconds that also pass while the machine sleeps, where the system tells (`CLOCK_BOOTTIME`).

    All processes of a machine have the same.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()

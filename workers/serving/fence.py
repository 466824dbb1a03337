"""Requests that come too late: they name a lease that has ended since they were sent.

The rig refuses what reaches it too late. This is for what had passed there, and was held up on its
way or in this process.
"""

from __future__ import annotations

import time

from transports.headers import LEASE, READS, RequestHeader
from transports.link import Fenced
from workers.failures import Refused


class Fence:
    """Below which number leases have ended. Any thread may ask, and have it rise.

    Args:
        worker: Name of the worker.
    """

    def __init__(self, worker: str) -> None:
        self.number = 0
        self._worker = worker
        self._standing = ("", 0.0)  # who has the lease, and when that was told

    def rise(self, told: Fenced) -> None:
        """Take what the rig tells; by whichever lane it comes, the number never falls."""
        if told.number >= self.number:
            self._standing = (told.held, time.monotonic())
            self.number = told.number

    def check(self, request: RequestHeader) -> None:
        """Raise Refused for a request that names a lease which has ended, unless it only reads."""
        context = request.thingExecutionContext
        number = context.get(LEASE) if isinstance(context, dict) else None
        if type(number) is not int or number >= self.number or request.operation in READS:
            return
        held, at = self._standing
        raise Refused(
            "BlockingIOError",
            f"{self._worker}.{request.objekt} was not started: lease {number} of {self._worker} "
            f"has ended; {time.monotonic() - at:.1f} s ago, {held}",
        )

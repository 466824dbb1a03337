"""An operation is claimed before it starts: see `transports.link`."""

from __future__ import annotations

import os

from transports.link import CONTROL, NUMBER_SIZE


class Claims:
    """The worker's end of its tickets.

    Args:
        tickets: The reading end of the pipe, which never waits; None when nobody gives any, so that
            all that comes is to be run.
    """

    def __init__(self, tickets: int | None) -> None:
        self._tickets = tickets
        self._claimed = CONTROL  # the last one; numbers rise, and theirs is the order of the bytes

    def take(self, number: bytes) -> bool:
        """Claim the operation of this number; False if it was taken back and mustn't run."""
        if self._tickets is None:
            return True
        while self._claimed < number:
            try:
                claimed = os.read(self._tickets, NUMBER_SIZE)
            except BlockingIOError:
                return False
            if not claimed:  # the supervisor is gone
                return False
            self._claimed = claimed
        return self._claimed == number

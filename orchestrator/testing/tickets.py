"""Simulated tickets: what `transports.link` says of the real ones, in virtual time."""

from __future__ import annotations

from collections import deque

from orchestrator.testing.judge import Asked, Judge


class SimulatedTickets:
    """The tickets of all lives, by token.

    Args:
        judge: Is told what is claimed, taken back, and whose turn it is.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._unclaimed: dict[str, deque[int]] = {}
        # what a queued lane was sent and hasn't given back; None for what was taken back since
        self._given: dict[str, dict[int, Asked | None]] = {}

    def begin(self, token: str) -> None:
        """A life begins."""
        self._unclaimed[token] = deque()
        self._given[token] = {}

    def is_idle(self, token: str) -> bool:
        """Whether a life was given nothing that it hasn't given back."""
        return not self._given[token]

    def give(self, token: str, number: int, asked: Asked) -> None:
        """The rig gives a ticket, and sends what it is for."""
        self._unclaimed[token].append(number)
        self._given[token][number] = asked

    def unsent(self, token: str, number: int) -> None:
        """What a ticket was for couldn't be sent; the ticket is there all the same."""
        self._given[token].pop(number, None)

    def claim(self, token: str, now: float) -> int | None:
        """A process takes its next ticket; None if there is none."""
        unclaimed = self._unclaimed[token]
        if not unclaimed:
            return None
        if (asked := self._given[token].get(unclaimed[0])) is not None:
            self._judge.claim(asked, now)
        return unclaimed.popleft()

    def take_back(self, token: str) -> list[int]:
        """The rig takes all that aren't claimed."""
        numbers = list(self._unclaimed[token])
        self._unclaimed[token].clear()
        given = self._given[token]
        for number in numbers:
            if (asked := given.get(number)) is not None:
                self._judge.take_back(asked)
                given[number] = None
        return numbers

    def heard(self, token: str, number: int, now: float) -> None:
        """A worker has answered, or given back, what it was sent: the next one has its turn."""
        given = self._given[token]
        if number in given:
            del given[number]
            follower = next(iter(given.values()), None)
            if follower is not None:
                self._judge.turn(follower, now)

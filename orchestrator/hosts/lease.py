"""Who may go on, and until when: leases of an agent, and of the rig's trust in it.

An agent's workers may live as long as its lease. It is renewed by question and answer, and counts
from when the agent *asked*; the rig counts from when it heard the question, which is later. So when
the rig gives a host up, the lease has ended there, whichever way the connection was cut (C. Gray,
D. Cheriton: Leases, 1989). What remains is how fast clocks run, and to kill: `MARGIN`.

Pure: `now` is in seconds of a clock that also counts while a machine sleeps.
"""

from __future__ import annotations

QUESTIONS = 10
"""Times in `lost_after` that an agent asks."""
MARGIN = 1.0
"""Seconds that an agent has for the end of its workers, once its lease is over."""
DRIFT = 0.01
"""Part of a time by which two machines' clocks may measure it differently."""


class AgentLease:
    """The agent's side.

    Args:
        lost_after: Seconds.
        now: When it was started.

    Attributes:
        until: When it ends, if it isn't renewed.
        asks_at: When the next question is due.
    """

    def __init__(self, lost_after: float, now: float) -> None:
        self._lost_after = lost_after
        self._asked: dict[int, float] = {}
        self._number = 0
        self.until = now + lost_after
        self.asks_at = now

    def ask(self, now: float) -> int:
        """The number of a question that is sent now."""
        self._number += 1
        self._asked[self._number] = now
        self.asks_at = now + self._lost_after / QUESTIONS
        return self._number

    def granted(self, number: int, now: float) -> bool:
        """A question was answered; whether that renewed it. One that is over stays so."""
        asked = self._asked.get(number)
        if asked is None or now >= self.until:
            return False
        self.until = asked + self._lost_after
        self._asked = {each: at for each, at in self._asked.items() if each > number}
        return True


class HostLease:
    """The rig's side.

    Args:
        lost_after: Seconds.
        now: When the agent was started.

    Attributes:
        until: When the host is lost, if nothing is heard of it.
    """

    def __init__(self, lost_after: float, now: float) -> None:
        self._lost_after = lost_after
        self.until = now + lost_after

    def heard(self, now: float) -> bool:
        """A question came; whether it is to be answered. Who was given up stays so."""
        if now >= self.until:
            return False
        self.until = now + self._lost_after
        return True

    def fenced_at(self, now: float) -> float:
        """When no worker of the agent's lives any more, if nothing is heard from now on."""
        return max(now, self.until) + self._lost_after * DRIFT + MARGIN

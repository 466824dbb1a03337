"""What lost agents of a host still owe: the end of their workers' output.

It comes when the host is heard again. What doesn't is told, though nobody knows how much it was.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.hosts.clock import clock
from orchestrator.rig.all_hosts import AllHosts
from orchestrator.rig.host_agent import Agent

WITHIN = 10.0
"""Seconds of silence after which a lost agent tells no more, if another one is there."""


class HostRest:
    """What lost agents of one host owe.

    Args:
        host: Its name.
        rig: What all hosts share.
    """

    def __init__(self, host: str, rig: AllHosts) -> None:
        self._host = host
        self._rig = rig
        self._owes: dict[str, tuple[Agent, Sequence[str]]] = {}  # by token

    def owed(self, agent: Agent, workers: Sequence[str]) -> None:
        """An agent was lost while these workers lived."""
        self._owes[agent.token] = agent, workers

    def told(self, agent: Agent) -> None:
        """An agent has told all."""
        self._owes.pop(agent.token, None)

    def followed(self) -> None:
        """Another agent is there: one that isn't heard any more has ended."""
        for token in list(self._owes):
            self._expect(token)

    def close(self) -> None:
        """The rig ends."""
        for token in list(self._owes):
            self._miss(token)

    def _expect(self, token: str) -> None:
        if token not in self._owes:
            return
        left = self._owes[token][0].heard + WITHIN - clock()
        if left > 0:
            self._rig.loop.call_later(left, lambda: self._expect(token))
        else:
            self._miss(token)

    def _miss(self, token: str) -> None:
        _, workers = self._owes.pop(token)
        self._rig.forget(token)
        if workers:
            names, why = ", ".join(workers), "its agent ended before it had told all of it"
            text = f"what {names} wrote last on host {self._host} may be missing: {why}"
            self._rig.record("warning", text, {"workers": names})

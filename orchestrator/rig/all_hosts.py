"""What one host needs of all hosts together: see `hosts.Hosts`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from orchestrator.config.hosts import HostConfig
from orchestrator.hosts import messages
from orchestrator.hosts.messages import Start
from orchestrator.rig.host_agent import Agent
from orchestrator.rig.host_keys import HostKeys
from orchestrator.rig.host_output import HostOutput
from orchestrator.rig.keeper import Waits
from transports.errors import AddressError


class AllHosts(Protocol):
    """What a host needs of all hosts together."""

    @property
    def loop(self) -> Waits:
        """What waits."""

    @property
    def keys(self) -> HostKeys:
        """Those of agents."""

    @property
    def output(self) -> HostOutput:
        """Where output goes."""

    def locate(self, host: HostConfig, done: Callable[[str | AddressError], None]) -> None:
        """Find the rig's own address, as a host reaches it; `done` is told it, or why not."""

    def expect(self, link: Any, agent: Agent, place: str) -> Start:
        """An agent is to come: what it is given at its start.

        Args:
            link: Its host.
            agent: It.
            place: The rig's own address, as that host reaches it.

        Raises:
            AddressError: It can't be had.
        """

    def addressed(self, host: str, launch: messages.Launch) -> messages.Launch:
        """A launch with the rig's addresses for workers, as a host that is there reaches them."""

    def forget(self, token: str) -> None:
        """An agent isn't let in any more."""

    def life_over(self, worker: str, incarnation: int) -> None:
        """A life there is over, or doesn't begin: it is let in no more, and its streams end."""

    def keep_lives(self) -> None:
        """What lives on the hosts has changed: the rig's next run must know."""

    def send(self, token: str, parts: Sequence[Any]) -> None:
        """Send a message to an agent."""

    def command(self, host: HostConfig) -> list[str]:
        """What starts it."""

    def record(self, level: str, text: str, fields: dict[str, Any]) -> None:
        """Write a record."""

    def held(self, worker: str, incarnation: int, held: str, /) -> None:
        """Something keeps a worker from running Python code."""

    def came(self, host: str, /) -> None:
        """A host is there now."""

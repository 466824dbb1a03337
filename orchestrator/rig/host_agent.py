"""An agent that a rig has asked for, and what is known of it."""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator.access.keys import Pair
from orchestrator.hosts import messages
from orchestrator.hosts.channel import Channel
from orchestrator.hosts.lease import HostLease


class Agent(msgspec.Struct):
    """An agent that was started, and what is known of it."""

    token: str
    pair: Pair
    lease: HostLease
    since: float
    heard: float = 0.0
    channel: Channel = msgspec.field(default_factory=Channel)
    hello: messages.Hello | None = None
    is_leased: bool = False
    taken: int = 0
    drift: float = 0.0
    usage: dict[str, messages.Usage] = {}

    @property
    def about(self) -> dict[str, Any]:
        """What it said of itself and its machine."""
        assert self.hello is not None
        return {
            "machine": self.hello.name,
            "system": self.hello.system,
            "python": self.hello.python,
            "orch": self.hello.release,
            "pid": self.hello.pid,
        }

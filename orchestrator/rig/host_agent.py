"""An agent that a rig has asked for, and what is known of it."""

from __future__ import annotations

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
    channel: Channel = msgspec.field(default_factory=Channel)
    hello: messages.Hello | None = None
    is_leased: bool = False
    taken: int = 0
    drift: float = 0.0
    usage: dict[str, messages.Usage] = {}

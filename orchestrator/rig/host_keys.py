"""Keys for whoever comes from other hosts: made for one agent or one life of a worker each."""

from __future__ import annotations

import zmq
from zmq.utils import z85

from orchestrator.access.keys import Pair

DOMAIN = "hosts"
"""What libzmq names when it asks about such a connection (see `orchestrator.rig.door`)."""


class HostKeys:
    """The keys of those who may come in.

    Attributes:
        server: The rig's own, new with each run.
    """

    def __init__(self) -> None:
        self.server = _pair()
        self._known: dict[bytes, str] = {}

    def issue(self, name: str) -> Pair:
        """A key pair for somebody, who may come in until it is revoked."""
        pair = _pair()
        self._known[z85.decode(pair.public)] = name
        return pair

    def revoke(self, public: str) -> None:
        """Let nobody in by it any more."""
        self._known.pop(z85.decode(public), None)

    def name_of(self, mechanism: bytes, credentials: list[bytes]) -> str:
        """Who shows these; empty if he isn't let in."""
        if mechanism != b"CURVE" or len(credentials) != 1:
            return ""
        return self._known.get(credentials[0], "")


def _pair() -> Pair:
    public, secret = zmq.curve_keypair()
    return Pair(public.decode(), secret.decode())

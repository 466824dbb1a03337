"""Ids of the clients that the core has within itself."""

from __future__ import annotations

from typing import Any

OWN = b"\0orch-own-"
"""Begins the identities of clients within the core. Those that libzmq gives to clients without one
begin with a zero too, and are shorter; who comes by a socket isn't heard under one that begins so.
"""


def is_own(identity: Any) -> bool:
    """Whether a message is to a client within the core."""
    return isinstance(identity, bytes) and identity.startswith(OWN)

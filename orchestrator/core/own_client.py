"""What the core asks for itself: requests like a client's, so that their limits are kept.

Pure.
"""

from __future__ import annotations

from typing import Any

from orchestrator.core.peers import Peer, Phase
from transports.headers import (
    OPERATION,
    Operation,
    RequestHeader,
    encode_header,
    execution_context,
)

OWN = b"\0orch-own-"
"""Begins the identities of clients within the core. Those that libzmq gives to clients without one
begin with a zero too, and are shorter; who comes by a socket isn't heard under one that begins so.
"""


def is_own(identity: Any) -> bool:
    """Whether a message is to a client within the core."""
    return isinstance(identity, bytes) and identity.startswith(OWN)


def is_idle(peer: Peer, member: str) -> bool:
    """Whether a worker is ready, and nothing runs or waits there that a read of a member meets."""
    return peer.phase is Phase.READY and not peer.waiting and not peer.lane_for(member).given


def read_frames(
    client: bytes, rig: str, worker: str, member: str, id_: str, timeout: float
) -> list[Any]:
    """The request that reads a property.

    Args:
        client: Who asks: an identity that begins with `OWN`.
        rig: Id of the rig.
        worker, member: What is read.
        id_: Message id.
        timeout: Seconds to begin, and as many to end.
    """
    header = RequestHeader(
        messageType=OPERATION,
        messageID=id_,
        senderID=client[len(OWN) :].decode(),
        receiverID=rig,
        serverExecutionContext=execution_context(timeout, timeout, False),
        thingID=worker,
        objekt=member,
        operation=Operation.READ,
    )
    return [client, b"", encode_header(header), b"null", b""]

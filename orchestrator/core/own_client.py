"""What the core asks for itself: requests like a client's, so that their limits are kept.

Pure.
"""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator.core.own_ids import OWN
from orchestrator.core.peers import Peer, Phase
from transports.headers import (
    OPERATION,
    Operation,
    RequestHeader,
    encode_header,
    execution_context,
)


def is_idle(peer: Peer, member: str) -> bool:
    """Whether a worker is ready, and nothing runs or waits there that a read of a member meets."""
    return peer.phase is Phase.READY and not peer.waiting and not peer.lane_for(member).given


def request_frames(
    client: bytes,
    rig: str,
    worker: str,
    member: str,
    id_: str,
    invocation_timeout: float,
    execution_timeout: float | None,
    operation: Operation = Operation.READ,
) -> list[Any]:
    """A request of a client within the core; unless it says otherwise, it reads a property.

    Args:
        client: Who asks: an identity that begins with `OWN`.
        rig: Id of the rig.
        worker, member: What is read, or called without arguments.
        id_: Message id.
        invocation_timeout, execution_timeout: Seconds to begin and to end; None is no limit.
        operation: What is done.
    """
    header = RequestHeader(
        messageType=OPERATION,
        messageID=id_,
        senderID=client[len(OWN) :].decode(),
        receiverID=rig,
        serverExecutionContext=execution_context(invocation_timeout, execution_timeout, False),
        thingID=worker,
        objekt=member,
        operation=operation,
    )
    return [client, b"", encode_header(header), b"null", b""]


def error_in(payload: bytes) -> dict[str, Any]:
    """What is said of an error by an answer that is neither a reply nor a timeout."""
    content = msgspec.json.decode(payload)
    error: dict[str, Any] = content.get("exception", content)
    return error


def in_words(error: dict[str, Any]) -> str:
    """Its type and message."""
    return f"{error.get('type')}: {error.get('message')}"

"""Messages as clients send them."""

from __future__ import annotations

from typing import Any

from transports.headers import OF_LIFE, RequestHeader, encode_header

RUN = "5f0c"
"""What tells the run of a simulated rig from others."""


def addressed(worker: str, life: int | None) -> str:
    """The thing id of a request to a worker, or to one life of it only."""
    return worker if life is None else f"{worker}{OF_LIFE}{life}@{RUN}"


def request_frames(
    rig: str,
    client: str,
    kind: str,
    id_: str,
    worker: str = "",
    member: str = "",
    operation: str = "",
    context: Any = None,
    payload: bytes = b"null",
) -> list[bytes]:
    """A request as the rig receives it: the client's identity, then what `transports` says."""
    header = RequestHeader(
        messageType=kind,
        messageID=id_,
        senderID=client,
        receiverID=rig,
        serverExecutionContext=context,
        thingID=worker,
        objekt=member,
        operation=operation,
    )
    return [client.encode(), b"", encode_header(header), payload, b""]

"""Who but this user can reach a rig."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.rig.sockets import Sockets
from transports.endpoints import parse_endpoint
from transports.headers import ZMQ_TRANSPORTS


def warnings_of(sockets: Sockets, allow_local_users: bool) -> Iterator[str]:
    """What is to be said of addresses that others can reach without a key.

    Args:
        sockets: Those of a rig, bound.
        allow_local_users: Whether it was said that other users of this machine may.
    """
    for address in sockets.addresses:
        endpoint, door = parse_endpoint(address), sockets.door_of(address)
        if door.curve is not None:
            continue
        if not endpoint.is_local:
            yield f"{address} can be reached from the network, without authentication"
        elif endpoint.transport is ZMQ_TRANSPORTS.TCP and not (
            allow_local_users or door.allow_local_users
        ):
            yield (
                f"{address} can be used by every user of this machine, without authentication;"
                " allow_local_users: true says that this is meant"
            )

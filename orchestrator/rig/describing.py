"""A worker's Thing Description, from what it said of itself and what the rig knows of it."""

from __future__ import annotations

from typing import Any

from orchestrator.config.loader import RigConfig
from orchestrator.core.effects import Describe
from orchestrator.core.peers import Peer
from orchestrator.core.rig import Rig
from orchestrator.rig.restored import mark_restored
from orchestrator.rig.sockets import Sockets
from orchestrator.rig.state_events import AFFORDANCES
from transports import terms
from transports.errors import SerializationError
from transports.exceptions import exception_payload
from transports.headers import ERROR, REPLY
from transports.serializers import decode, encode
from workers.driver.thing_description import thing_description


def describe(request: Describe, rig: Rig, sockets: Sockets, config: RigConfig) -> tuple[str, bytes]:
    """Message type and payload of the answer to a request for a Thing Description."""
    try:
        asked = decode(bytes(request.payload), request.content_type) or {}
        if not isinstance(asked, dict):
            raise TypeError("get_thing_description takes keyword arguments")
        requests, events = sockets.known_to(request.payload)
        peer = rig.broker.peers[request.worker]
        offered = peer.description or {}
        if request.worker == rig.name:
            offered = offered | {"events": AFFORDANCES}
        described = thing_description(
            offered,
            rig=rig.name,
            worker=request.worker,
            protocol=asked.get("protocol"),
            request_addresses=requests,
            event_addresses=events,
            skip_names=asked.get("skip_names") or (),
        )
        mark_restored(described, peer.kept.writes())
        described[terms.LIFE] = peer.life
        if (worker := config.workers.get(request.worker)) is not None:
            if worker.simulated:
                described[terms.SIMULATED] = True
            for kind in ("properties", "actions"):
                for name in set(worker.idempotent) & set(described[kind]):
                    described[kind][name] = {**described[kind][name], terms.IDEMPOTENT: True}
        members = (*described["properties"], *described["actions"])
        described[terms.TIMEOUTS] = _timeouts_of(peer, members)
    except (SerializationError, TypeError, ValueError) as error:
        return ERROR, exception_payload(error)
    return REPLY, bytes(encode(described))


def _timeouts_of(peer: Peer, members: tuple[str, ...]) -> dict[str, Any]:
    usual = peer.limits_of("")
    own = {name: peer.limits_of(name).execution_timeout for name in members}
    return {
        "invocation": usual.invocation_timeout,
        "execution": usual.execution_timeout,
        "members": {n: each for n, each in own.items() if each != usual.execution_timeout},
    }

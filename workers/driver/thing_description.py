"""A driver's description as a W3C Thing Description 1.1, with forms for ZeroMQ.

Two things differ from the standard. The `id` is the worker's name and not a URI, because clients
of the wire format send it back as the thing id of their requests. And `op` is always one
string, a list of one operation wouldn't be found by them.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from transports import terms
from transports.headers import OBSERVE, SUBSCRIBE, Operation
from transports.serializers import JSON
from workers.driver.describe import ACTION, EVENT, PROPERTY, Description

CONTEXT: list[Any] = ["https://www.w3.org/2022/wot/td/v1.1", {"orch": "urn:orch:"}]

PING = "ping"
"""The action that every worker has, its driver's own if that has one."""
_PING: dict[str, Any] = {
    "description": "Answered when the worker's queue moves.",
    terms.SIGNATURE: "()",
    terms.CONCURRENT: False,
}

Form = dict[str, str]


def thing_description(
    description: Description,
    *,
    rig: str,
    worker: str,
    protocol: str | None,
    request_addresses: Sequence[str],
    event_addresses: Sequence[str],
    skip_names: Collection[str] = (),
) -> dict[str, Any]:
    """Compose the Thing Description of a worker for one protocol.

    Args:
        description: What `workers.driver.describe.describe` gave.
        rig: Id of the rig.
        worker: Name of the worker; the id of the Thing.
        protocol: `IPC`, `TCP` or `INPROC`, in any case; forms carry addresses of this one.
        request_addresses: All addresses at which the rig takes requests.
        event_addresses: All addresses at which it publishes events.
        skip_names: Members to leave out.

    Raises:
        ValueError: `protocol` is missing, or not one that the rig serves.
    """
    served = sorted({_scheme(address) for address in request_addresses})
    wanted = protocol.lower() if isinstance(protocol, str) else ""
    if wanted not in served:
        names = ", ".join(scheme.upper() for scheme in served) or "none"
        what = f"protocol {protocol!r} isn't served" if protocol else "a protocol must be named"
        raise ValueError(f"{what} by rig {rig!r}; it serves {names}")
    requests = _of_protocol(request_addresses, wanted)
    events = _of_protocol(event_addresses, wanted)

    def kept(kind: str) -> Iterable[tuple[str, dict[str, Any]]]:
        members: dict[str, dict[str, Any]] = description[kind]
        return ((name, members[name]) for name in members if name not in skip_names)

    thing: dict[str, Any] = {
        "@context": CONTEXT,
        "id": worker,
        "title": description["title"],
        "securityDefinitions": {"nosec_sc": {"scheme": "nosec"}},
        "security": "nosec_sc",
    }
    for key in ("description", terms.CLOSES, terms.PARTS, terms.OPEN, terms.CUT):
        if key in description:
            thing[key] = description[key]
    thing[PROPERTY] = {
        name: affordance | {"forms": _property_forms(affordance, requests, events)}
        for name, affordance in kept(PROPERTY)
    }
    thing[ACTION] = {
        name: affordance | {"forms": _forms(Operation.INVOKE, requests)}
        for name, affordance in kept(ACTION)
    }
    taken = (*thing[PROPERTY], *thing[ACTION], *description[EVENT])
    if PING not in taken and PING not in skip_names:
        thing[ACTION][PING] = _PING | {"forms": _forms("invokeaction", requests)}
    thing[EVENT] = {
        name: affordance | {"forms": _forms(SUBSCRIBE, events)} for name, affordance in kept(EVENT)
    }
    return thing


def _property_forms(
    affordance: dict[str, Any], requests: list[str], events: list[str]
) -> list[Form]:
    forms = [] if affordance.get("writeOnly") else _forms(Operation.READ, requests)
    if not affordance.get("readOnly"):
        forms += _forms(Operation.WRITE, requests)
    if affordance.get("observable"):
        forms += _forms(OBSERVE, events)
    return forms


def _forms(op: str, addresses: list[str]) -> list[Form]:
    return [{"op": op, "href": address, "contentType": JSON} for address in addresses]


def _scheme(address: str) -> str:
    return address.partition("://")[0].lower()


def _of_protocol(addresses: Sequence[str], scheme: str) -> list[str]:
    return [_reachable(address) for address in addresses if _scheme(address) == scheme]


def _reachable(address: str) -> str:
    """A socket bound to all interfaces is reached by the machine's name."""
    if _scheme(address) != "tcp":
        return address
    host, _, port = address.partition("://")[2].rpartition(":")
    if host in ("*", "0.0.0.0", "[::]"):  # noqa: S104  compared, not bound
        return f"tcp://{socket.gethostname()}:{port}"
    return address

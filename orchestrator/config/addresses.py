"""What holds between the addresses that a rig listens at: each port and each path once.

Each address stands for two: where requests come in and where events are published, which by
hololinked's rule is the port after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from orchestrator.private import no_socket_of_ours
from orchestrator.words import quoted
from transports import web_addresses
from transports.endpoints import parse_endpoint

LAST_PORT = 65535
_EVERYWHERE = ("*", "0.0.0.0", "[::]")  # noqa: S104  compared, not bound
_HOW = "write {requests: …, events: …} to set the address of events"

NO_WEB = '"web" is about a web server, and there is none; listen: [ipc, "http://127.0.0.1:8080"]'

Listened = str | dict[str, Any]
"""An item of ``listen``: an address, or one of ``requests`` with what holds for it."""


def events_of(item: Listened) -> str | None:
    """Where events are published for a tcp or ipc address; None where it isn't for users to know.

    Args:
        item: As in the config, one that is right by itself.
    """
    if isinstance(item, dict):
        return str(item["events"]) if "events" in item else events_of(item["requests"])
    if item.startswith("ipc://"):
        return f"{item}.events"
    if not item.startswith("tcp://"):
        return None
    endpoint = parse_endpoint(item)
    return f"tcp://{endpoint.host}:{endpoint.port + 1 if endpoint.port else '*'}"


def split(listen: Sequence[Listened]) -> tuple[list[Listened], str | None]:
    """The addresses that the rig itself listens at, and the one of its web server.

    Args:
        listen: As in the config. Whom only the web server serves, it serves by the rig's own ipc.
    """
    served = [each for each in listen if _is_web(each)]
    own = [each for each in listen if each not in served]
    return own or ["ipc"], next((str(each) for each in served), None)


def _is_web(item: Listened) -> bool:
    return isinstance(item, str) and item.startswith("http://")


def wrong_with(listen: Sequence[Listened]) -> Iterator[tuple[int, str]]:
    """What is wrong with the items of ``listen``: the index of one, and a text.

    One that is there twice is told elsewhere.
    """
    taken: dict[int, list[tuple[str, str]]] = {}  # by port: host, and what it is
    for index, item in enumerate(listen):
        requests = item if isinstance(item, str) else item["requests"]
        if item in listen[:index]:
            continue
        if _is_web(item) and any(map(_is_web, listen[:index])):
            yield index, f"{quoted(requests)} is a second web server; a rig has one"
            continue
        if requests.startswith("ipc://"):
            reason = _path_problem(requests, events_of(item) or "")
        elif requests.startswith("http://"):
            reason = _web_problem(requests, taken)
        elif requests.startswith("tcp://"):
            reason = _port_problem(item, requests, taken)
        else:
            continue
        if reason is not None:
            yield index, reason


def _path_problem(*addresses: str) -> str | None:
    for address in addresses:
        path = Path(address.removeprefix("ipc://"))
        if reason := no_socket_of_ours(path):
            return f"{quoted(path)} {reason}"
    return None


def _web_problem(address: str, taken: dict[int, list[tuple[str, str]]]) -> str | None:
    host, port = web_addresses.parse(address)
    others = taken.setdefault(port, []) if port else []
    for other, what in others:
        if host == other or host in _EVERYWHERE or other in _EVERYWHERE:
            return f"port {port} of {quoted(address)} is taken by {what}"
    others.append((host, quoted(address)))
    return None


def _port_problem(
    item: Listened, requests: str, taken: dict[int, list[tuple[str, str]]]
) -> str | None:
    is_pair = isinstance(item, dict) and "events" in item
    if parse_endpoint(requests).port == LAST_PORT and not is_pair:
        return (
            f"the events of {quoted(requests)} would be published at the port after it, and"
            f" there is none; {_HOW}"
        )
    events = events_of(item) or ""
    rule = "" if is_pair else ", the port after it,"
    uses = ((requests, quoted(requests)), (events, f"where the events of {quoted(requests)} are"))
    for address, what in uses:
        endpoint = parse_endpoint(address)
        others = taken.setdefault(endpoint.port, []) if endpoint.port else []
        for host, other in others:
            if host == endpoint.host or host in _EVERYWHERE or endpoint.host in _EVERYWHERE:
                which = f"port {endpoint.port}{rule if address == events else ''}"
                return f"{which} of {quoted(requests)} is taken by {other}; {_HOW}"
        others.append((endpoint.host, what))
    return None

"""Who comes in by an address that a rig listens at: with keys, in the clear, in which role."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orchestrator.access.keys import client_names, rig_pair
from orchestrator.config.addresses import Listened
from orchestrator.errors import KeyRefused
from orchestrator.words import quoted, say, unknown_key
from transports.endpoints import parse_endpoint

ROLES: Final = ("reader", "operator", "admin")
KEYS: Final = ("requests", "tcp", "events", "curve", "insecure", "allow_local_users", "role")
"""What an item of ``listen`` may say beside its address, which is ``requests`` or ``tcp``."""
PAIR: Final = '{requests: "tcp://127.0.0.1:5570", events: "tcp://127.0.0.1:6000"}'
CURVE: Final = '{tcp: "10.0.0.1:5570", curve: keys/}'


@dataclass(frozen=True)
class Door:
    """What holds for who comes by one address.

    Attributes:
        curve: the folder of keys, absolute; None if none are needed.
        insecure: whether it is meant that it can be reached from the network without a key.
        allow_local_users: whether it is meant that every user of this machine reaches it.
        role: the role of all that come by it; None where their names decide.
    """

    curve: Path | None = None
    insecure: bool = False
    allow_local_users: bool = False
    role: str | None = None


def check_item(value: Mapping[Any, Any]) -> dict[str, Any]:
    """A mapping in ``listen`` with its address as ``requests``; addresses aren't judged here.

    Raises:
        ValueError: it lacks an address, or a key or value in it is none.
    """
    for key in value:
        if key not in KEYS:
            raise ValueError(unknown_key(key, KEYS, " of an address"))
    found = dict(value)
    if ("tcp" in found) is ("requests" in found):
        raise ValueError(f"an address has one of requests and tcp, such as {CURVE} or {PAIR}")
    if "tcp" in found:
        if not isinstance(found["tcp"], str) or "://" in found["tcp"]:
            raise ValueError(f'tcp is "host:port", not {say(found["tcp"])}')
        found["requests"] = f"tcp://{found.pop('tcp')}"
    for key in ("insecure", "allow_local_users"):
        if not isinstance(found.get(key, False), bool):
            raise ValueError(f"{quoted(key)} must be true or false, not {say(found[key])}")
    if found.get("role", ROLES[0]) not in ROLES:
        raise ValueError(f'"role" must be one of {", ".join(ROLES)}, not {say(found["role"])}')
    curve = found.get("curve", "keys")
    if not isinstance(curve, str) or not curve:
        raise ValueError(f'"curve" must be the path of a folder of keys, not {say(curve)}')
    is_tcp = str(found["requests"]).startswith("tcp://")
    if not is_tcp and (other := [key for key in KEYS[3:6] if key in found]):
        raise ValueError(f"{quoted(other[0])} is for addresses of tcp")
    if "curve" in found and (other := [key for key in KEYS[4:] if key in found]):
        raise ValueError(f"{quoted(other[0])} says nothing where curve asks for keys: leave it out")
    return found


def door_of(item: Listened, folder: Path) -> Door:
    """What holds for who comes by an item of ``listen``.

    Args:
        item: one that is right by itself.
        folder: the config's.
    """
    if isinstance(item, str):
        return Door()
    curve = item.get("curve")
    return Door(
        curve=None if curve is None else folder / Path(curve).expanduser(),
        insecure=item.get("insecure", False),
        allow_local_users=item.get("allow_local_users", False),
        role=item.get("role"),
    )


def open_doors(
    listen: Sequence[Listened], folder: Path, *, local_users: bool, access: bool
) -> Iterator[tuple[int, str]]:
    """What is wrong with who may come in by the items of ``listen``: the index of one, and a text.

    Args:
        listen: as in the config; those of browsers have a guard of their own.
        folder: the config's.
        local_users: whether all users of this machine may, as the config says on top.
        access: whether the config has ``access``.
    """
    seen: set[str] = set()
    for index, item in enumerate(listen):
        requests = item if isinstance(item, str) else item["requests"]
        door = door_of(item, folder)
        if requests in seen and isinstance(item, dict):
            yield index, f"{quoted(requests)} is there twice, and what holds for it is one thing"
            continue
        seen.add(requests)
        if reason := _problem(item, requests, door, local_users=local_users, access=access):
            yield index, reason


def _problem(
    item: Listened, requests: str, door: Door, *, local_users: bool, access: bool
) -> str | None:
    if not requests.startswith("tcp://"):
        return None
    if door.curve is not None:
        try:
            rig_pair(door.curve)
            client_names(door.curve)
        except KeyRefused as error:
            return str(error)
        return None
    here, bare = quoted(requests), quoted(requests.removeprefix("tcp://"))
    if access and door.role is None:
        return (
            f"who comes by {here} has no name for access to go by: give it keys, {{tcp: {bare},"
            f" curve: keys/}}, or a role, {{tcp: {bare}, role: reader}}"
        )
    if door.insecure:
        return None
    if not parse_endpoint(requests).is_local:
        return (
            f"{here} can be reached from the network: give it keys, {{tcp: {bare}, curve: keys/}},"
            f" or say that anybody may use the rig, {{tcp: {bare}, insecure: true}}"
        )
    if isinstance(item, dict) and "events" not in item and not door.role:
        if local_users or door.allow_local_users:
            return None
        return (
            f"{here} can be used by every user of this machine: give it keys, {{tcp: {bare},"
            f" curve: keys/}}, or say that this is meant, {{tcp: {bare}, allow_local_users: true}}"
        )
    return None

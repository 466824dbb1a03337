"""Other machines on which workers run: what a config says of them, and what is wrong with that."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from orchestrator.config.problems import KeyPath
from orchestrator.config.values import check_id, check_seconds
from orchestrator.names import CLUSTER_FILES
from orchestrator.words import did_you_mean, quoted
from transports import web_addresses

ENGINES: Final = ("ssh", "dask")
LOST_AFTER: Final = 5.0
"""Seconds of silence after which a host is lost, if nothing else is said."""
LAST_PORT: Final = 65533
"""The last one that two more can follow."""
LEAST: Final = 1.0
"""Seconds that it is at least: a busy machine may be silent for as long."""
NAME_THEM: Final = 'name them: hosts: {camera-pc: {engine: ssh, address: "lab@10.0.0.7"}}'
BY_DASK: Final = {
    "address": "Dask finds it by its name",
    "ssh": "Dask finds it by its name",
    "python": "Dask starts agents by the Python that runs orch host join there",
}
"""Keys of a host that Dask has no use for, and why."""
ALONE: Final = {
    "transport": "a thread of the supervisor can't be on another host",
}
"""Keys that a worker on another host can't have, and why."""


@dataclass(frozen=True)
class HostConfig:
    """A machine on which workers may run.

    Attributes:
        name: its name in the config; of an engine that places work by name, its name there.
        engine: what starts orch's agent there: ``ssh``, or ``dask`` (Dask distributed).
        address: where ssh reaches it, such as ``lab@10.0.0.7``.
        ssh: the program that is run as ssh, and its options.
        python: the interpreter there that has orch.
        resources: for ``dask``, what the agent takes of the worker's resources as long as it runs,
            by their names: they are this rig's alone meanwhile.
        folder: a folder there from which drivers can be imported, and in which workers run; None
            for the home of the user that the agent runs as.
    """

    name: str
    engine: str
    address: str | None = None
    ssh: tuple[str, ...] = ("ssh",)
    python: str | None = None
    folder: str | None = None
    resources: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Placement:
    """How a rig and its other hosts find and lose each other.

    Attributes:
        address: name or number by which hosts reach the rig's machine; None for the one by which
            that machine reaches them.
        lost_after: seconds of silence after which a host is lost.
        scheduler: address of Dask's scheduler.
        tls: folder of the files by which Dask's ends know each other, as ``orch host keys`` makes
            them; None for an address in the clear.
        port: the first of three, at which agents, workers and their events come in; None for any
            that are free.
    """

    address: str | None = None
    lost_after: float = LOST_AFTER
    scheduler: str | None = None
    tls: str | None = None
    port: int | None = None


def check_lost_after(value: object) -> float:
    """A time after which a host is lost.

    Raises:
        ValueError: it is none, or too short to tell a lost host from a busy one.
    """
    seconds = check_seconds(value)
    if seconds < LEAST:
        raise ValueError(f"a host that is only busy may be silent for {LEAST:g} s: give it longer")
    return seconds


def check_ssh_address(value: str) -> str:
    """An address for ssh, such as ``lab@10.0.0.7``.

    Raises:
        ValueError: it is none, or has what ssh takes as options.
    """
    user, at, host = value.rpartition("@")
    if not host or (at and not user) or value.startswith("-") or any(map(str.isspace, value)):
        raise ValueError("it is a name or number, with a user before it: lab@10.0.0.7")
    if "://" in value:
        raise ValueError(
            'it has no "ssh://": write lab@10.0.0.7, and a port as ssh: [ssh, -p, "22"]'
        )
    if "@" in user:
        raise ValueError(f"it has one @, as in lab@10.0.0.7; or ssh: [ssh, -l, {quoted(user)}]")
    if ":" in host and not _is_number(host.partition("%")[0].strip("[]")):
        raise ValueError('it has no port: write ssh: [ssh, -p, "22"]')
    _check_dotted(host)
    return value


def check_own_address(value: str) -> str:
    """A name or number of the rig's machine, such as ``10.0.0.1``.

    Raises:
        ValueError: it is none, none that others reach, or has a port.
    """
    number = value.strip("[]")
    if ":" in value and not _is_number(number):
        raise ValueError("it is a name or number without a port, which the rig chooses: 10.0.0.1")
    _check_dotted(value)
    if _is_number(number) and ipaddress.ip_address(number).is_unspecified:
        raise ValueError("nobody reaches that: write the number by which hosts reach this machine")
    return web_addresses.check_name(f"[{number}]" if ":" in value else value)


def _is_number(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _check_dotted(text: str) -> None:
    """Refuse what looks like a number of a machine, and is none.

    Raises:
        ValueError: it does.
    """
    if re.fullmatch(r"[0-9]+(\.[0-9]+)+", text) and not _is_number(text):
        raise ValueError(f"{text} is no number of a machine: four numbers up to 255")


def check_resource(value: object) -> float:
    """How much of one of Dask's resources.

    Raises:
        ValueError: it is no number above 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError("it is a number above 0: how much of it the rig takes")
    return float(value)


def check_scheduler(value: str) -> str:
    """The address of Dask's scheduler.

    Raises:
        ValueError: it is none.
    """
    place = r"(\[[0-9A-Fa-f:.]+\]|[^/\s:@\[\]]+):([0-9]{1,5})"
    found = re.fullmatch(rf"(?:tls|tcp)://{place}", value)
    if found is None or not 0 < int(found[2]) < 65536:
        raise ValueError("it is tls://name:port, or tcp://name:port in the clear")
    _check_dotted(found[1])
    return value


def wrong_placement(placement: Placement) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with how hosts are found: where in the file, and a text."""
    scheme = (placement.scheduler or "").partition(":")[0]
    if scheme == "tls" and placement.tls is None:
        yield (
            ("placement", "scheduler"),
            "a tls:// scheduler needs keys: tls: FOLDER; orch host keys FOLDER makes them",
        )
    if placement.tls is None:
        return
    path: KeyPath = ("placement", "tls")
    if scheme == "tcp":
        yield path, "its scheduler is in the clear: write tls://, or leave this out"
    folder = Path(placement.tls)
    lacks = [name for name in CLUSTER_FILES if not (folder / name).is_file()]
    if lacks:
        found = f"has no {', '.join(lacks)}" if folder.is_dir() else "isn't there"
        yield (
            path,
            f"{folder} {found}: copy the folder here that orch host keys made for the cluster",
        )


def wrong_hosts(
    hosts: Mapping[str, Mapping[str, Any]], scheduler: str | None
) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with the hosts: where in the file, and a text.

    Args:
        hosts: what the file says of each, by name, as far as it is right by itself.
        scheduler: address of Dask's, if the file has it.
    """
    for name, host in hosts.items():
        path: KeyPath = ("hosts", name)
        try:
            check_id(name)
        except ValueError as error:
            yield path, str(error)
        engine = host.get("engine")
        if engine == "ssh" and host.get("address") is None:
            yield path, f'host {quoted(name)} needs an "address", such as lab@10.0.0.7'
        if engine == "ssh" and host.get("resources"):
            yield (*path, "resources"), '"resources" are for the engine dask: ssh knows of none'
        if engine == "dask":
            for key, why in BY_DASK.items():
                if host.get(key) is not None:
                    yield (*path, key), f'"{key}" is for the engine ssh: {why}'
            if scheduler is None:
                need = 'placement: {scheduler: "tls://lab:8786"}'
                yield path, f"host {quoted(name)} needs the scheduler of Dask: {need}"


def wrong_place(
    name: str, host: str | None, hosts: Mapping[str, Any], given: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """What is wrong with where a worker runs: the key, and a text.

    Args:
        name: the worker.
        host: where it is to run; None for the rig's own machine.
        hosts: those that the config knows.
        given: the keys that the worker may not have there, with their values.
    """
    if host is None:
        return
    if host not in hosts:
        hint = did_you_mean(host, hosts) if hosts else f"; {NAME_THEM}"
        yield "host", f"no host is named {quoted(host)}{hint}"
    for key, why in ALONE.items():
        if given.get(key) not in (None, "ipc"):
            told = f"worker {quoted(name)} runs on the host {quoted(host)}: {why}"
            yield key, f'{told}; leave out "{key}"'

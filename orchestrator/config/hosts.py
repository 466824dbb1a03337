"""Other machines on which workers run: what a config says of them, and what is wrong with that."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.config.problems import KeyPath
from orchestrator.config.values import check_id, check_seconds
from orchestrator.words import did_you_mean, quoted

ENGINES: Final = ("ssh", "dask")
LOST_AFTER: Final = 5.0
"""Seconds of silence after which a host is lost, if nothing else is said."""
LEAST: Final = 1.0
"""Seconds that it is at least: a busy machine may be silent for as long."""
NAME_THEM: Final = 'name them: hosts: {camera-pc: {engine: ssh, address: "lab@10.0.0.7"}}'
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
    """

    address: str | None = None
    lost_after: float = LOST_AFTER
    scheduler: str | None = None
    tls: str | None = None


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
        ValueError: it would be taken for an option, or has white space.
    """
    if not value or value.startswith("-") or any(each.isspace() for each in value):
        raise ValueError("it is a name or number, with a user before it: lab@10.0.0.7")
    return value


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
    if not re.fullmatch(r"(tls|tcp)://[^/\s]+:\d+", value):
        raise ValueError("it is tls://name:port, or tcp://name:port in the clear")
    return value


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
            for key in ("address", "ssh"):
                if host.get(key) is not None:
                    yield (*path, key), f'"{key}" is for the engine ssh: Dask finds it by its name'
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

"""The members that a config names, each with where it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from orchestrator.config.cancels import stops_of
from orchestrator.config.loader import Place, RigConfig, WorkerConfig
from transports.headers import CACHED, DESCRIPTION

_OF_ALL: Final = frozenset((CACHED, DESCRIPTION, "ping"))
"""Members that all workers have."""


def named(worker: WorkerConfig, config: RigConfig) -> Iterator[tuple[str, Place]]:
    """The members that a config names of a worker, and where; not those of the defaults."""
    for index, name in enumerate(worker.concurrent):
        if place := worker.places.get(f"concurrent.{index}"):
            yield name, place
    yield from _done(worker)
    yield from _cancelled(worker)
    yield from _looked_after(worker)
    for key in ("timeouts", "poll"):
        for name in getattr(worker, key):
            if place := worker.places.get(f"{key}.{name}"):
                yield name, place
    yield from _granted(worker, config)


def _done(worker: WorkerConfig) -> Iterator[tuple[str, Place]]:
    """The members of `events`, `on_start` and `restore`."""
    for name, how in worker.events.items():
        if place := worker.places.get(f"events.{name}"):
            yield from ((call[0], place) for call in (how.call, how.end) if call is not None)
    if place := worker.places.get("on_start"):
        yield from ((step[0], place) for step in worker.on_start)
    for index, name in enumerate(worker.restore):
        if place := worker.places.get(f"restore.{index}"):
            yield name, place


def _cancelled(worker: WorkerConfig) -> Iterator[tuple[str, Place]]:
    """The members of `cancel` and `cancel_with`: those that are stopped, and what stops them."""
    for name in worker.cancel:
        if place := worker.places.get(f"cancel.{name}"):
            yield name, place
    yield from stops(worker)


def stops(worker: WorkerConfig) -> Iterator[tuple[str, Place]]:
    """The members that stop others, and where."""
    means = {"cancel_with": worker.cancel_with}
    means |= {f"cancel.{name}": names for name, names in worker.cancel.items()}
    for key, names in means.items():
        if place := worker.places.get(key):
            yield from ((name, place) for name in stops_of(names))


def _looked_after(worker: WorkerConfig) -> Iterator[tuple[str, Place]]:
    """The members of `idempotent`, `verify` and `probe`: what is verified, and what is read."""
    for index, name in enumerate(worker.idempotent):
        if place := worker.places.get(f"idempotent.{index}"):
            yield name, place
    for name, read in worker.verify.items():
        if place := worker.places.get(f"verify.{name}"):
            yield from ((name, place), (read, place))
    if worker.probe is not None and (place := worker.places.get("probe.read")):
        yield worker.probe["member"], place


def _granted(worker: WorkerConfig, config: RigConfig) -> Iterator[tuple[str, Place]]:
    """The members that `access` names."""
    for who, granted in (config.access or {}).items():
        for key, names in (("read", granted.read), ("allow", granted.allow)):
            for at, name in enumerate(names):
                owner, _, member = name.partition(".")
                if owner == worker.name and member not in _OF_ALL:
                    yield member, config.places[f"access.{who}.{key}.{at}"]


def limited(worker: WorkerConfig, config: RigConfig) -> list[tuple[str, list[str]]]:
    """The members whose values `access` limits, each with the names of what is limited."""
    return [
        (member, list(limits))
        for granted in (config.access or {}).values()
        for name, limits in granted.limits.items()
        for owner, _, member in (name.partition("."),)
        if owner == worker.name
    ]


def place_of_limit(worker: WorkerConfig, config: RigConfig, member: str, argument: str) -> Place:
    """Where the limit of an argument stands."""
    for who, granted in (config.access or {}).items():
        name = f"{worker.name}.{member}"
        if argument in granted.limits.get(name, ()):
            whole = f"access.{who}.limits.{name}"
            return config.places.get(f"{whole}.{argument}", config.places[whole])
    return worker.place

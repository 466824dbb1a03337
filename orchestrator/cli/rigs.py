"""The rig that a command talks to, and whether it has what was named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from orchestrator.cli.failures import CommandError, Exit, asking, unknown
from orchestrator.cli.options import chosen_rig
from transports import terms

if TYPE_CHECKING:
    from orchestrator.client import Rig

COMMANDS = {"properties": "orch get", "actions": "orch call", "events": "orch watch"}


@contextmanager
def open_rig() -> Iterator[Rig]:
    """Connect to the rig that `--rig` or the environment names, or the only one.

    Raises:
        RigNotReachable: There is none, or it doesn't answer.
    """
    from orchestrator.client import connect

    with connect(chosen_rig()) as rig:
        yield rig


@contextmanager
def reading() -> Iterator[None]:
    """Ask what changes nothing: a rig that is lost meanwhile just wasn't reachable."""
    from orchestrator.errors import RigLost

    try:
        yield
    except RigLost as error:
        raise CommandError(str(error), Exit.NOT_REACHABLE) from error


def rig_id(rig: Rig) -> str:
    """The rig's id, also where a worker is called `id`."""
    found: str = type(rig).id.__get__(rig)
    return found


def status_of_rig(rig: Rig) -> dict[str, Any]:
    """What the rig says of itself and its workers."""
    with reading(), asking(rig_id(rig), "status"):
        status: dict[str, Any] = type(rig).status(rig)
    return status


def describe_worker(rig: Rig, worker: str, *, refresh: bool = False) -> dict[str, Any]:
    """A worker's Thing Description."""
    from transports.headers import DESCRIPTION

    with reading(), asking(worker, DESCRIPTION):
        thing: dict[str, Any] = rig[worker].describe(refresh=refresh)
    return thing


def check_workers(rig: Rig, names: list[str]) -> None:
    """Refuse names that no worker has.

    Raises:
        CommandError: With the nearest name that there is.
    """
    known = [worker["name"] for worker in status_of_rig(rig)["workers"]]
    for name in names:
        if name not in known:
            unknown("worker", name, known, f"rig {rig_id(rig)}")


def check_worker(rig: Rig, name: str) -> None:
    """Refuse a name that neither a worker nor the rig itself has.

    Raises:
        CommandError: With the nearest name that there is.
    """
    if name != rig_id(rig):
        check_workers(rig, [name])


def check_events(rig: Rig, worker: str) -> None:
    """Refuse a worker that has no events.

    Raises:
        CommandError: There is no such worker, or it has none.
    """
    check_worker(rig, worker)
    if not describe_worker(rig, worker).get("events"):
        raise CommandError(f"{worker} has no events", Exit.USAGE)


SOME = 6
"""Members of a component that an error names."""


def check_member(rig: Rig, worker: str, kind: str, name: str) -> dict[str, Any]:
    """The description of a worker's member; a name that isn't one of that kind is refused.

    Args:
        rig: The rig.
        worker: The worker, or the rig's own id.
        kind: `properties`, `actions` or `events`.
        name: The member.

    Raises:
        CommandError: With what it is instead, or the nearest name that there is.
    """
    check_worker(rig, worker)
    thing = describe_worker(rig, worker)
    if name in thing.get(kind, {}):
        found: dict[str, Any] = thing[kind][name]
        return found
    as_property: dict[str, Any] = thing.get("properties", {}).get(name, {})
    if (kind == "events" and as_property.get("observable")) or (
        kind == "actions" and as_property.get(terms.CALLABLE)
    ):
        return as_property
    from transports.headers import KINDS

    for other, sort in KINDS.items():
        if name in thing.get(other, {}):
            raise CommandError(
                f"{name} of {worker} is {sort}, not {KINDS[kind]}; use {COMMANDS[other]}",
                Exit.USAGE,
            )
    inside = [each for sort in KINDS for each in thing.get(sort, {}) if _is_inside(each, name)]
    if inside:
        some = ", ".join(inside[:SOME]) + (" and more" if len(inside) > SOME else "")
        raise CommandError(f"{name} of {worker} is a component; it has {some}", Exit.USAGE)
    if kind != "events" and any(mark in name for mark in ".["):
        return {}  # what a driver serves by other means than it tells is asked of the worker
    return unknown(KINDS[kind].partition(" ")[2], name, thing.get(kind, {}), worker)


def _is_inside(member: str, component: str) -> bool:
    return member.startswith((f"{component}.", f"{component}["))

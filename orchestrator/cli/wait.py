"""`wait`: until a rig runs, or its workers are in a state."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.completers import complete_workers
from orchestrator.cli.detach import UP
from orchestrator.cli.failures import CommandError, Exit
from orchestrator.cli.options import chosen_rig, read_timeout, rig_option
from orchestrator.cli.overview import STYLES
from orchestrator.cli.rigs import check_workers, status_of_rig
from orchestrator.cli.workers import LOOK_AGAIN

if TYPE_CHECKING:
    from types import EllipsisType

    from orchestrator.client import Rig


@click.command()
@click.argument("names", metavar="[WORKER]...", nargs=-1, shell_complete=complete_workers)
@click.option(
    "--state",
    type=click.Choice(tuple(STYLES), case_sensitive=False),
    help="The state that is waited for; READY (or STALLED) if left out.",
)
@click.option(
    "--timeout",
    metavar="TIME",
    callback=read_timeout,
    help="How long at most, such as 30s or 2min; without end if left out.",
)
@rig_option
def wait(names: tuple[str, ...], state: str | None, timeout: float | EllipsisType | None) -> None:
    """Wait until the rig runs and its workers are ready.

    Or until they are in another state; all workers if none is named. Status 4 when the time is
    over, or at once when a worker is FAILED that is to be ready.
    """
    seconds = timeout if isinstance(timeout, float | int) else float("inf")
    deadline = time.monotonic() + seconds
    with _rig(deadline) as rig, rig.subscribe("worker-state") as changes:
        if names:
            check_workers(rig, list(names))
        while late := _missing(rig, names, state):
            left = deadline - time.monotonic()
            changes.timeout = None if left == float("inf") else max(left, 0.001)
            try:
                next(changes)
            except TimeoutError:
                raise CommandError(f"not within the time: {late}", Exit.NOT_STARTED) from None


def _missing(rig: Rig, names: tuple[str, ...], state: str | None) -> str:
    """Who isn't there yet; empty if all are.

    Raises:
        CommandError: One never will be.
    """
    wanted = UP if state is None else (state,)
    workers = [each for each in status_of_rig(rig)["workers"] if not names or each["name"] in names]
    failed = [each for each in workers if each["state"] == "FAILED"]
    if failed and "FAILED" not in wanted:
        told = "\n".join(f"{each['name']} is FAILED: {each['reason']}" for each in failed)
        raise CommandError(told, Exit.NOT_STARTED)
    return ", ".join(_said(each) for each in workers if each["state"] not in wanted)


def _said(worker: dict[str, Any]) -> str:
    return f"{worker['name']} is {worker['state']}"


def _rig(deadline: float) -> Rig:
    """The rig, as soon as it answers."""
    from orchestrator.client import connect
    from orchestrator.errors import RigNotReachable

    while True:
        try:
            return connect(chosen_rig())
        except RigNotReachable:
            if time.monotonic() + LOOK_AGAIN > deadline:
                raise
            time.sleep(LOOK_AGAIN)  # nothing tells when a rig comes

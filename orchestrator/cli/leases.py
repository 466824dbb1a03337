"""`lease`, `unlease`, `leases`: exclusive use of a worker."""

from __future__ import annotations

import os
import signal
import subprocess
from types import EllipsisType
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.completers import complete_workers
from orchestrator.cli.failures import CommandError, Exit, asking, print_out, say
from orchestrator.cli.options import (
    chosen_rig,
    json_option,
    read_text,
    read_timeout,
    rig_option,
)
from orchestrator.cli.overview import leased
from orchestrator.cli.rigs import check_workers, open_rig, rig_id, status_of_rig
from orchestrator.cli.show import safe, to_json
from orchestrator.names import RIG_VARIABLE

if TYPE_CHECKING:
    from orchestrator.client.leases import Lease, Place

USUAL = 600.0
"""Seconds that a lease holds if nothing is said."""
_worker = click.argument("name", metavar="WORKER", shell_complete=complete_workers)


def _read_span(ctx: click.Context, param: click.Parameter, text: str | None) -> float:
    """Seconds that have an end.

    Raises:
        click.BadParameter: It is something else.
    """
    if text is None:
        return USUAL
    if text in ("null", "none"):
        raise click.BadParameter("a lease has an end")
    from orchestrator.config.values import check_seconds

    try:
        return check_seconds(read_text(ctx, param, text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@_worker
@click.argument("command", metavar="[-- COMMAND…]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--for", "seconds", metavar="TIME", callback=_read_span, help="How long; 10min if left out."
)
@click.option("--why", default="", metavar="TEXT", help="What for; whoever is refused is told.")
@click.option(
    "--wait",
    "patience",
    metavar="TIME",
    callback=read_timeout,
    help="How long to wait for somebody else's; without end if left out.",
)
@rig_option
def lease(
    name: str,
    command: tuple[str, ...],
    seconds: float,
    why: str,
    patience: float | EllipsisType | None,
) -> int:
    """Have a worker to oneself for a while.

    While a command runs, or until Ctrl-C. Others are refused whatever has an effect on it, and
    still read. The command, and what it starts, acts by the lease, which is renewed until it ends;
    its status is that of this command.
    Without a command the lease ends by Ctrl-C, when its time is over, or by orch unlease.
    """
    wait = None if isinstance(patience, EllipsisType) else patience
    with open_rig() as rig:
        check_workers(rig, [name])
        wanted = rig[name].lease(
            seconds, why=why, wait=wait, waiting=lambda place: _tell(name, place)
        )
        given = f"{rig_id(rig)}/{name}"
        if command:
            with wanted:
                _had(name, wanted)
                # By the same name as here: several rigs may run, or this one elsewhere.
                meant = chosen_rig() or os.environ.get(RIG_VARIABLE) or rig_id(rig)
                return _run(command, meant, f"{given}={wanted.number}", wanted)
        wanted.take()
        _had(name, wanted)
        say(f"others act by it with: export ORCH_LEASE={given}={wanted.number}")
        return _stay(wanted)


@click.command()
@_worker
@click.option("--force", is_flag=True, help="Break it, whoever has it; that is recorded.")
@click.option("--why", default="", metavar="TEXT", help="Why it is broken; its owner is told.")
@rig_option
def unlease(name: str, force: bool, why: str) -> None:
    """End the lease of a worker.

    One that a program of this user on this machine has is given back. With --force anybody's is
    broken: its owner's requests are refused from then on, and the audit says who did it and why.
    """
    if force and not why:
        raise click.UsageError("--force needs --why TEXT: its owner is told, and it is recorded")
    with open_rig() as rig:
        check_workers(rig, [name])
        found = _lease_of(rig, name)
        if found is None:
            raise CommandError(f"nobody has a lease of {name}", Exit.NOT_STARTED)
        from orchestrator.client.leases import ask_rig
        from orchestrator.errors import Leased

        if force:
            with asking(name, "break_lease"):
                broken = ask_rig(rig, "break_lease", name, why=why)
            print_out(
                f"lease {broken['number']} of {name} was broken: {safe(broken['who'])} had it"
            )
            return
        try:
            ask_rig(rig, "unlease", name, number=found["number"])
        except Leased as error:
            told = f"{safe(str(error))}; orch unlease --force breaks it"
            raise CommandError(told, Exit.NOT_STARTED) from error
        print_out(f"lease {found['number']} of {name} was given back")


@click.command()
@json_option
@rig_option
def leases(as_json: bool) -> None:
    """Show who has a worker to himself.

    Why, and for how long, and who waits.
    """
    with open_rig() as rig:
        workers = status_of_rig(rig)["workers"]
    held = {each["name"]: each["lease"] for each in workers if each.get("lease")}
    if as_json:
        print_out(to_json(held))
        return
    for name, each in held.items():
        print_out(f"{name}: number {each['number']}, {safe(leased(each))}")
    if not held:
        say("nobody has a lease")


def _lease_of(rig: Any, name: str) -> dict[str, Any] | None:
    workers = status_of_rig(rig)["workers"]
    found: dict[str, Any] | None = next(each for each in workers if each["name"] == name)["lease"]
    return found


def _tell(name: str, place: Place) -> None:
    say(f"{name} is {safe(place.held)}; number {place.place} of those who wait")


def _had(name: str, had: Lease) -> None:
    say(f"lease {had.number} of {name} is yours")
    if had.runs:
        say(f"what runs there ends first: {safe(', '.join(had.runs))}")


def _run(command: tuple[str, ...], rig: str, given: str, had: Lease) -> int:
    """Run a command by a lease; its exit status, as shells have that of a signal."""
    inherited = os.environ.get("ORCH_LEASE", "")
    leases = f"{inherited} {given}".strip()
    environment = {**os.environ, RIG_VARIABLE: rig, "ORCH_LEASE": leases}
    try:
        with subprocess.Popen(command, env=environment) as process:
            # Ctrl-C is the command's, as is what follows from it.
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                status = process.wait()
            finally:
                signal.signal(signal.SIGINT, before)
                if process.poll() is None:
                    process.terminate()
    except OSError as error:
        raise CommandError(f"{command[0]} can't be run: {error.strerror}", Exit.USAGE) from error
    if had.lost is not None:
        say(str(had.lost))
    return 128 - status if status < 0 else status


def _stay(had: Lease) -> int:
    """Wait until it has ended, by itself or by somebody, or for Ctrl-C."""
    from orchestrator.errors import Leased

    try:
        had.hold()
    except Leased as error:
        # The rig began to count before this did, by as long as its answer took.
        if not error.expired:
            raise CommandError(str(error), Exit.NOT_STARTED) from error
        say(str(error))
        return Exit.DONE
    except BaseException:  # Ctrl-C too
        had.release()
        raise

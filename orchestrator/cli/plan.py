"""`plan` and `apply`: a changed config for a rig that runs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.configs import load_config, refusal, waits_told
from orchestrator.cli.failures import CommandError, Exit, operating, print_out, say
from orchestrator.cli.options import json_option
from orchestrator.cli.overview import STYLES
from orchestrator.cli.rigs import rig_id
from orchestrator.cli.show import print_table, safe, to_json

if TYPE_CHECKING:
    from orchestrator.client import Rig
    from orchestrator.config.loader import RigConfig

SHOWN = {
    "add": ("+", "green", "starts"),
    "remove": ("-", "red", "is stopped and removed"),
    "restart": ("~", "yellow", "restarts: {}"),
    "limits": ("~", "cyan", "no restart: {}"),
    "stopped": ("~", "yellow", "is stopped, and begins so when it is started: {}"),
}
UNTOUCHED = "the rig is as it was"


@click.command()
@click.argument("config", metavar="CONFIG")
@json_option
def plan(config: str, as_json: bool) -> None:
    """Show what a changed config would do to the rig that runs.

    + starts, - is stopped and removed, ~ restarts, or goes on with other limits. A config that
    orch apply would refuse is refused here too.
    """
    loaded = load_config(config)
    with _rig_of(loaded) as rig:
        found = _ask(rig, "plan", config)
    _check_drivers(loaded, config, found)
    if as_json:
        print_out(to_json(found))
    else:
        _show(found)
    if found["fixed"]:
        keys = ", ".join(found["fixed"])
        raise CommandError(f"orch apply would refuse this: {keys} can't change", Exit.USAGE)


@click.command()
@click.argument("config", metavar="CONFIG")
@click.option("--rollback", is_flag=True, help="Go back when a worker fails in its new form.")
@json_option
def apply(config: str, rollback: bool, as_json: bool) -> None:
    """Have the rig that runs go by a changed config.

    What orch plan shows is done; what doesn't change runs on. A config with problems, also with
    drivers of workers that would start, leaves the rig as it was.
    """
    loaded = load_config(config, UNTOUCHED)
    with _rig_of(loaded) as rig:
        planned = _ask(rig, "plan", config)
        _check_drivers(loaded, config, planned)
        found = _ask(rig, "apply", config, rollback)
    if as_json:
        print_out(to_json(found))
    else:
        _show(found)
        if found["states"]:
            print_out("")
            print_table(
                ("WORKER", "STATE"),
                [
                    [(name, "bold"), (each, STYLES.get(each, ""))]
                    for name, each in found["states"].items()
                ],
            )
    if found["failed"]:
        if found["rolled_back"]:
            say("rolled back: the rig goes by the config that it had")
        reasons = [f"{name}: {reason}" for name, reason in found["failed"].items()]
        raise CommandError("\n".join(reasons), Exit.NOT_STARTED)


def _rig_of(config: RigConfig) -> Rig:
    """The rig that runs by this config, or did by an earlier form of it."""
    from orchestrator.client import connect

    return connect(config.rig)


def _ask(rig: Rig, member: str, config: str, *more: bool) -> dict[str, Any]:
    import os

    refused = None
    with operating(rig_id(rig), member):
        try:
            found: dict[str, Any] = rig[rig_id(rig)].call(member, os.path.abspath(config), *more)
        except (ValueError, BlockingIOError) as error:
            refused = error
    if refused is not None:
        status = Exit.USAGE if isinstance(refused, ValueError) else Exit.NOT_STARTED
        raise CommandError(str(refused), status)
    return found


def _check_drivers(config: RigConfig, given: str, planned: dict[str, Any]) -> None:
    """Refuse drivers that can't be imported, before a worker ends for them."""
    from orchestrator.check.drivers import check

    starts = {each["worker"] for each in planned["changes"] if each["what"] in ("add", "restart")}
    workers = {name: each for name, each in config.workers.items() if name in starts}
    problems, _ = check(dataclasses.replace(config, workers=workers), tell=waits_told())
    if problems:
        raise refusal(given, problems, UNTOUCHED)


def _show(found: dict[str, Any]) -> None:
    for each in found["changes"]:
        stays = each["worker"] in found["stopped"]
        mark, colour, text = SHOWN["stopped" if stays else each["what"]]
        told = text.format(", ".join(each["because"]))
        print_out(click.style(f"{mark} {safe(each['worker'])}", fg=colour) + f"  {told}")
    for key in found["rig"]:
        print_out(f"~ {key} of the rig  no restart")
    for key in found["fixed"]:
        print_out(f"! {key} of the rig  can't change while it runs: orch down and orch run")
    if not (found["changes"] or found["rig"] or found["fixed"]):
        print_out("nothing differs from what runs")

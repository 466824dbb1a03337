"""`rigs`: what this user runs."""

from __future__ import annotations

import time
from typing import Any

import click

from orchestrator.cli.failures import print_out, say
from orchestrator.cli.options import json_option
from orchestrator.cli.show import duration, print_table, safe, to_json

ANSWERS_WITHIN = 2.0
"""Seconds for a rig to connect; one that hangs is told as that."""


@click.command("rigs")
@json_option
def rigs(as_json: bool) -> None:
    """List the rigs that you run on this machine."""
    from orchestrator.runtime.folder import START_HINT, running_rigs

    found = [_look(name) for name in running_rigs()]
    if as_json:
        print_out(to_json(found))
    elif not found:
        say(f"no rig is running; {START_HINT}")
    else:
        print_table(
            ("RIG", "PID", "UP", "READY", "ADDRESS", "CONFIG"),
            [
                [
                    (each["rig"], "bold"),
                    (str(each["pid"] or "-"), ""),
                    (duration(each["uptime"]), ""),
                    _ready(each),
                    (safe(" ".join(each["addresses"]) or "-"), ""),
                    (safe(each["config"] or each["error"] or "-"), ""),
                ]
                for each in found
            ],
            right=(1, 2),
        )


def _ready(rig: dict[str, Any]) -> tuple[str, str]:
    if rig["workers"] is None:
        return "no answer", "red"
    all_are = rig["ready"] == rig["workers"]
    return f"{rig['ready']} of {rig['workers']}", "green" if all_are else "yellow"


def _look(name: str) -> dict[str, Any]:
    """What a rig tells in its folder, and of its workers if it answers."""
    from orchestrator.client import connect
    from orchestrator.errors import OrchError
    from orchestrator.runtime.folder import read_state

    found: dict[str, Any] = {"rig": name, "pid": None, "uptime": None, "addresses": []}
    found |= {"config": None, "ready": None, "workers": None, "error": None}
    try:
        state = read_state(name)
        found |= {"pid": state.pid, "addresses": state.addresses, "config": state.config}
        found["uptime"] = round(time.time() - state.started, 3)
        with connect(name, timeout=ANSWERS_WITHIN) as rig:
            workers = type(rig).status(rig)["workers"]
    except OrchError as error:
        return {**found, "error": str(error)}
    ready = sum(worker["state"] == "READY" for worker in workers)
    return {**found, "ready": ready, "workers": len(workers)}

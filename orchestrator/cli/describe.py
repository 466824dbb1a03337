"""`describe`: what workers offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.completers import UNDESCRIBED, complete_workers
from orchestrator.cli.failures import print_out
from orchestrator.cli.options import json_option, read_optional_text, rig_option
from orchestrator.cli.overview import SIMULATED, STYLES
from orchestrator.cli.rigs import check_worker, describe_worker, open_rig, status_of_rig
from orchestrator.cli.show import Cell, print_table, safe, to_json, to_line
from transports import terms

if TYPE_CHECKING:
    from orchestrator.client import Rig

KINDS = ("properties", "actions", "events")
LONGEST = 140
"""Characters of a member's description that are shown."""
LONGEST_CHOICE = 24
"""Characters of an enumeration's values that are shown."""


@click.command()
@click.argument(
    "worker", required=False, callback=read_optional_text, shell_complete=complete_workers
)
@click.option("--refresh", is_flag=True, help="Have the worker look at its driver again first.")
@json_option
@rig_option
def describe(worker: str | None, refresh: bool, as_json: bool) -> None:
    """List a worker's members, or all workers.

    Members are properties, actions and events, those of parts by their paths; --json gives the
    W3C Thing Description.
    """
    if refresh and worker is None:
        raise click.UsageError("--refresh needs a WORKER")
    with open_rig() as rig:
        if worker is None:
            _all_workers(rig, as_json)
            return
        check_worker(rig, worker)
        thing = describe_worker(rig, worker, refresh=refresh)
    if as_json:
        print_out(to_json(thing))
    else:
        _show_thing(worker, thing)


def _all_workers(rig: Rig, as_json: bool) -> None:
    workers = status_of_rig(rig)["workers"]
    things = _known_of(rig, workers)
    if as_json:
        print_out(to_json(things))
        return
    print_table(
        ("WORKER", "CLASS", "PROPERTIES", "ACTIONS", "EVENTS", "DESCRIPTION"),
        [_brief(worker, things[worker["name"]]) for worker in workers],
        right=(2, 3, 4),
    )


def known_things(rig: Rig) -> dict[str, dict[str, Any] | None]:
    """The Thing Descriptions by worker; None where the rig has none."""
    return _known_of(rig, status_of_rig(rig)["workers"])


def _known_of(rig: Rig, workers: list[dict[str, Any]]) -> dict[str, dict[str, Any] | None]:
    return {worker["name"]: _known(rig, worker) for worker in workers}


def _known(rig: Rig, worker: dict[str, Any]) -> dict[str, Any] | None:
    """A worker's Thing Description; None if the rig has none, as its driver never was built."""
    from orchestrator.errors import WorkerUnavailable

    if worker["state"] in UNDESCRIBED:
        return None
    try:
        return describe_worker(rig, worker["name"])
    except WorkerUnavailable:
        return None


def _brief(worker: dict[str, Any], thing: dict[str, Any] | None) -> list[Cell]:
    name: Cell = (worker["name"], "bold")
    if thing is None:
        state = worker["state"]
        return [name, *[("-", "")] * 4, (state, STYLES.get(state, ""))]
    counts = (str(len(thing.get(kind, {}))) for kind in KINDS)
    if thing.get(terms.SIMULATED):
        name = f"{worker['name']} {SIMULATED}", "magenta"
    return [
        name,
        (safe(thing.get("title", "")), ""),
        *((count, "") for count in counts),
        (_first_words(thing), "dim"),
    ]


def _show_thing(worker: str, thing: dict[str, Any]) -> None:
    twin = click.style(f"  {SIMULATED}", fg="magenta") if thing.get(terms.SIMULATED) else ""
    print_out(f"{click.style(worker, bold=True)}  {safe(thing.get('title', ''))}{twin}")
    for line in thing.get("description", "").splitlines():
        print_out(click.style(f"  {safe(line)}", dim=True) if line else "")
    if closes := thing.get(terms.CLOSES):
        print_out(click.style(f"  closes with {safe(closes)}()", dim=True))
    for part, members in _by_part(thing).items():
        if part:
            about = thing[terms.PARTS][part]
            text = _first_words(about)
            shown = click.style(f"  {text}", dim=True) if text else ""
            title = click.style(safe(part), bold=True)
            print_out(f"\n{title}  {safe(about.get('title', ''))}{shown}")
        _show_members(members)
    if restored := _restored(thing):
        print_out(f"\nrestored after a restart: {restored}; orch restart --fresh forgets it")
    if terms.CUT in thing:
        print_out(click.style(f"\n{safe(thing[terms.CUT])}", fg="yellow"))


def _restored(thing: dict[str, Any]) -> str:
    """The values that the worker's next life begins with."""
    values = {
        name: affordance[terms.RESTORED]
        for name, affordance in thing.get("properties", {}).items()
        if terms.RESTORED in affordance
    }
    return ", ".join(f"{safe(name)} {to_line(value)}" for name, value in values.items())


def _by_part(thing: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """The members of the driver itself, then those of each of its parts, by kind."""
    found: dict[str, dict[str, dict[str, Any]]] = {
        part: {kind: {} for kind in KINDS} for part in ("", *thing.get(terms.PARTS, {}))
    }
    for kind in KINDS:
        for path, affordance in thing.get(kind, {}).items():
            part = path.rpartition(".")[0]
            while part not in found:
                part = part.rpartition(".")[0]
            found[part][kind][path] = affordance
    return found


def _show_members(members: dict[str, dict[str, Any]]) -> None:
    properties, actions, events = (members[kind] for kind in KINDS)
    if properties:
        print_out("")
        print_table(
            ("PROPERTY", "TYPE", "UNIT", "ACCESS", "DESCRIPTION"),
            [_property(name, affordance) for name, affordance in properties.items()],
        )
    if actions:
        print_out("")
        print_out(click.style("ACTION", bold=True))
        for name, affordance in actions.items():
            _show_action(name, affordance)
    if events:
        print_out("")
        print_table(
            ("EVENT", "TYPE", "DESCRIPTION"),
            [
                [
                    (safe(name), "cyan"),
                    (type_text(affordance.get("data", {})), ""),
                    (_first_words(affordance), "dim"),
                ]
                for name, affordance in events.items()
            ],
        )


def _property(name: str, affordance: dict[str, Any]) -> list[Cell]:
    access = "ro" if affordance.get("readOnly") else "wo" if affordance.get("writeOnly") else "rw"
    if affordance.get("observable"):
        access += ", observable"
    if interval := affordance.get(terms.POLL):
        access += f", polled every {interval:g} s"
    return [
        (safe(name), "cyan"),
        (type_text(affordance), ""),
        (safe(str(affordance.get("unit", ""))), ""),
        (access, ""),
        (_first_words(affordance), "dim"),
    ]


def _show_action(name: str, affordance: dict[str, Any]) -> None:
    beside = click.style("  concurrent", fg="green") if affordance.get(terms.CONCURRENT) else ""
    if affordance.get(terms.IDEMPOTENT):
        beside += click.style("  idempotent", fg="green")
    signature = safe(affordance.get(terms.SIGNATURE, "(...)"))
    print_out(click.style(safe(name), fg="cyan") + signature + beside)
    if text := _first_words(affordance):
        print_out(click.style(f"    {text}", dim=True))


def _first_words(affordance: dict[str, Any]) -> str:
    """The label and the first paragraph of a description, cut when that is long."""
    from orchestrator.words import one_line

    text = str(affordance.get("description", "")).strip().split("\n\n")[0]
    label = str(affordance.get("title", "")) if affordance.get(terms.CALLABLE) else ""
    return one_line(": ".join(filter(None, (label, text))), LONGEST)


def type_text(schema: dict[str, Any]) -> str:
    """The type that a JSON schema allows, in short: `number`, `list[number] | null`."""
    if "oneOf" in schema:
        return " | ".join(dict.fromkeys(type_text(choice) for choice in schema["oneOf"]))
    if "enum" in schema:
        text = " | ".join(safe(str(value)) for value in schema["enum"])
        return text if len(text) <= LONGEST_CHOICE else f"one of {len(schema['enum'])}"
    if terms.TYPE in schema:
        return safe(str(schema[terms.TYPE]))
    if schema.get(terms.DYNAMIC):
        return "shows at use"
    kind = schema.get("type")
    if kind == "array":
        if terms.CONTENT_TYPE in schema:
            return "ndarray"
        items = schema.get("items")
        return f"list[{type_text(items)}]" if isinstance(items, dict) and items else "list"
    if isinstance(kind, list):
        return " | ".join(str(each) for each in kind)
    return str(kind or "any")

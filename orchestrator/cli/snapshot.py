"""`snapshot`, and `get` without a property: all that can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.completers import complete_workers
from orchestrator.cli.failures import Exit, print_out, say
from orchestrator.cli.options import read_timeout, rig_option
from orchestrator.cli.rigs import check_workers, describe_worker, open_rig, reading
from orchestrator.cli.show import is_terminal, print_table, safe, to_json, to_line

if TYPE_CHECKING:
    from types import EllipsisType

    from orchestrator.client import Rig
    from orchestrator.client.snapshot import Snapshot


@click.command()
@click.argument("names", metavar="[WORKER]...", nargs=-1, shell_complete=complete_workers)
@click.option("--yaml", "as_yaml", is_flag=True, help="YAML in place of JSON.")
@click.option(
    "--timeout",
    metavar="TIME",
    callback=read_timeout,
    help="How long each read may take, such as 500ms; as configured if left out.",
)
@rig_option
def snapshot(names: tuple[str, ...], as_yaml: bool, timeout: float | EllipsisType | None) -> int:
    """Read all properties of all workers, for a data file.

    Workers are read side by side, the properties of each one after the other. What couldn't be
    read is in it too, with the reason; the status is 1 then.
    """
    with open_rig() as rig:
        found = _read(rig, names, timeout)
    if as_yaml:
        from orchestrator.cli.yaml_text import to_yaml
        from orchestrator.client.json_form import plain

        print_out(to_yaml(plain(found)).rstrip("\n"))
    else:
        print_out(to_json(found, indent=1 if is_terminal() else 0))
    return _status(found)


def get_all(worker: str, timeout: float | EllipsisType | None, *, as_json: bool) -> int:
    """Read all properties of a worker, and print them.

    Args:
        worker: The worker.
        timeout: Of each read, in seconds.
        as_json: JSON, also on a terminal.

    Returns:
        The exit status.
    """
    with open_rig() as rig:
        found = _read(rig, (worker,), timeout)
        thing = describe_worker(rig, worker)  # which tells, too, why there isn't one
    part = found["workers"][worker]
    if as_json or not is_terminal():
        print_out(to_json(part["values"]))
    else:
        _print_values(part, thing.get("properties", {}))
    return _status(found)


def _read(rig: Rig, names: tuple[str, ...], timeout: float | EllipsisType | None) -> Snapshot:
    check_workers(rig, list(names))
    with reading():
        found: Snapshot = type(rig).snapshot(rig, *names, execution_timeout=timeout)
    return found


def _print_values(part: dict[str, Any], properties: dict[str, Any]) -> None:
    values = {name: (to_line(value), "") for name, value in part["values"].items()}
    failed = {name: (safe(why.partition("\n")[0]), "red") for name, why in part["unread"].items()}
    print_table(
        ("PROPERTY", "UNIT", "VALUE"),
        [
            [(safe(name), "cyan"), (safe(str(properties.get(name, {}).get("unit", ""))), ""), cell]
            for name, cell in {**values, **failed}.items()
        ],
    )


def _status(found: Snapshot) -> int:
    for name, why in found.unread.items():
        first_line = why.removeprefix(f"{name}: ").partition("\n")[0]
        say(f"{name} can't be read: {safe(first_line)}")
    return Exit.RAISED if found.unread else Exit.DONE

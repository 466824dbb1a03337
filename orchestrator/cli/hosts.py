"""`hosts`, `host`: other machines on which a rig's workers run."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from orchestrator.cli.columns import Column, lay_out
from orchestrator.cli.failures import CommandError, Exit, print_out, say
from orchestrator.cli.options import F, json_option, rig_option
from orchestrator.cli.rigs import open_rig, status_of_rig
from orchestrator.cli.show import Cell, is_terminal, safe, terminal_width, to_json
from orchestrator.cli.status import print_lines

UNIT = """\
[Unit]
Description=orch: {name}, a host of {scheduler}
After=network-online.target
Wants=network-online.target
# It is tried without end: the scheduler may be away for long.
StartLimitIntervalSec=0

[Service]
ExecStart={command}
# A worker of Dask ends for good once it was cut off: another one takes its place.
Restart=always
RestartSec=2
# What runs a device ends with it.
KillMode=control-group

[Install]
WantedBy=multi-user.target
"""


@click.command()
@rig_option
@json_option
def hosts(as_json: bool) -> int:
    """Show the rig's other hosts, and why one isn't there.

    The status is 4 unless all are there. DRIFT is by how much its clock differs: times of its log
    lines are its own.
    """
    with open_rig() as rig:
        found = status_of_rig(rig).get("hosts", [])
    if as_json:
        print_out(to_json(found))
    elif not found:
        say("the rig has no other hosts; its config names them, by hosts:")
    else:
        _show(found)
    return 0 if all(each["state"] == "up" for each in found) else Exit.NOT_STARTED


_COLUMNS = (
    Column("HOST", 0, least=12, most=32),
    Column("STATE", 1),
    Column("ENGINE", 4),
    Column("MACHINE", 5, least=10, most=40),
    Column("ORCH", 6),
    Column("PYTHON", 6),
    Column("DRIFT", 3, right=True),
    Column("WORKERS", 2, least=12),
)
_STYLES = {"up": "green", "starting": "yellow", "away": "red"}


def _show(found: list[dict[str, Any]]) -> None:
    rows: list[list[Cell]] = [
        [
            (each["name"], ""),
            (each["state"], _STYLES[each["state"]]),
            (each["engine"], ""),
            (safe(each["machine"] or each["address"] or "-"), ""),
            (safe(each["release"] or "-"), ""),
            (safe(each["python"] or "-"), ""),
            ("-" if each["drift"] is None else f"{each['drift']:+.3f}s", ""),
            (", ".join(each["workers"]) or "-", ""),
        ]
        for each in found
    ]
    lines, _ = lay_out(_COLUMNS, rows, terminal_width() if is_terminal() else None)
    reasons = [f"{each['name']}: {safe(each['reason'])}" for each in found if each["reason"]]
    print_lines([*lines, *([[]] if reasons else []), *([(each, "")] for each in reasons)])


@click.group(short_help="Make a machine a host of rigs, by Dask.")
def host() -> None:
    """Make a machine a host of rigs, by Dask distributed.

    One machine runs orch host scheduler, each host orch host join; a rig's config names both. Hosts
    dial out only. For a host that ssh reaches, nothing of this is needed.
    """


def _tls_option(function: F) -> F:
    return click.option(
        "--tls",
        metavar="FOLDER",
        type=click.Path(path_type=Path, file_okay=False),
        help="The files that orch host keys made; the same on all machines.",
    )(function)


@host.command()
@click.argument("folder", type=click.Path(path_type=Path))
def keys(folder: Path) -> None:
    """Make the files by which the scheduler, hosts and rigs know each other.

    Copy FOLDER to all of them: who has it may start programs on each host.
    """
    tls = _dask("tls")
    for file in tls.make(folder):
        print_out(str(file))
    say("they are secret: copy the folder to each machine, mode 0700, and name it by --tls")


@host.command()
@click.option("--address", default="0.0.0.0:8786", show_default=True, metavar="HOST:PORT")
@_tls_option
def scheduler(address: str, tls: Path | None) -> None:
    """Run Dask's scheduler as rigs need it: it starts nothing twice.

    Without --tls it is in the clear, and whoever reaches it may start programs on each host.
    """
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]*):([0-9]{1,5})", address)
    if found is None or int(found[2]) > 65535:
        raise click.BadParameter(
            f"{address!r} isn't HOST:PORT, such as 0.0.0.0:8786", param_hint="--address"
        )
    place, port = found[1] or "0.0.0.0", int(found[2])  # noqa: S104
    _serve(lambda cluster: cluster.schedule(place, port, _absolute(tls), say))


def _resources(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str]:
    """Each `name=amount`.

    Raises:
        click.BadParameter: One isn't that.
    """
    from orchestrator.config.hosts import check_resource

    found = [each.strip() for each in value.split(",")] if value is not None else []
    for each in found:
        name, _, amount = each.partition("=")
        try:
            check_resource(float(amount))
            is_right = bool(name) and not any(map(str.isspace, name))
        except ValueError:
            is_right = False
        if not is_right:
            raise click.BadParameter(f"{each!r} isn't NAME=AMOUNT, such as spectrometer=1")
    return found


@host.command()
@click.argument("scheduler")
@click.option("--name", required=True, help="The host's name in configs.")
@click.option(
    "--resources",
    metavar="NAME=AMOUNT,…",
    callback=_resources,
    help="What of a kind is here, for rigs that ask for it: spectrometer=1.",
)
@click.option("--unit", is_flag=True, help="Print a systemd unit that does so, and do nothing.")
@_tls_option
def join(scheduler: str, name: str, resources: list[str], unit: bool, tls: Path | None) -> None:
    """Join the cluster of SCHEDULER, such as tls://lab:8786, until Ctrl-C.

    Rigs whose config has this host start workers here then, by the Python that runs this.
    """
    from orchestrator.config.hosts import check_scheduler
    from orchestrator.config.values import check_id

    try:
        check_scheduler(scheduler)
    except ValueError as error:
        raise click.BadParameter(f"{scheduler!r}: {error}", param_hint="SCHEDULER") from error
    try:
        check_id(name)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--name") from error
    if scheduler.startswith("tls:") != (tls is not None):
        needs = "needs --tls FOLDER" if tls is None else "is in the clear: leave out --tls"
        raise CommandError(f"a {scheduler.partition(':')[0]}:// scheduler {needs}", Exit.USAGE)
    keys_of = _dask("tls")
    if tls is not None:
        keys_of.security(tls.absolute())
    if unit:
        own = shutil.which("orch") or f"{sys.executable} -m orchestrator"
        at = f" --tls {tls.absolute()}" if tls is not None else ""
        has = f" --resources {','.join(resources)}" if resources else ""
        command = f"{own} host join {scheduler} --name {name}{has}{at}"
        print_out(UNIT.format(name=name, scheduler=scheduler, command=command).rstrip())
        return
    amounts = {each: float(much) for each, _, much in (pair.partition("=") for pair in resources)}
    _serve(lambda cluster: cluster.join(scheduler, name, amounts, _absolute(tls), say))


def _dask(name: str) -> Any:
    """A module of the engine.

    Raises:
        CommandError: What it needs isn't installed.
    """
    import importlib
    from importlib.util import find_spec

    if find_spec("distributed") is None or find_spec("cryptography") is None:
        raise CommandError(
            "this needs more than is installed: pip install 'orch[dask]'", Exit.USAGE
        )
    return importlib.import_module(f"orchestrator.dask.{name}")


def _absolute(tls: Path | None) -> Path | None:
    return None if tls is None else tls.absolute()


def _serve(part: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    """Be a part of a cluster, until a signal.

    Args:
        part: Is given `orchestrator.dask.serve`, and gives what that runs.
    """
    cluster = _dask("serve")
    try:
        cluster.run(part(cluster))
    except cluster.ClusterError as error:
        raise CommandError(str(error), Exit.NOT_REACHABLE) from error

"""`check`: all that is wrong with a config and its drivers."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.configs import refusal, waits_told
from orchestrator.cli.failures import Exit, print_error, print_out
from orchestrator.cli.options import chosen_rig, json_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from orchestrator.config.loader import RigConfig
    from orchestrator.config.problems import Problem

STDIN = "-"


@click.command()
@click.argument("config", metavar="CONFIG|-")
@json_option
@click.option(
    "--stdin-filename",
    "name",
    metavar="FILE",
    help="With -: the file that the text is of; drivers are looked for in its folder.",
)
def check(config: str, as_json: bool, name: str | None) -> int:
    """Find all that is wrong with a config.

    Each driver is imported too, in a process that is thrown away, within its worker's
    start_timeout, a minute at most. A config of - is read from stdin.
    """
    if chosen_rig() is not None:
        raise click.UsageError("--rig doesn't go with this command: the config has the rig's id")
    if name is not None and config != STDIN:
        raise click.UsageError("--stdin-filename goes with a config of -")
    file = name or "<stdin>" if config == STDIN else config
    tell = None if as_json else waits_told()
    rig, problems, notes = _findings(file, from_stdin=config == STDIN, tell=tell)
    if as_json:
        print_out(json.dumps(_facts(rig, problems, notes), indent=2))
        return Exit.USAGE if problems else Exit.DONE
    if notes:
        print_error("\n".join(f"{note.place}: note: {note.message}" for note in notes))
    if problems:
        raise refusal(file, problems)
    assert rig is not None
    _praise(file, rig)
    return Exit.DONE


def _findings(
    file: str, *, from_stdin: bool, tell: Callable[[str], None] | None
) -> tuple[RigConfig | None, Sequence[Problem], Sequence[Problem]]:
    """The rig as far as it can be read, what is wrong with it and its drivers, and what is odd."""
    from orchestrator.check.drivers import check as check_drivers
    from orchestrator.check.extras import lacking_extras
    from orchestrator.config.loader import examine
    from orchestrator.config.problems import ConfigError
    from orchestrator.config.source import read, read_from

    try:
        text = read_from(sys.stdin.buffer, file) if from_stdin else read(file)
    except ConfigError as error:
        return None, error.problems, ()
    rig, problems = examine(text, file)
    if rig is None:
        return None, problems, ()
    found, notes = check_drivers(rig, tell=tell)
    return rig, sorted({*problems, *found, *lacking_extras(rig)}), notes


def _facts(
    rig: RigConfig | None, problems: Iterable[Problem], notes: Iterable[Problem]
) -> dict[str, Any]:
    return {
        "rig": None if rig is None else rig.rig or None,
        "problems": [_fact(each) for each in problems],
        "notes": [_fact(each) for each in notes],
    }


def _fact(problem: Problem) -> dict[str, Any]:
    place = problem.place
    return {
        "file": place.file,
        "line": place.line or None,
        "column": place.column or None,
        "path": list(place.path),
        "message": problem.fault,
        "mend": problem.mend,
    }


def _praise(file: str, rig: RigConfig) -> None:
    from orchestrator.config.addresses import events_of
    from orchestrator.words import counted, tcp_pairs

    workers = counted(len(rig.workers), "worker")
    print_out(f"{file}: rig {rig.rig}, {workers}, nothing wrong")
    published = [rig.events.get(each) or events_of(each) or "" for each in rig.listen]
    for line in tcp_pairs(rig.listen, published):
        print_out(f"listens at {line}")
    if rig.web.listen is not None:
        print_out(f"serves browsers at {rig.web.listen}")
    if rig.traces is not None:
        print_out(f"sends traces to {rig.traces}")

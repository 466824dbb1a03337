"""`status`: the rig at one look, once or live."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.columns import Line
from orchestrator.cli.failures import CommandError, Exit, print_out, writing
from orchestrator.cli.options import json_option, rig_option
from orchestrator.cli.overview import overview, workers_of
from orchestrator.cli.rigs import open_rig, rig_id, status_of_rig
from orchestrator.cli.show import is_terminal, terminal_width, to_json

if TYPE_CHECKING:
    from rich.console import Console, Group

    from orchestrator.client import Rig

LOOK_EVERY = 1.0
"""Seconds between two looks of `--follow`."""
LEAST_PAUSE = 0.1
"""The same at least: a look costs the rig about as much as ten calls."""

PLAIN_TERMINALS = ("dumb", "unknown")
"""What TERM says where nothing can be drawn over."""

Show = Callable[[dict[str, Any]], None]


def read_pace(ctx: click.Context, param: click.Parameter, text: str | None) -> float | None:
    """Seconds between two looks; None if nothing was given."""
    if text is None:
        return None
    from orchestrator.durations import parse_seconds

    try:
        seconds = parse_seconds(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if seconds < LEAST_PAUSE:
        raise click.BadParameter(f"the least is {LEAST_PAUSE:g}s")
    return seconds


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on showing it, until Ctrl-C.")
@click.option(
    "--every", metavar="TIME", callback=read_pace, help="Between looks of -f; 1s if left out."
)
@click.option("-n", "count", metavar="N", type=click.IntRange(min=1), help="End -f after N looks.")
@json_option
@rig_option
def status(follow: bool, every: float | None, count: int | None, as_json: bool) -> int:
    """Show what each worker is at, for whom, and what went wrong.

    RUNS is the operation with its time and limit, FOR who asked for it, QUEUE how many wait, P50
    and P99 how long half and 99 of 100 of the last 1000 operations took at most, LIFE the number
    of its incarnation. A narrow terminal shows what matters most; --json has all.

    Status 4 if not all workers are READY. A change of a state is shown at once by -f.
    """
    if not follow and (every is not None or count is not None):
        raise click.UsageError("--every and -n go with -f")
    with open_rig() as rig:
        if follow:
            with _shown(as_json) as show:
                found = _follow(rig, every or LOOK_EVERY, count, show)
        else:
            found = status_of_rig(rig)
            _show_once(found, as_json)
    return status_for(found)


def status_for(found: dict[str, Any]) -> int:
    """The exit status that a rig's state gives."""
    ready = all(worker["state"] == "READY" for worker in found["workers"])
    return Exit.DONE if ready else Exit.NOT_STARTED


def show_workers(workers: list[dict[str, Any]]) -> None:
    """Print a table of workers; below it, what is to be said of some."""
    print_lines(workers_of(workers, _width()))


def print_lines(lines: list[Line]) -> None:
    """Print lines, with colours on a terminal that has them."""
    if not is_terminal():
        for line in lines:
            print_out("".join(text for text, _ in line).rstrip())
        return
    console = _console()
    with writing():
        for each in _texts(lines):
            console.print(each, soft_wrap=True)


def _show_once(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_out(to_json(found))
    else:
        print_lines(overview(found, _width()))


def _follow(rig: Rig, pause: float, count: int | None, show: Show) -> dict[str, Any]:
    """Look again and again, at once when a worker's state changes; returns what was seen last."""
    from orchestrator.errors import OrchError

    found = status_of_rig(rig)
    looks = 1
    with rig[rig_id(rig)].subscribe("worker-state") as changes:
        while True:
            show(found)
            if looks == count:
                return found
            with suppress(TimeoutError):  # nothing has changed but the times
                changes.next(pause)
            looks += 1
            try:
                found = {**status_of_rig(rig), "lost": None}
            except (CommandError, OrchError) as error:
                found = {**found, "lost": str(error)}


@contextmanager
def _shown(as_json: bool) -> Iterator[Show]:
    """Where what is followed is shown: on the whole screen, else one below the other."""
    if as_json:
        yield lambda found: print_out(to_json(found))
    elif not is_terminal() or os.environ.get("TERM") in PLAIN_TERMINALS:
        yield lambda found: print_lines([*_lost(found), *overview(found, _width()), []])
    else:
        from rich.live import Live

        with Live(console=_console(), screen=True, auto_refresh=False) as live:

            def show(found: dict[str, Any]) -> None:
                lines = [*_lost(found), *overview(found, terminal_width())]
                with writing():
                    live.update(_group(lines), refresh=True)

            yield show


def _lost(found: dict[str, Any]) -> list[Line]:
    """Why what is shown is old, if it is."""
    lost = found.get("lost")
    return [[(f"as it was; now: {lost}", "bold red")], []] if lost else []


def _width() -> int | None:
    return terminal_width() if is_terminal() else None


def _texts(lines: list[Line]) -> list[Any]:
    from rich.text import Text

    return [Text.assemble(*line) for line in lines]


def _group(lines: list[Line]) -> Group:
    from rich.console import Group

    return Group(*_texts(lines))


def _console() -> Console:
    from rich.console import Console

    from orchestrator.logs.show.display import wants_colour

    coloured = wants_colour(sys.stdout, os.environ)
    return Console(
        color_system="auto" if coloured else None, highlight=False, markup=False, emoji=False
    )

"""`logs`: what workers printed and recorded, and what happened to them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.completers import complete_workers
from orchestrator.cli.failures import (
    CommandError,
    Exit,
    flush_out,
    print_out,
    say,
    unknown,
    write_out,
)
from orchestrator.cli.options import (
    NumbersCommand,
    chosen_rig,
    read_needed_text,
    read_optional_text,
    read_texts,
    rig_option,
)
from orchestrator.cli.stores import list_runs, say_damage, store_of, tidy
from transports.levels import AUDIT_LOGGER

if TYPE_CHECKING:
    from orchestrator.logs.read.lookup import Entry, Query
    from orchestrator.logs.read.query import Logs

STYLES = ("short", "short-iso", "full", "json", "cat")
FOLLOWED = 10
"""Records of the past that are shown before those that come."""
AT_THE_END = 1000
"""Records that a pager gets that is to begin at their end: it reads all before it shows any."""

_DEFAULT = click.core.ParameterSource.DEFAULT


def _parsed(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """An option's callback that turns its text into a value, or says what is wrong with it."""

    def callback(ctx: click.Context, param: click.Parameter, text: str | None) -> Any:
        text = read_optional_text(ctx, param, text)
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback


def _levels(text: str) -> tuple[int, int]:
    from orchestrator.logs.read.times import parse_levels

    return parse_levels(text)


def _grep(text: str) -> Any:
    from orchestrator.logs.read.times import parse_grep

    return parse_grep(text)


def _cursor(text: str) -> Any:
    from orchestrator.logs.read.lookup import Cursor

    return Cursor.parse(text)


def _size(text: str) -> int:
    from orchestrator.durations import parse_size

    return parse_size(text)


def _duration(text: str) -> float:
    from orchestrator.durations import parse_seconds

    return parse_seconds(text)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(
            f"{text!r:.40} is not a run: 0 is the last one, -1 the one before, and 1 the first"
        ) from None


def _count(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal():
        raise ValueError(f"{text!r:.40} is not a number of records, nor all")
    return int(text)


@click.command(cls=NumbersCommand)
@click.argument(
    "names",
    metavar="[WORKER]...",
    nargs=-1,
    callback=read_texts,
    shell_complete=complete_workers,
)
@click.option(
    "-w",
    "--worker",
    "workers",
    metavar="WORKER",
    multiple=True,
    shell_complete=complete_workers,
    help="As the argument: of this worker, or of the rig itself by its name; may be repeated.",
)
@click.option(
    "-p",
    "--priority",
    "levels",
    metavar="LEVEL",
    callback=_parsed(_levels),
    help="Of this level and above, or of a range: warning, info..warning.",
)
@click.option(
    "-S",
    "--since",
    metavar="TIME",
    callback=read_optional_text,
    help='From then on: "2024-05-01 18:00", 18:00, today, yesterday, "10 min ago", -1h.',
)
@click.option("-U", "--until", metavar="TIME", callback=read_optional_text, help="Up to then.")
@click.option(
    "-g",
    "--grep",
    metavar="EXPRESSION",
    callback=_parsed(_grep),
    help="Whose text matches, of --audit also WORKER.MEMBER and who asked; without capitals it "
    "matches them as well.",
)
@click.option(
    "-r",
    "--request",
    metavar="ID",
    callback=read_needed_text,
    help="Of a request; its begin will do.",
)
@click.option("-m", "--member", callback=read_needed_text, help="Of requests for this member.")
@click.option(
    "-b",
    "--run",
    metavar="[N]",
    is_flag=False,
    flag_value="0",
    callback=_parsed(_whole),
    help="Of one run of the rig: 0 or nothing is the last, -1 the one before, 1 the first.",
)
@click.option("--audit", is_flag=True, help="Only who asked for what, where audit: true is set.")
@click.option("--list-runs", is_flag=True, help="List the runs; -o json for programs.")
@click.option(
    "-n",
    "--lines",
    metavar="[N]",
    is_flag=False,
    flag_value="10",
    callback=_parsed(_count),
    help="Only the last N records, 10 if not said; with -f those before the first new one, or all. "
    "It is 10 with -f alone, and all with -S, -b or -r.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on as records come, also over restarts.")
@click.option("--reverse", is_flag=True, help="The newest first.")
@click.option(
    "-o", "--output", "style", type=click.Choice(STYLES), default="short", help="How they look."
)
@click.option(
    "--color",
    type=click.Choice(("auto", "always", "never")),
    default="auto",
    help="Colours by level; auto is on terminals.",
)
@click.option("--utc", is_flag=True, help="Times in UTC.")
@click.option(
    "--after-cursor",
    "after",
    metavar="CURSOR",
    callback=_parsed(_cursor),
    help="What was stored after this place.",
)
@click.option(
    "--show-cursor", is_flag=True, help="Tell the place after the last record, at the end."
)
@click.option("--count", is_flag=True, help="Tell how many records there are, and nothing else.")
@click.option("--disk-usage", is_flag=True, help="Tell the size of the logs.")
@click.option(
    "--vacuum-size",
    metavar="SIZE",
    callback=_parsed(_size),
    help="Remove the oldest logs until the rest has this size.",
)
@click.option(
    "--vacuum-time",
    metavar="TIME",
    callback=_parsed(_duration),
    help="Remove logs that are older than this, such as 2w.",
)
@click.option(
    "-e",
    "--pager-end",
    is_flag=True,
    help=f"Begin at the end, in the pager; of the last {AT_THE_END} records if -n doesn't say.",
)
@click.option("--no-pager", is_flag=True, help="Never show the output in a pager.")
@rig_option
@click.pass_context
def logs(ctx: click.Context, /, **options: Any) -> int:
    """Show what workers wrote, with the rig up or down.

    \b
    What went wrong last night:      orch logs -p warning -S yesterday
    The last words of a worker:      orch logs camera -n 20
    All that one call did:           orch logs -r ID
    Watch:                           orch logs -f
    """
    options["workers"] = (*options.pop("names"), *options["workers"])
    if options["pager_end"] and ctx.get_parameter_source("lines") is _DEFAULT:
        options["lines"] = AT_THE_END
    chosen = Chosen(**options)
    folder = store_of(chosen_rig())
    if chosen.disk_usage or chosen.vacuum_size is not None or chosen.vacuum_time is not None:
        return tidy(
            folder,
            vacuum_size=chosen.vacuum_size,
            vacuum_time=chosen.vacuum_time,
            disk_usage=chosen.disk_usage,
        )
    from orchestrator.logs.read.query import Logs

    found = Logs(folder, say_damage)
    if chosen.list_runs:
        if chosen.follow:
            raise CommandError("--list-runs and --follow exclude each other", Exit.USAGE)
        return list_runs(found, utc=chosen.utc, as_json=chosen.style == "json")
    return _show(found, chosen)


@dataclass(frozen=True)
class Chosen:
    """The options."""

    workers: tuple[str, ...]
    levels: tuple[int, int] | None
    since: str | None
    until: str | None
    grep: Any
    request: str | None
    member: str | None
    run: int | None
    audit: bool
    list_runs: bool
    lines: int | None
    follow: bool
    reverse: bool
    style: str
    utc: bool
    after: Any
    show_cursor: bool
    disk_usage: bool
    vacuum_size: int | None
    vacuum_time: float | None
    no_pager: bool
    pager_end: bool
    count: bool
    color: str


def _query(found: Logs, chosen: Chosen) -> Query:
    from orchestrator.logs.read.lookup import Query
    from orchestrator.logs.read.times import parse_time

    times: dict[str, float | None] = {"since": None, "until": None}
    now = time.time()
    for name in times:
        text = getattr(chosen, name)
        if text is not None:
            try:
                times[name] = parse_time(text, now=now, utc=chosen.utc, latest=name == "until")
            except ValueError as error:
                raise CommandError(str(error), Exit.USAGE) from error
    since, until = times["since"], times["until"]
    if since is not None and until is not None and since > until:
        raise CommandError("--since is later than --until", Exit.USAGE)
    if chosen.follow and until is not None and until <= now:
        raise CommandError("nothing can follow: --until is in the past", Exit.USAGE)
    return Query(
        workers=chosen.workers,
        levels=chosen.levels,
        since=since,
        until=until,
        grep=chosen.grep,
        request=chosen.request,
        member=chosen.member,
        run=None if chosen.run is None else _run_number(found, chosen.run),
        logger=AUDIT_LOGGER if chosen.audit else None,
        after=chosen.after,
    )


def _run_number(found: Logs, wanted: int) -> int:
    try:
        return found.run_number(wanted)
    except ValueError as error:
        raise CommandError(str(error), Exit.USAGE) from error


def _show(found: Logs, chosen: Chosen) -> int:
    from orchestrator.cli.pager import output
    from orchestrator.logs.show.display import wants_colour
    from orchestrator.logs.show.lines import Printer

    for name in ("reverse", "pager_end", "count"):
        if chosen.follow and getattr(chosen, name):
            other = name.replace("_", "-")
            raise CommandError(f"--follow and --{other} exclude each other", Exit.USAGE)
    _check_workers(found, chosen.workers)
    end = found.end()
    query = replace(_query(found, chosen), upto=end)
    if chosen.count:
        print_out(str(sum(1 for _ in _past(found, query, chosen))))
        return Exit.DONE
    colour = chosen.color == "always"
    if chosen.color == "auto":
        colour = wants_colour(sys.stdout, os.environ)
    printer = Printer(chosen.style, utc=chosen.utc, colour=colour)
    if chosen.follow:
        return _follow(found, query, end, chosen, printer.text)
    empty = True
    with output(paged=not chosen.no_pager, at_end=chosen.pager_end) as write:
        for entry in _past(found, query, chosen):
            write(printer.text(entry))
            empty = False
        if chosen.show_cursor:
            write(f"-- cursor: {end}\n")
    if empty:
        say("no records")
    return Exit.DONE


def _check_workers(found: Logs, names: tuple[str, ...]) -> None:
    """Refuse a name of which there are no records, unless it is a worker that has said nothing.

    Raises:
        CommandError: With the nearest name that there is.
    """
    rig = found.folder.parent.name
    known = found.workers() | {rig} if names else set()
    missing = [name for name in names if name not in known]
    if not missing:
        return
    from orchestrator.config.loader import load
    from orchestrator.config.problems import ConfigError
    from orchestrator.words import quoted

    runs = found.runs()
    try:
        known |= set(load(runs[-1].config).workers) if runs and runs[-1].config else set()
    except ConfigError:
        # The file is gone or was changed: it can't be told which workers are yet to come.
        say(f"there are no logs of {', '.join(map(quoted, missing))}")
        return
    for name in missing:
        if name not in known:
            unknown("worker", name, known, f"rig {rig}")


def _past(found: Logs, query: Query, chosen: Chosen) -> Iterable[Entry]:
    if chosen.lines is not None and not chosen.reverse:
        return found.tail(query, chosen.lines)
    return found.read(query, limit=chosen.lines, newest_first=chosen.reverse)


def _follow(
    found: Logs, query: Query, end: Any, chosen: Chosen, text: Callable[[Entry], str]
) -> int:
    ctx = click.get_current_context()
    lines = chosen.lines
    # Who names a begin, a run or a request wants all of it.
    is_all = any(each is not None for each in (chosen.since, chosen.run, chosen.request))
    if not is_all and ctx.get_parameter_source("lines") is _DEFAULT:
        lines = FOLLOWED
    past = found.read(query) if lines is None or chosen.after else found.tail(query, lines)
    for entry in past:
        write_out(text(entry))
    flush_out()
    for entry in found.follow(replace(query, upto=None), end):
        write_out(text(entry))
        flush_out()
    if query.run is not None and query.until is None:
        say(f"run {query.run} is over")
    return Exit.DONE

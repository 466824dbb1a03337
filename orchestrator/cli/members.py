"""`call`, `get`, `set` and `watch`: one member of one worker."""

from __future__ import annotations

from types import EllipsisType
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.completers import complete_members
from orchestrator.cli.failures import CommandError, Exit, operating, print_out, say
from orchestrator.cli.options import (
    NumbersCommand,
    json_option,
    raw_option,
    read_optional_text,
    read_pairs,
    read_text,
    read_texts,
    rig_option,
    timeout_option,
    worker_argument,
)
from orchestrator.cli.rigs import check_events, check_member, open_rig, reading
from orchestrator.cli.show import clock, is_terminal, print_value, to_json, to_line
from orchestrator.cli.snapshot import get_all
from orchestrator.cli.typed import arguments_of, check_arguments, value_of
from transports import terms

if TYPE_CHECKING:
    from orchestrator.client import Event

Timeout = float | EllipsisType | None


@click.command(cls=NumbersCommand)
@worker_argument
@click.argument("action", callback=read_text, shell_complete=complete_members)
@click.argument("args", metavar="[ARG]...", nargs=-1, callback=read_texts)
@click.option(
    "-k",
    "keywords",
    metavar="NAME=VALUE",
    multiple=True,
    callback=read_pairs,
    help="A keyword argument; may be repeated.",
)
@timeout_option
@json_option
@raw_option
@rig_option
def call(
    worker: str,
    action: str,
    args: list[str],
    keywords: dict[str, str],
    timeout: Timeout,
    as_json: bool,
    raw: bool,
) -> None:
    """Call an action and print its result.

    Arguments are JSON, else text: 1.5, true, [1,2], red, '"7"'. What the action takes as text is
    text as it is typed. JSON has no nan and inf: they are numbers where the action takes numbers,
    else text. Items of a stream are printed as they come.
    """
    from orchestrator.client.streams import Stream

    _check_form(as_json, raw)
    with open_rig() as rig:
        affordance = check_member(rig, worker, "actions", action)
        check_arguments(args, keywords, affordance, f"{worker}.{action}")
        values, named = arguments_of(args, keywords, affordance)
        with operating(worker, action):
            result = rig[worker].call(action, *values, execution_timeout=timeout, **named)
            if isinstance(result, Stream):
                for item in result:
                    print_value(item, as_json=as_json, raw=raw)
                return
    print_value(result, as_json=as_json, raw=raw)


@click.command()
@worker_argument
@click.argument(
    "name",
    metavar="[PROPERTY]",
    required=False,
    callback=read_optional_text,
    shell_complete=complete_members,
)
@click.option(
    "--cached", is_flag=True, help="The last value of a polled property, also of a busy worker."
)
@timeout_option
@json_option
@raw_option
@rig_option
def get(
    worker: str, name: str | None, cached: bool, timeout: Timeout, as_json: bool, raw: bool
) -> int:
    """Read a property, or all that the worker has.

    Of all, what couldn't be read is told on stderr, and the status is 1.
    """
    _check_form(as_json, raw)
    if name is None:
        if cached or raw:
            raise click.UsageError(f"--{'cached' if cached else 'raw'} needs a PROPERTY")
        return get_all(worker, timeout, as_json=as_json)
    with open_rig() as rig:
        affordance = check_member(rig, worker, "properties", name)

        if cached and terms.POLL not in affordance:
            raise CommandError(
                f"{worker}.{name} isn't polled; in the config: poll: {{{name}: 1s}}", Exit.USAGE
            )
        with operating(worker, name):
            if cached:
                last = rig[worker].cached(name, execution_timeout=timeout)
                value = last.value
                if last.error:
                    age = f"{worker}.{name} is {last.age:.1f} s old"
                    say(f"{age}; it can't be read since: {last.error}")
            else:
                value = rig[worker].read(name, execution_timeout=timeout)
    print_value(value, as_json=as_json, raw=raw)
    return Exit.DONE


def _check_form(as_json: bool, raw: bool) -> None:
    if as_json and raw:
        raise click.UsageError("--json and --raw exclude each other")


@click.command("set", cls=NumbersCommand)
@worker_argument
@click.argument("name", metavar="PROPERTY", callback=read_text, shell_complete=complete_members)
@click.argument("value", callback=read_text)
@timeout_option
@rig_option
def set_(worker: str, name: str, value: str, timeout: Timeout) -> None:
    """Write a property; the value is JSON, else text.

    What the property takes as text is text as it is typed. JSON has no nan and inf: they are
    numbers where the property takes numbers, else text.
    """
    with open_rig() as rig:
        written = value_of(value, check_member(rig, worker, "properties", name))
        with operating(worker, name):
            rig[worker].write(name, written, execution_timeout=timeout)


@click.command()
@worker_argument
@click.argument(
    "event", required=False, callback=read_optional_text, shell_complete=complete_members
)
@click.option("-n", "count", metavar="N", type=click.IntRange(min=1), help="Stop after N events.")
@json_option
@raw_option
@rig_option
def watch(worker: str, event: str | None, count: int | None, as_json: bool, raw: bool) -> None:
    """Print events as they come, one line each: time and value.

    EVENT may also be an observable property, whose changes are shown; without it all events of the
    worker are, each with its name. With --json each line is an object of time, sequence and value;
    with --raw it is the value alone, which needs an EVENT.
    """
    _check_form(as_json, raw)
    if raw and event is None:
        raise click.UsageError("--raw needs an EVENT: the values of several can't be told apart")
    people = is_terminal()
    with open_rig() as rig:
        if event is None:
            check_events(rig, worker)
        else:
            check_member(rig, worker, "events", event)
        with reading(), rig[worker].subscribe(event, on_loss="raise") as events:
            say(f"watching {worker}.{event}" if event else f"watching all events of {worker}")
            missed = restarts = 0
            for number, each in enumerate(events, 1):
                if events.missed > missed:
                    _say_missed(events.missed - missed)
                    missed = events.missed
                if events.restarts > restarts:
                    say("the worker was restarted; events may be missing")
                    restarts = events.restarts
                if as_json:
                    print_out(to_json(_event(each, named=event is None)))
                elif raw:
                    print_value(each.value, as_json=False, raw=True)
                else:
                    value = to_line(each.value) if people else to_json(each.value)
                    name = "" if event else f"{each.name} "
                    print_out(f"{clock(each.time, short=people)} {name}{value}")
                if number == count:
                    return


def _event(event: Event, named: bool) -> dict[str, Any]:
    name = {"event": event.name} if named else {}
    at = clock(event.time, short=False)
    return {"time": at, **name, "sequence": event.sequence, "value": event.value}


def _say_missed(count: int) -> None:
    say(f"{count} event{'s'[: count != 1]} missed")

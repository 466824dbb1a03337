"""`trace`: the life of one request."""

from __future__ import annotations

import os
import sys

import click

from orchestrator.cli.failures import CommandError, Exit, say
from orchestrator.cli.options import chosen_rig, rig_option
from orchestrator.cli.stores import say_damage, store_of


@click.command()
@click.argument("request")
@click.option("--utc", is_flag=True, help="Times in UTC.")
@click.option("--no-pager", is_flag=True, help="Never show the output in a pager.")
@rig_option
def trace(request: str, utc: bool, no_pager: bool) -> int:
    """Show one request's life as a time line.

    REQUEST is its id, or how it begins, or the short form that `orch logs` shows. What the broker
    did is recorded at level debug only.
    """
    from orchestrator.cli.pager import output
    from orchestrator.logs.read.query import Logs
    from orchestrator.logs.show.display import wants_colour
    from orchestrator.logs.show.trace import AmbiguousRequest, find_trace, trace_lines
    from orchestrator.words import quoted

    folder = store_of(chosen_rig())
    try:
        found = find_trace(Logs(folder, say_damage), request)
    except AmbiguousRequest as error:
        raise CommandError(str(error), Exit.USAGE) from error
    if found is None:
        raise CommandError(
            f"there is no record of request {quoted(request)}",
            Exit.USAGE,
            ["a request that prints and logs nothing leaves records at level debug only"],
        )
    with output(paged=not no_pager) as write:
        for line in trace_lines(found, utc=utc, colour=wants_colour(sys.stdout, os.environ)):
            write(line)
    if not found.has_life:
        say("what the broker did is recorded at level debug only")
    return Exit.DONE

"""`postmortem`: a file for a bug report."""

from __future__ import annotations

import time
from pathlib import Path

import click

from orchestrator.cli.failures import CommandError, Exit, print_out, say
from orchestrator.cli.logs import store_of
from orchestrator.cli.options import chosen_rig, read_optional_text, rig_option


@click.command()
@click.argument("worker", required=False, callback=read_optional_text)
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="The file to write."
)
@rig_option
def postmortem(worker: str | None, output: Path | None) -> int:
    """Put what a bug report needs into one zip file.

    Logs of the last run (of WORKER and the rig alone, if named), the crashes in it, the config
    with secrets masked, versions, and the rig's state. Read it before you send it: drivers may log
    what isn't for everybody.
    """
    from orchestrator.logs.postmortem import write_postmortem
    from orchestrator.logs.query import Logs
    from orchestrator.words import did_you_mean, quoted

    folder = store_of(chosen_rig())
    rig = folder.parent.name
    if worker is not None:
        known = Logs(folder).workers()
        if worker not in known:
            hint = did_you_mean(worker, sorted(known))
            raise CommandError(f"there are no logs of {quoted(worker)}{hint}", Exit.USAGE)
    target = output or Path(f"orch-postmortem-{rig}-{time.strftime('%Y%m%d-%H%M%S')}.zip")
    try:
        names = write_postmortem(target, folder, rig, worker)
    except OSError as error:
        raise CommandError(f"{target} can't be written: {error.strerror}", Exit.USAGE) from error
    print_out(str(target))
    say(f"with {', '.join(names)}")
    return Exit.DONE

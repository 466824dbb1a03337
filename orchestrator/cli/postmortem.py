"""`postmortem`: a file for a bug report."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import click

from orchestrator.cli.failures import CommandError, Exit, print_out, say
from orchestrator.cli.options import chosen_rig, read_optional_text, rig_option
from orchestrator.cli.stores import running, store_of

ANSWER_WITHIN = 3.0
"""Seconds for a connection; the rig's own timeouts, a few seconds, hold for its answer."""


@click.command()
@click.argument("worker", required=False, callback=read_optional_text)
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="The file to write."
)
@rig_option
def postmortem(worker: str | None, output: Path | None) -> int:
    """Put what a bug report needs into one zip file.

    Logs of the last run (of WORKER and the rig alone, if named), the crashes in it, the config,
    versions, the rig's state and its workers'.

    In the config, comments are left out, and masked are: values of keys whose name tells of a
    secret (password, token, api_key, pin, cookie, auth, …), what follows or is assigned to such a
    name in a value or an argument, and credentials in URLs. Nothing else is masked: not a secret
    by another name, and nothing in logs and output. Read it before you send it.
    """
    from orchestrator.logs.read.query import Logs
    from orchestrator.logs.show.postmortem import write_postmortem
    from orchestrator.words import did_you_mean, quoted

    folder = store_of(chosen_rig())
    rig = folder.parent.name
    if worker is not None:
        known = Logs(folder).workers()
        if worker not in known:
            hint = did_you_mean(worker, sorted(known))
            raise CommandError(f"there are no logs of {quoted(worker)}{hint}", Exit.USAGE)
    status = _status(rig)
    names: list[str] = []
    for target in _targets(output, rig, worker):
        try:
            names = write_postmortem(target, folder, rig, worker, status=status)
            break
        except OSError as error:
            if isinstance(error, FileExistsError) and output is None:
                continue
            raise CommandError(
                f"{target} can't be written: {error.strerror}", Exit.USAGE
            ) from error
    print_out(str(target))
    say(f"with {', '.join(names)}")
    return Exit.DONE


def _targets(output: Path | None, rig: str, worker: str | None) -> Iterator[Path]:
    """Where to write: the file that was named, else one after the other that may be free."""
    if output is not None:
        yield output
        return
    about = rig if worker is None else f"{rig}-{re.sub(r'[^A-Za-z0-9_.-]', '_', worker)}"
    name = f"orch-postmortem-{about}-{time.strftime('%Y%m%d-%H%M%S')}"
    yield Path(f"{name}.zip")
    yield from (Path(f"{name}-{number}.zip") for number in count(2))


def _status(rig: str) -> dict[str, Any] | None:
    """What a running rig says of itself; of one that doesn't answer, what is wrong."""
    from orchestrator.client import connect
    from orchestrator.errors import OrchError

    if rig not in running():
        return None
    try:
        with connect(rig, timeout=ANSWER_WITHIN) as connection:
            return type(connection).status(connection)
    except OrchError as error:
        say(f"rig {rig} doesn't tell its state: {error}")
        return {"rig": rig, "error": str(error)}

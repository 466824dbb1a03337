"""`top`: a rig on one screen, live."""

from __future__ import annotations

import importlib.util
import os
import sys

import click

from orchestrator.cli import show
from orchestrator.cli.failures import CommandError, Exit
from orchestrator.cli.options import chosen_rig, rig_option
from orchestrator.cli.status import LOOK_EVERY, PLAIN_TERMINALS, read_pace


@click.command()
@click.option("--every", metavar="TIME", callback=read_pace, help="Between looks; 1s if left out.")
@rig_option
def top(every: float | None) -> int:
    """Show the rig on the whole terminal, live.

    Stacks, logs and traces of what hangs, members and calls, cancel, restart, stop and start are
    on one key each; ? says which. It needs the extra `top`; without it there is orch status -f.
    """
    if importlib.util.find_spec("textual") is None:
        raise CommandError(
            "orch top needs textual: pip install 'orch[top]'; without it there is orch status -f",
            Exit.USAGE,
        )
    if not is_terminal():
        raise CommandError("orch top needs a terminal; else there is orch status", Exit.USAGE)
    if (kind := os.environ.get("TERM")) in PLAIN_TERMINALS:
        told = f"orch top draws all over the terminal, but TERM={kind} is none that can"
        raise CommandError(f"{told}; else there is orch status -f", Exit.USAGE)
    import asyncio

    asyncio.run(_run(chosen_rig(), every or LOOK_EVERY))
    return Exit.DONE


def is_terminal() -> bool:
    """Whether it is drawn on a terminal, and keys come from one.

    The end of a file, or of /dev/null, would be read again and again.
    """
    return show.is_terminal() and sys.stdin is not None and sys.stdin.isatty()


async def _run(rig: str | None, every: float) -> None:
    from orchestrator.client.aio import aconnect

    async with aconnect(rig) as connected:
        from orchestrator.top.app import Top  # half a second, for nothing if there is no rig
        from orchestrator.top.source import RigSource

        await Top(RigSource(connected), every).run_async()

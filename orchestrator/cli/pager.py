"""Long output: plain where programs read it, in a pager where people do."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

from orchestrator.cli.failures import flush_out, write_out

LESS = "FRX"
"""What less is told when nothing else is: quit if all fits, obey colours, leave the screen."""


@contextmanager
def output(*, paged: bool, at_end: bool = False) -> Iterator[Callable[[str], object]]:
    """Give a function that writes text where it is to be seen.

    On a terminal that is `$PAGER`, else less; without one, and elsewhere, it is stdout.

    Args:
        paged: Use a pager at all.
        at_end: Have it begin at the end of the text, if it is less.

    Raises:
        SystemExit: The reader of a pipe has gone.
        CommandError: The output can't be written.
    """
    command = _command() if paged and sys.stdout.isatty() else None
    if command is None:
        yield write_out
        flush_out()
        return
    if at_end and os.path.basename(command[0]) == "less":
        command.append("+G")
    environ = {"LESS": LESS, "LESSCHARSET": "utf-8", **os.environ}
    # Ctrl-C is the pager's: it stops a search there, and must not take the pager's text away.
    # A handler, because it would inherit that a signal is ignored.
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    pager = subprocess.Popen(
        command, stdin=subprocess.PIPE, env=environ, text=True, errors="backslashreplace"
    )
    assert pager.stdin is not None
    try:
        with suppress(BrokenPipeError):  # whoever reads has seen enough
            yield pager.stdin.write
            pager.stdin.flush()
    finally:
        _close(pager.stdin)
        pager.wait()
        signal.signal(signal.SIGINT, before)


def _close(stream: IO[str]) -> None:
    with suppress(BrokenPipeError):
        stream.close()


def _command() -> list[str] | None:
    """The pager's command; None when there is none, or none is wanted."""
    wanted = os.environ.get("ORCH_PAGER", os.environ.get("PAGER"))
    try:
        command = ["less"] if wanted is None else shlex.split(wanted)
    except ValueError:
        command = []
    if not command or command == ["cat"] or shutil.which(command[0]) is None:
        return None
    return command

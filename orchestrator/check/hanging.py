"""Imports that take long: which are waited for, and where one stands that hangs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final

from orchestrator.check.runner import PROBE, Job
from orchestrator.config.model import RigConfig
from orchestrator.words import one_line, quoted

_FRAME: Final = re.compile(r'  File "(?P<file>.*)", line (?P<line>[0-9]+) in (?P<name>.*)')


def waiting_for(tell: Callable[[str], None], job: Job, seconds: float) -> None:
    """Tell that a driver's import is waited for.

    Args:
        tell: Is given the text.
        job: It.
        seconds: How long it has taken.
    """
    module = quoted(str(job.spec["driver"]).partition(":")[0])
    until = f"given up after {job.spec['deadline']:g} s"
    tell(f"{job.place}: waits for the import of {module}, {seconds:.0f} s so far; {until}")


def place_of(stacks: str, config: RigConfig) -> str | None:
    """Where the thread that imports is, as `file:line`; None if that isn't known.

    In the config's folder, if anything of it is being run: what is there can be mended.

    Args:
        stacks: What faulthandler wrote of all threads, the innermost frame first.
        config: The config.
    """
    inside = os.path.join(config.folder, "")
    for thread in re.split(r"^(?:Current t|T)hread ", stacks, flags=re.MULTILINE):
        frames = list(_FRAME.finditer(thread))
        if not any((each["file"], each["name"]) == (str(PROBE), "main") for each in frames):
            continue  # it has another thread, which waits for us
        found = [(each["file"], each["line"]) for each in frames]
        theirs = [one for one in found if one[0] != str(PROBE) and not one[0].startswith("<")]
        near = [one for one in theirs if one[0].startswith(inside)]
        for file, line in (near or theirs)[:1]:
            return f"{one_line(file.removeprefix(inside))}:{line}"
    return None

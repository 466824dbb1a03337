"""A rig's log in lines, for agents."""

from __future__ import annotations

from typing import Any

from orchestrator.logs.read.api import select
from orchestrator.logs.show.lines import Printer
from orchestrator.runtime.places import logs_folder


def log_lines(rig: str, last: int, asked: dict[str, Any]) -> list[str]:
    """The last records, the newest last.

    Args:
        rig: The rig's id.
        last: How many.
        asked: As for `logs.read.api.select`.

    Raises:
        ValueError: The rig keeps its log elsewhere, or a time, level or expression is none.
    """
    try:
        found = list(select(logs_folder(rig), last=last, **asked))
    except FileNotFoundError as error:
        raise ValueError(f"{error}; the rig keeps them on its own machine") from error
    printer = Printer("short-iso", utc=False, colour=False)
    return [printer.text(entry) for entry in found]

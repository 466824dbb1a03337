"""Drivers whose module can't be found, as another one of its name comes first. Imports nothing."""

from __future__ import annotations

import os
import sys

from orchestrator.config.loader import Problem, RigConfig
from orchestrator.words import quoted
from workers.search_path import OURS, hidden

__all__ = ["hidden_modules", "is_taken"]


def is_taken(module: str) -> bool:
    """Whether a driver's module can't have this name: one of Python's or of ours comes first."""
    return module in OURS or module in sys.stdlib_module_names


def hidden_modules(config: RigConfig) -> dict[str, Problem]:
    """By worker, what hides its driver's module, with the mend; empty when nothing does."""
    found: dict[str, Problem] = {}
    for worker in config.workers.values():
        module = worker.driver.partition(":")[0]
        hiding = hidden(module, str(config.folder))
        if hiding is not None:
            owner, file = hiding
            inside = os.path.join(config.folder, "")
            message = (
                f"{quoted(module.partition('.')[0])} is {owner}, which hides"
                f" {quoted(file.removeprefix(inside))}; give yours another name"
            )
            found[worker.name] = Problem(worker.place, message)
    return found

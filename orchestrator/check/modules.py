"""Drivers whose module can't be found, as another one of its name comes first. Imports nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from orchestrator.config.loader import Place, Problem, RigConfig, WorkerConfig
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
        for driver, place in _drivers(worker):
            module = driver.partition(":")[0]
            hiding = hidden(module, str(config.folder))
            if hiding is not None:
                owner, file = hiding
                inside = os.path.join(config.folder, "")
                message = (
                    f"{quoted(module.partition('.')[0])} is {owner}, which hides"
                    f" {quoted(file.removeprefix(inside))}; give yours another name"
                )
                found.setdefault(worker.name, Problem(place, message))
    return found


def _drivers(worker: WorkerConfig) -> Iterator[tuple[str, Place]]:
    yield worker.driver, worker.place
    if worker.simulate is not None:
        yield worker.simulate, worker.places.get("simulate", worker.place)

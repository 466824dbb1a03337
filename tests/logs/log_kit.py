"""Records and stores for the tests of logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.logs.read.lookup import Entry, Query
from orchestrator.logs.read.query import Logs
from orchestrator.logs.store.chain import Chain, Keep
from orchestrator.logs.store.records import Record
from orchestrator.logs.store.segments import Run

NOW = 1_700_000_000.0


def record(event: str = "moved", at: float = NOW, **changes: Any) -> Record:
    """A record of worker `stage`."""
    given = {"level": "info", "worker": "stage", "incarnation": 1, "stream": "record", **changes}
    return Record(time=at, event=event, **given)


def run(name: str = "1f", started: float = NOW, **changes: Any) -> Run:
    """A run whose number is still to be found."""
    return Run(0, name, started, **changes)


def chain(folder: Path, life: Run | None = None, keep: Keep | None = None) -> Chain:
    """A chain of which nobody is told anything."""
    return Chain(folder, life or run(), keep or Keep(), lambda level, text: None)


def fill(folder: Path, records: list[Record], name: str = "1f") -> None:
    """Store records as one whole run."""
    writer = chain(folder, run(name))
    writer.write(records)
    writer.end(records[-1].time, "stopped")


def read(folder: Path, **wanted: Any) -> list[Entry]:
    """What a query finds."""
    return list(Logs(folder).read(Query(**wanted)))


def events(folder: Path, **wanted: Any) -> list[str]:
    """The texts of what a query finds."""
    return [entry.event for entry in read(folder, **wanted)]

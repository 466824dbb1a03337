"""Why a rig ended before its time: found out when its collector has done its work."""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import suppress
from pathlib import Path

from orchestrator.logs.store.chain import Chain, Keep
from orchestrator.logs.store.records import Record
from orchestrator.logs.store.segments import Run
from workers.output.raised import raised


def add_last_word(folder: Path, run: Run, rig: str, text: str, error: BaseException | None) -> None:
    """Store a record at the end of a run that nobody writes any more.

    What can't be stored is lost here; it is for those who have seen it otherwise.

    Args:
        folder: The store.
        run: The run, as its collector was told of it.
        rig: Name on the record.
        text: What happened.
        error: The exception, if one tells more.
    """
    told = raised(error)
    record = Record(
        time.time(),
        "error",
        rig,
        0,
        "record",
        text,
        logger="",
        exception=None if told is None else told.traceback,
        raised=None if told is None else told.line,
    )
    # The collector has just removed what was too much: one record more is none.
    chain = Chain(folder, run, Keep(size=sys.maxsize), lambda level, text: None)
    with suppress(sqlite3.Error, OSError):
        chain.write([record])
        chain.end(record.time, "failed")

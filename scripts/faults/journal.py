"""Journals: who does something writes it down himself, in a file of his own, outside the rig.

A line is written by one `write` to a file opened for appending, so that it is there as soon as it
is written, whatever becomes of its writer. Times are those of the machine's monotonic clock, which
is the same in all processes.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Journal:
    """Appends lines to a file.

    Args:
        path: The file; it is made if it isn't there.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC)

    def write(self, what: str, *, at: int | None = None, **fields: Any) -> None:
        """Append a line; `at` is when it happened, in nanoseconds, if that isn't now."""
        line: Line = {"at": time.monotonic_ns() if at is None else at, "what": what, **fields}
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read(folder: Path, suffix: str) -> list[Line]:
    """All lines of the journals with a suffix, in the order of their times."""
    lines: list[Line] = []
    for path in folder.glob(f"*.{suffix}"):
        lines += [json.loads(line) for line in path.read_text().splitlines()]
    lines.sort(key=lambda line: line["at"])
    return lines

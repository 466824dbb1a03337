"""The number of the newest lease, in the rig's folder: the next run of the rig goes on from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.runtime.folder import NUMBER_FILE, replace_file


class LeaseNumbers:
    """Keeps the number.

    Args:
        folder: The rig's folder.
        record: Writes a record: level, text, fields.
    """

    def __init__(self, folder: Path, record: Callable[[str, str, dict[str, Any]], None]) -> None:
        self._file = folder / NUMBER_FILE
        self._record = record

    def read(self) -> int:
        """The number that was kept last; 0 if none was.

        If it can't be read, which is told, one that is beyond all that were given: as many as there
        are seconds since the epoch.
        """
        try:
            return max(0, int(self._file.read_text("ascii")))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            begin = int(time.time())
            text = f"{self._file}: {error}; leases are numbered from {begin} on"
            self._record("error", text, {})
            return begin

    def keep(self, number: int) -> None:
        """Keep a number, in one step; it is told if that can't be done."""
        try:
            replace_file(self._file, str(number).encode())
        except OSError as error:
            text = f"{self._file}: {error}; numbers may come again when the rig is restarted"
            self._record("error", text, {})

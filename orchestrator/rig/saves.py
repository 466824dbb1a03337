"""Applies a rig's config whenever its file is saved."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from orchestrator.config.changes import has_changed
from orchestrator.config.model import RigConfig
from orchestrator.rig.keeper import Waits
from orchestrator.runtime.program import MAIN
from orchestrator.runtime.watch import SaveWatch

log = logging.getLogger("orchestrator")

SETTLE = 0.2
"""Seconds from a save until the file is read: editors write it in several steps."""


class ConfigSaves:
    """Watches a config's file.

    Args:
        loop: What waits.
        tell: Has a function called in the loop's thread.
        file: The config.
        apply: Reads and applies it, if it has changed; called in a thread, one at a time.
        record: Writes a record: level, text, fields.
    """

    def __init__(
        self,
        loop: Waits,
        tell: Callable[[Callable[[], None]], None],
        file: Path,
        apply: Callable[[], None],
        record: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self._loop = loop
        self._tell = tell
        self._file = file
        self._apply = apply
        self._record = record
        self._watch: SaveWatch | None = None
        self._is_due = False
        self._is_at_it = False
        self._again = False

    def start(self) -> None:
        """Watch from now on."""
        self._watch = SaveWatch(self._file)
        if self._watch.fileno() >= 0:
            self._loop.watch(self._watch.fileno(), self._look)
        else:
            text = f"{self._file} can't be watched on this system: orch apply applies it"
            self._record("warning", text, {})

    def close(self) -> None:
        """Stop watching."""
        if self._watch is None:
            return
        if self._watch.fileno() >= 0:
            self._loop.unwatch(self._watch.fileno())
        self._watch.close()
        self._watch = None

    def _look(self) -> None:
        if self._watch is not None and self._watch.has_changed() and not self._is_due:
            self._is_due = True
            self._loop.call_later(SETTLE, self._begin)

    def _begin(self) -> None:
        self._is_due = False
        if self._is_at_it:
            self._again = True
            return
        # Reading it takes longer than requests should have to wait.
        self._is_at_it = True
        Thread(target=self._run, name="apply", daemon=True).start()

    def _run(self) -> None:
        try:
            self._apply()
        finally:
            self._tell(self._done)

    def _done(self) -> None:
        self._is_at_it = False
        if self._again:
            self._again = False
            self._begin()


def apply_saved(config: RigConfig) -> None:
    """Apply the file of a config if it was changed, as `orch apply` does; what is wrong is logged.

    By that command in a process of its own: it also tries the drivers of workers that would start,
    which isn't done where the rig runs.
    """
    if not has_changed(config.file, config.digest):
        return
    if not config.file.exists():
        log.warning("%s is gone: the rig goes on by what it said, until it is back", config.file)
        return
    command = [sys.executable, "-P", str(MAIN), "apply", str(config.file)]
    try:
        found = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError as error:
        log.error("%s was saved and isn't applied: %s", config.file, error)
        return
    if found.returncode:
        for line in filter(None, map(str.strip, found.stderr.splitlines())):
            log.error("%s was saved: %s", config.file.name, line)

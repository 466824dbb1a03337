"""Keeps a rig's files: what a tmp cleaner removes is put back, and kept from looking old."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import zmq

from orchestrator.errors import RuntimeFolderError
from orchestrator.rig.sockets import Sockets
from orchestrator.runtime.folder import RigFolder
from orchestrator.runtime.watch import RemovalWatch
from transports.errors import AddressError

TOUCH_EVERY = 6 * 3600.0
"""Seconds; tmp cleaners remove what wasn't touched for days."""


class Waits(Protocol):
    """What the keeper needs of the loop."""

    def watch(self, source: int | zmq.Socket[Any], callback: Callable[[], None]) -> None:
        """Call back whenever a file descriptor or socket is readable."""

    def unwatch(self, fd: int) -> None:
        """Stop watching a file descriptor."""

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something called once, after so many seconds."""


class FileKeeper:
    """Watches a running rig's folder and sockets.

    Args:
        loop: What waits.
        folder: The rig's folder, locked.
        sockets: The bound sockets.
        restore: Makes files of other sockets anew that were removed; returns their names.
        record: Writes a record: level, text, fields.
    """

    def __init__(
        self,
        loop: Waits,
        folder: RigFolder,
        sockets: Sockets,
        restore: Callable[[], list[str]],
        record: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self._loop = loop
        self._folder = folder
        self._sockets = sockets
        self._restore = restore
        self._record = record
        self._watch = RemovalWatch()
        self._guard = -1

    def start(self) -> None:
        """Watch from now on."""
        self._renew()
        if self._watch.fileno() >= 0:
            self._loop.watch(self._watch.fileno(), self._on_removal)
        self._loop.call_later(TOUCH_EVERY, self._touch)

    def close(self) -> None:
        """Stop watching: what is removed from now on is removed by the rig itself."""
        for fd in (self._watch.fileno(), self._guard):
            if fd >= 0:
                self._loop.unwatch(fd)
        self._watch.close()

    def _renew(self) -> None:
        """Watch what is there now."""
        folders = self._folder.folders
        files = [path for path in self._sockets.files if path.parent not in folders]
        self._watch.watch(folders, files)
        if self._guard != self._folder.guard.fileno():
            if self._guard >= 0:
                self._loop.unwatch(self._guard)
            self._guard = self._folder.guard.fileno()
            if self._guard >= 0:
                self._loop.watch(self._guard, self._folder.guard.answer)

    def _on_removal(self) -> None:
        self._watch.clear()
        try:
            restored = [*self._folder.restore(), *self._sockets.restore(), *self._restore()]
        except (RuntimeFolderError, AddressError, OSError) as error:
            text = f"files of the rig were removed and can't be put back: {error}"
            self._record("error", text, {"folder": str(self._folder.path)})
            return
        finally:
            self._renew()
        if restored:
            text = f"somebody removed {', '.join(restored)}: put back"
            self._record("warning", text, {"folder": str(self._folder.path)})

    def _touch(self) -> None:
        self._folder.touch()
        self._loop.call_later(TOUCH_EVERY, self._touch)

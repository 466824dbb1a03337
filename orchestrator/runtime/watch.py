"""Notices that files are removed, by inotify(7): a descriptor for a loop that waits anyway."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_ATTRIB, _MOVED_FROM, _DELETE, _DELETE_SELF, _MOVE_SELF = 0x4, 0x40, 0x200, 0x400, 0x800
_FOLDER = _MOVED_FROM | _DELETE | _DELETE_SELF | _MOVE_SELF
# A file that is open, as a lock or socket, has no end before it is closed, but fewer links.
_FILE = _ATTRIB | _DELETE_SELF | _MOVE_SELF


class RemovalWatch:
    """Watches folders, and single files in others, for removals.

    Where the system can't do this nothing is ever told, and `fileno` is -1.
    """

    def __init__(self) -> None:
        self._fd = -1
        if not sys.platform.startswith("linux"):
            return
        import ctypes

        self._libc: Any = ctypes.CDLL(None, use_errno=True)
        # None are left when another program has them all: the rig runs without.
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """Readable when something was removed; -1 where that can't be told."""
        return self._fd

    def watch(self, folders: Iterable[Path], files: Iterable[Path]) -> None:
        """Watch these from now on; those that are watched already stay so.

        Args:
            folders: What is removed from them is told, and that they are.
            files: Single ones, in folders that aren't ours alone.
        """
        for paths, mask in ((folders, _FOLDER), (files, _FILE)):
            for path in paths:
                if self._fd >= 0:
                    self._libc.inotify_add_watch(self._fd, os.fsencode(path), mask)

    def clear(self) -> None:
        """Forget what was told so far."""
        while self._fd >= 0:
            try:
                os.read(self._fd, 65536)
            except BlockingIOError:
                return

    def close(self) -> None:
        """Stop watching."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

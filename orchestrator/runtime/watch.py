"""Notices that files are removed or saved, by inotify(7): for a loop that waits anyway."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_ATTRIB, _MOVED_FROM, _DELETE, _DELETE_SELF, _MOVE_SELF = 0x4, 0x40, 0x200, 0x400, 0x800
_FOLDER = _MOVED_FROM | _DELETE | _DELETE_SELF | _MOVE_SELF
# A file that is open, as a lock or socket, has no end before it is closed, but fewer links.
_FILE = _ATTRIB | _DELETE_SELF | _MOVE_SELF


_SAVED = 0x8 | 0x80 | _MOVED_FROM | _DELETE  # closed after writing, moved to this name; or gone
_EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name that follows


def _inotify() -> tuple[Any, int]:
    """The C library, and a new descriptor; -1 where there are none."""
    if not sys.platform.startswith("linux"):
        return None, -1
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    # None are left when another program has them all: the rig runs without.
    return libc, libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)


class SaveWatch:
    """Watches one file for being saved, in place or by a new one in its place, or taken away.

    Args:
        file: The file; where it is a link, that which it leads to now.
    """

    def __init__(self, file: Path) -> None:
        libc, self._fd = _inotify()
        file = file.resolve()
        self._name = os.fsencode(file.name)
        if self._fd >= 0:
            libc.inotify_add_watch(self._fd, os.fsencode(file.parent), _SAVED)

    def fileno(self) -> int:
        """Readable when something has changed in its folder; -1 where that can't be told."""
        return self._fd

    def has_changed(self) -> bool:
        """Whether it was saved or taken away since the last call."""
        changed = False
        for data in _events(self._fd):
            while data:
                *_, length = _EVENT.unpack_from(data)
                end = _EVENT.size + length
                changed |= data[_EVENT.size : end].rstrip(b"\0") == self._name
                data = data[end:]
        return changed

    def close(self) -> None:
        """Stop watching."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _events(fd: int) -> Iterator[bytes]:
    while fd >= 0:
        try:
            yield os.read(fd, 65536)
        except BlockingIOError:
            return


class RemovalWatch:
    """Watches folders, and single files in others, for removals.

    Where the system can't do this nothing is ever told, and `fileno` is -1.
    """

    def __init__(self) -> None:
        self._libc, self._fd = _inotify()

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
        for _ in _events(self._fd):
            continue

    def close(self) -> None:
        """Stop watching."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

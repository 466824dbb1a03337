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


# Closed after writing, moved or linked to this name, its mode changed; or gone.
_SAVED = 0x8 | 0x80 | 0x100 | _ATTRIB | _MOVED_FROM | _DELETE
MOST_LINKS = 40
"""Links that Linux follows on the way to one file: path_resolution(7)."""
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

    Links on the way to it are watched too: who points one elsewhere gives it another text.

    Args:
        file: The file, by the path that it is read by.
    """

    def __init__(self, file: Path) -> None:
        self._libc, self._fd = _inotify()
        self._file = file
        self._names: dict[int, set[bytes]] = {}  # by the watch of their folder
        self._watch()

    def _watch(self) -> None:
        """Watch what leads to the file now; what did before does no harm."""
        if self._fd < 0:
            return
        for folder, name in places_of(self._file):
            watch = self._libc.inotify_add_watch(self._fd, os.fsencode(folder), _SAVED)
            if watch >= 0:
                self._names.setdefault(watch, set()).add(os.fsencode(name))

    def fileno(self) -> int:
        """Readable when something has changed in its folder; -1 where that can't be told."""
        return self._fd

    def has_changed(self) -> bool:
        """Whether it was saved or taken away since the last call."""
        changed = False
        for data in _events(self._fd):
            while data:
                watch, _, _, length = _EVENT.unpack_from(data)
                end = _EVENT.size + length
                changed |= data[_EVENT.size : end].rstrip(b"\0") in self._names.get(watch, ())
                data = data[end:]
        if changed:
            self._watch()
        return changed

    def close(self) -> None:
        """Stop watching."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def places_of(file: Path) -> list[tuple[Path, str]]:
    """Where a file stands, and each link on the way to it, once: folders, and names in them."""
    found: dict[tuple[Path, str], None] = {}
    links = 0
    root, *left = file.absolute().parts
    at = Path(root)
    while left:
        name = left.pop(0)
        if name == "..":
            at = at.parent
            continue
        try:
            target = Path(os.readlink(at / name))
        except OSError:  # no link, or nothing at all
            at /= name
            continue
        found[at, name] = None
        links += 1
        if links == MOST_LINKS:  # it leads to itself
            return list(found)
        left = [*target.parts, *left]
        if target.is_absolute():
            at, left = Path(left[0]), left[1:]
    return [*found, (at.parent, at.name)]


def _events(fd: int) -> Iterator[bytes]:
    while fd >= 0:
        try:
            yield os.read(fd, 65536)
        except BlockingIOError:
            return


class FolderWatch:
    """Watches folders for files that are saved in them, or go.

    Args:
        folders: Which.

    Attributes:
        missed: Those that can't be watched, as they aren't there or the system can't.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._libc, self._fd = _inotify()
        self._folders = tuple(folders)
        self.missed: list[Path] = []
        self._watch()

    def _watch(self) -> None:
        """Watch what has these names now; one that was replaced is another folder."""
        self.missed = [folder for folder in self._folders if not self._is_watched(folder)]

    def _is_watched(self, folder: Path) -> bool:
        if self._fd < 0:
            return False
        watch = self._libc.inotify_add_watch(self._fd, os.fsencode(folder), _SAVED | _FOLDER)
        return bool(watch >= 0)

    def fileno(self) -> int:
        """Readable when something has changed; -1 where that can't be told."""
        return self._fd

    def clear(self) -> None:
        """Forget what was told so far, and watch what has taken the place of what is gone."""
        for _ in _events(self._fd):
            continue
        self._watch()

    def close(self) -> None:
        """Stop watching."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


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

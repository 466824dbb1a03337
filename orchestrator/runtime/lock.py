"""A lock on a file that its holder's death releases, and that others can ask about."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

_PROBE_TIME = 0.2  # seconds; a process that asks whether the lock is held has it for microseconds
_PROBE_PAUSE = 0.002


class FileLock:
    """An exclusive advisory lock: `flock` where there is one, else a locked byte.

    Args:
        path: The file; its content is the holder's process id as text.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting for its holder; make the file if there is none.

        Returns:
            False if another process holds it.

        Raises:
            OSError: The file can't be opened; FileNotFoundError if its folder is gone.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        # is_held() takes the lock for an instant, shared, and must not look like a running rig
        deadline = time.monotonic() + _PROBE_TIME
        while not _lock(descriptor):
            if not _lock(descriptor, shared=True) or time.monotonic() > deadline:
                os.close(descriptor)
                return False
            _unlock(descriptor)
            time.sleep(_PROBE_PAUSE)  # no system call waits for a file lock with a time limit
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let go of the lock. Does nothing when not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            _unlock(descriptor)
            os.close(descriptor)

    def remove(self) -> None:
        """Remove the file while it is held, so that nobody takes another's file away."""
        if self._descriptor is not None:
            try:
                self.path.unlink(missing_ok=True)
            except PermissionError:
                return  # a system that keeps open files: an unlocked one says as much

    def write_pid(self) -> None:
        """Write this process's id into the file, for those who find it locked."""
        assert self._descriptor is not None
        text = f"{os.getpid()}\n".encode()
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, text)
        os.ftruncate(self._descriptor, len(text))

    def holder(self) -> int | None:
        """The process id in the file; None if there is none."""
        try:
            return int(self.path.read_text("ascii"))
        except (OSError, ValueError):
            return None

    def is_current(self) -> bool:
        """Whether the file that is locked is still the one at the path."""
        assert self._descriptor is not None
        try:
            named = os.stat(self.path)
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(self._descriptor))

    def is_held(self) -> bool:
        """Whether some process holds the lock; False if there is no file."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        except OSError:
            return False
        try:
            if not _lock(descriptor, shared=True):
                return True
            _unlock(descriptor)
            return False
        finally:
            os.close(descriptor)


def _lock(descriptor: int, *, shared: bool = False) -> bool:
    system = _locking()
    try:
        if hasattr(system, "flock"):
            kind = system.LOCK_SH if shared else system.LOCK_EX
            system.flock(descriptor, kind | system.LOCK_NB)
        else:
            os.lseek(descriptor, _FAR, os.SEEK_SET)
            system.locking(descriptor, system.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _unlock(descriptor: int) -> None:
    system = _locking()
    if hasattr(system, "flock"):
        system.flock(descriptor, system.LOCK_UN)
    else:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        system.locking(descriptor, system.LK_UNLCK, 1)


_FAR = 1 << 20  # a locked byte can't be read by others: lock one beyond the process id


def _locking() -> Any:
    """The module with the system's file locks, chosen when one is first needed."""
    import importlib

    try:
        return importlib.import_module("fcntl")
    except ImportError:
        return importlib.import_module("msvcrt")

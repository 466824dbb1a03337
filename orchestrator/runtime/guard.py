"""Who runs a rig, also where a tmp cleaner has removed its files.

On Linux a name of the abstract socket namespace: no file stands for it, and the kernel lets go of
it when its holder dies. It is beside the file lock, which is what counts elsewhere.
"""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import struct
import sys
from pathlib import Path

_BACKLOG = 64


class Guard:
    """The name of one rig, held from `take` to `release`.

    Args:
        base: The folder of all rigs; it must be there.
        rig: The rig's id.
    """

    def __init__(self, base: Path, rig: str) -> None:
        self.name = _name(base, rig)
        self._socket: socket.socket | None = None

    def take(self) -> int | None:
        """Take the name.

        Returns:
            The process id of its holder, a process of this user (0 when the system doesn't tell);
            None when it is ours now, or when this system has no such names.
        """
        if not _is_available():
            return None
        taken = socket.socket(socket.AF_UNIX)
        try:
            taken.bind(self.name)
            taken.listen(_BACKLOG)
        except OSError as error:
            taken.close()
            # One of another user's keeps nobody from running a rig.
            return _holder(self.name) if error.errno == errno.EADDRINUSE else None
        taken.setblocking(False)
        self._socket = taken
        return None

    def fileno(self) -> int:
        """Readable when somebody has asked who holds it: `answer` then; -1 when it isn't held."""
        return -1 if self._socket is None else self._socket.fileno()

    def answer(self) -> None:
        """Let those go who asked: the kernel has told them."""
        while self._socket is not None:
            try:
                self._socket.accept()[0].close()
            except OSError:
                return

    def wait(self) -> None:
        """Wait until its holder lets go of it, which nobody is asked for."""
        with socket.socket(socket.AF_UNIX) as asking:
            try:
                asking.connect(self.name)
                asking.recv(1)
            except OSError:  # it has
                return

    def release(self) -> None:
        """Let go of the name. Does nothing when not held."""
        taken, self._socket = self._socket, None
        if taken is not None:
            taken.close()


def holder(base: Path, rig: str) -> int | None:
    """The process id of who runs a rig; None if nobody does, as far as names tell.

    Args:
        base: The folder of all rigs; it must be there.
        rig: The rig's id.
    """
    return _holder(_name(base, rig)) if _is_available() else None


def _holder(name: str) -> int | None:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.setblocking(False)
        try:
            asking.connect(name)
        except BlockingIOError:
            return 0  # it is stopped, and many have asked
        except OSError:
            return None
        credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid, uid, _ = struct.unpack("3i", credentials)
        return int(pid) if uid == os.getuid() else None


def _name(base: Path, rig: str) -> str:
    """By the folder itself and not its path, which may lead to others in other containers."""
    status = os.stat(base)
    told = f"{status.st_dev}/{status.st_ino}/{rig}"
    return f"\0orch/{hashlib.sha256(told.encode()).hexdigest()[:32]}"


def _is_available() -> bool:
    return sys.platform == "linux" and hasattr(socket, "SO_PEERCRED")

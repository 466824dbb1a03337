"""What one agent after the other has on a machine: a lock, a rig's for one of its hosts.

So that a device is made safe by a lost agent's guardian, which has the lock too, before the next
agent starts anything.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import select
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from orchestrator.hosts.messages import Start


class Orphaned(Exception):
    """Who started an agent has ended while it waited."""


class Hold:
    """The lock, had.

    Args:
        lock: Its descriptor.
        file: Its file.

    Attributes:
        fd: The descriptor, for the guardian to have too.
    """

    def __init__(self, lock: int, file: Path) -> None:
        self.fd = lock
        self._file = file

    def give_up(self) -> None:
        """Let the next one begin; nobody else may have the descriptor any more."""
        # The file goes first: who waits for it sees that and takes a new one, see `take`.
        self._file.unlink(missing_ok=True)
        os.close(self.fd)


def take(start: Start, lifeline: int) -> Hold:
    """Have the lock, when all others have let go of it.

    Args:
        start: What the agent was given.
        lifeline: Descriptor whose end of file is the end of who started it.

    Raises:
        Orphaned: That came first.
        OSError: The folder or the file can't be used.
    """
    folder = Path(tempfile.gettempdir()) / f"orch-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(errno.EACCES, "it is another user's", str(folder))
    name = hashlib.sha256(f"{start.rig} {start.host} {start.place}".encode()).hexdigest()[:16]
    file = folder / f"agent-{name}.lock"
    while True:
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{_holder(lock, start)}: this one begins after that")
            _wait(lock, lifeline)
        if _is_at(lock, file):
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            return Hold(lock, file)
        os.close(lock)  # of one that has given up meanwhile


def say(text: str) -> None:
    """Tell who started the agent, if that is there still: the rest is to be done all the same."""
    with suppress(OSError):
        os.write(2, f"orch: {text}\n".encode())


def _holder(lock: int, start: Start) -> str:
    """Who has the lock, as far as the file tells."""
    pid = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
    others = f"agent of rig {start.rig!r} on this host"
    if pid and not Path(f"/proc/{pid}").exists():
        return f"devices of an {others} that was lost are made safe"
    return f"another {others} is there still{f', process {pid}' if pid else ''}"


def _wait(lock: int, lifeline: int) -> None:
    """Wait for the lock.

    Raises:
        Orphaned: The lifeline ended first. A thread waits on; it ends with the process.
        OSError: It can't be had.
    """
    failed: list[OSError] = []
    reader, writer = os.pipe()

    def block() -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            failed.append(error)
        os.close(writer)

    threading.Thread(target=block, name="lock", daemon=True).start()
    poll = select.poll()
    poll.register(reader)
    poll.register(lifeline, select.POLLIN)
    while True:
        ready = [fd for fd, _ in poll.poll()]
        if reader in ready:
            os.close(reader)
            if failed:
                raise failed[0]
            return
        if not os.read(lifeline, 4096):
            raise Orphaned


def _is_at(lock: int, file: Path) -> bool:
    """Whether a file that was locked is there still, so that others wait for it."""
    try:
        return os.path.samestat(os.fstat(lock), file.stat())
    except FileNotFoundError:
        return False

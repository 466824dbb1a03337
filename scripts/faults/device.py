"""The driver that faults hit, and the recipe that makes its device safe.

It writes down each operation's begin and end before the rig can know of them. Whoever has the
device holds a lock that the kernel releases with his process, so that two at once are seen.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.frames import turned
from faults.journal import Journal


class Device:
    """Does what it is asked for, good and bad, and writes it down.

    Args:
        name: The worker.
        folder: Of the journals.
        form: Nothing but a value that a changed config may change.
    """

    def __init__(self, name: str, folder: str, form: int = 0) -> None:
        self._name = name
        self._pid = os.getpid()
        self._journal = Journal(Path(folder, f"{name}.device"))
        self._lock = _lock(name, folder, self._journal)
        self._write("born", form=form)
        _devices[self._pid] = self

    def _write(self, what: str, **fields: Any) -> None:
        self._journal.write(what, worker=self._name, pid=self._pid, **fields)

    def work(
        self,
        key: str,
        how: str = "sleep",
        seconds: float = 0.0,
        claim: Claim | None = None,
        frame: Any = None,
    ) -> Any:
        """Begin, do it, end; gives back `key`, or the frame, so that a wrong answer is seen."""
        self._write("begin", key=key, how=how)
        try:
            return self._do(key, how, seconds) if frame is None else turned(frame)
        finally:
            self._write("end", key=key)

    def peek(self, key: str) -> str:
        """The same beside what runs; it is soon done."""
        self._write("begin", key=key, how="peek", beside=True)
        self._write("end", key=key)
        return key

    def _claim(self, claim: Claim) -> None:
        self._write("claimed", key=claim.key)
        time.sleep(claim.seconds)
        if claim.dies:
            self._write("dies", kind="kill of its own")
            _die("kill")

    def close(self) -> None:
        """Give up the device."""
        self._write("closed")
        os.close(self._lock)

    def _do(self, key: str, how: str, seconds: float) -> Any:
        match how:
            case "sleep":
                time.sleep(seconds)
            case "raise":
                raise ValueError(key)
            case "hold the lock":  # as a faulty C extension does
                ctypes.PyDLL(None).usleep(int(seconds * 1e6))
            case "spin":
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    pass
            case "hang":
                threading.Event().wait()
            case "exit" | "crash" | "kill":
                time.sleep(seconds)
                self._write("dies", kind=f"{how} of its own")
                _die(how)
            case "eat memory":
                return len(bytearray(1 << 36))
            case "eat descriptors":
                return _eat_descriptors()
            case "die replying":  # some time after the end, about when the answer goes out
                threading.Thread(target=self._die_soon, args=(seconds,), daemon=True).start()
                return key
            case "much":
                return key + " " * (4 << 20)
        return key

    def _die_soon(self, seconds: float) -> None:
        time.sleep(seconds)
        self._write("dies", kind="kill about its answer")
        _die("kill")


@dataclass
class Claim:
    """An argument that takes its time to be made: its operation is claimed, and hasn't begun.

    Attributes:
        seconds: How long it takes.
        dies: Whether the worker is killed then.
    """

    key: str
    seconds: float
    dies: bool = False

    def __post_init__(self) -> None:
        _devices[os.getpid()]._claim(self)


_devices: dict[int, Device] = {}
"""Of a process: who makes a claim isn't told whose it is."""


class Safe:
    """The recipe: takes the device over, and writes that down."""

    def __init__(self, name: str, folder: str) -> None:
        self._name = name
        self._journal = Journal(Path(folder, f"{name}.device"))
        self._lock = _lock(name, folder, self._journal)

    def secure(self) -> None:
        """Make it safe."""
        self._journal.write("safe", worker=self._name, pid=os.getpid())
        os.close(self._lock)


def _lock(name: str, folder: str, journal: Journal) -> int:
    file = os.open(Path(folder, f"{name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        journal.write("overlaps", worker=name, pid=os.getpid())
    return file


def _die(how: str) -> None:
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGSEGV if how == "crash" else signal.SIGKILL)
    signal.pause()


def _eat_descriptors() -> int:
    files = []
    try:
        while True:
            files.append(os.open(os.devnull, os.O_RDONLY))
    finally:
        for file in files:
            os.close(file)

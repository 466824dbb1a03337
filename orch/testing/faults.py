"""Faults of workers on demand, from outside: nothing of a driver knows of it."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any


class Faults:
    """Does to a rig's workers what devices and vendors' libraries do to them.

    Args:
        rig: A client of the rig.
    """

    def __init__(self, rig: Any) -> None:
        self._rig = rig
        self._hung: dict[str, int] = {}
        self._timers: list[threading.Timer] = []

    def kill(self, worker: str) -> None:
        """End a worker's process at once, as a crash of a library does.

        Raises:
            ValueError: There is no such worker, or it has no process of its own.
        """
        os.kill(self._pid(worker), signal.SIGKILL)

    def hang(self, worker: str) -> None:
        """Have a worker's process stand still until `release`, or until the test is over.

        What it runs overruns its execution timeout; what is asked meanwhile isn't started.

        Raises:
            ValueError: As `kill`.
        """
        self._hung[worker] = pid = self._pid(worker)
        os.kill(pid, signal.SIGSTOP)

    def slow(self, worker: str, seconds: float) -> None:
        """Have a worker's process stand still for a time: what it runs takes so much longer.

        Raises:
            ValueError: As `kill`.
        """
        self.hang(worker)
        timer = threading.Timer(seconds, self.release, [worker])
        timer.start()
        self._timers.append(timer)

    def release(self, worker: str) -> None:
        """Have a worker go on that hangs; nothing for any other."""
        pid = self._hung.pop(worker, None)
        try:
            if pid is not None:
                os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:  # its supervisor has ended it meanwhile
            return

    def end(self) -> None:
        """Have all go on."""
        for timer in self._timers:
            timer.cancel()
            timer.join()
        for worker in list(self._hung):
            self.release(worker)

    def _pid(self, worker: str) -> int:
        from orchestrator.client.functions import status

        known = {each["name"]: each for each in status(self._rig)["workers"]}
        if worker not in known:
            raise ValueError(f"there is no worker {worker!r}; there are {', '.join(known)}")
        pid = known[worker].get("pid")
        if not pid:
            raise ValueError(f"{worker!r} has no process of its own")
        return int(pid)

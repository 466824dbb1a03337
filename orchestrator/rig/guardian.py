"""The guardian: the process that ends what a killed supervisor leaves behind."""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from workers.stop_signals import held_back

ROOM = 1 << 20
"""Bytes of what it is told that it may not have read yet: the recipes of all workers at once."""
PART = 2048
"""Characters of a recipe in one line."""


class Guardian:
    """Keeps a guardian process; see `reaper` for what it does.

    Args:
        records: Descriptor of the rig's stream of records, for what it does last; -1 for none,
            then it tells standard error.
        held: Descriptor that it holds until it has done all; -1 for none.

    Attributes:
        secret: Marks this rig's processes.
        sentinel: File descriptor that is readable when it has died; new after `restart`, and -1
            when that failed.
    """

    def __init__(self, records: int = -1, held: int = -1) -> None:
        self._records = records
        self._held = held
        self.secret = secrets.token_hex(8)
        self.sentinel = -1
        self._recipes: dict[str, bytes] = {}
        self._until: float | None = None
        self._start()

    @property
    def pid(self) -> int:
        """Process id of the present guardian."""
        return self._process.pid

    def _start(self) -> None:
        path = Path(__file__).with_name("reaper.py")
        with held_back():
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(path), self.secret, str(self._records)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[each for each in (self._records, self._held) if each >= 0],
                cwd="/",
                start_new_session=True,
            )
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(OSError):  # this user's pipes have all the room that they may have
                fcntl.fcntl(self._process.stdin.fileno(), fcntl.F_SETPIPE_SZ, ROOM)
        self.sentinel = os.pidfd_open(self._process.pid)

    def restart(self, groups: Iterable[int]) -> None:
        """Start another one, in the place of one that died.

        Args:
            groups: The process groups to watch over.

        Raises:
            OSError: The process can't be started; may be called again.
        """
        self._let_go()
        self._start()
        if self._until is not None:
            self.lease_until(self._until)
        for group in groups:
            self.add(group)
        for worker, recipe in self._recipes.items():
            self._tell_recipe(worker, recipe)

    def token(self, worker: str, incarnation: int | str) -> str:
        """What an incarnation's processes carry in their environment, or those of a recipe."""
        return f"{self.secret}.{worker}.{incarnation}"

    def lease_until(self, until: float) -> None:
        """All that it watches over ends at that time of `hosts.clock`, if it isn't told another."""
        self._until = until
        self._tell(f"until {until!r}")

    def add(self, pid: int) -> None:
        """Watch over a process group."""
        self._tell(f"add {pid}")

    def gone(self, pid: int, token: str) -> None:
        """An incarnation is over: what it left behind is killed."""
        self._tell(f"gone {pid} {token}.")

    def arm(self, worker: str, recipe: bytes) -> None:
        """Have a recipe followed if the supervisor is killed: see `reaper.follow`."""
        self._recipes[worker] = recipe
        self._tell_recipe(worker, recipe)

    def disarm(self, worker: str) -> None:
        """A worker's recipe isn't needed any more."""
        if self._recipes.pop(worker, None) is not None:
            self._tell(f"safe {worker}")

    def _tell_recipe(self, worker: str, recipe: bytes) -> None:
        text = base64.b64encode(recipe).decode()
        self._tell(f"safe {worker}")
        for start in range(0, len(text), PART):  # a pipe takes a short line whole or not at all
            self._tell(f"loss {worker} {text[start : start + PART]}")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        if self._process.stdin.closed:  # it does its last work
            return
        try:
            os.write(self._process.stdin.fileno(), f"{line}\n".encode())
        except BlockingIOError:  # it hasn't read a thousand lines: as good as dead
            self._process.kill()
        except BrokenPipeError:  # it died: its successor is told of all that live
            return

    def finish(self) -> None:
        """Have it do its last work and end, which `sentinel` tells; may be called again."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    @property
    def is_alive(self) -> bool:
        """Whether it runs: False too if the present one couldn't be started."""
        return self._process.poll() is None

    def close(self, timeout: float) -> None:
        """Let it do its last work and end."""
        self.finish()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        self._let_go()

    def _let_go(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        if self.sentinel >= 0:
            os.close(self.sentinel)
            self.sentinel = -1

"""The process that keeps a host's agent running: ssh, or what asks Dask for it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress

from orchestrator.rig.keeper import Waits
from workers.search_path import own_environment
from workers.stop_signals import held_back

SAID = 4096
"""Bytes of what it wrote last that are kept, to say why there is no agent."""
ENDS_WITHIN = 2.0
"""Seconds that it has to end by itself."""


class Engine:
    """One such process.

    Args:
        command: What is run.
        line: What it reads first.
        loop: Watches it.
        ended: Called once with its exit status and the last lines that it wrote.

    Attributes:
        pid: The process; None once it has ended.

    Raises:
        OSError: It can't be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        line: bytes,
        loop: Waits,
        ended: Callable[[int, list[str]], None],
    ) -> None:
        self._loop = loop
        self._ended = ended
        self._wrote = b""
        with held_back():
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=own_environment(dict(os.environ)),
                cwd="/",
                start_new_session=True,
            )
        self.pid: int | None = self._process.pid
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        with suppress(BrokenPipeError):  # it has ended, and says why
            os.write(self._process.stdin.fileno(), line)  # a pipe has room for a line
        self._sentinel = os.pidfd_open(self._process.pid)
        self._errors = self._process.stderr.fileno()
        os.set_blocking(self._errors, False)
        loop.watch(self._errors, self._hear)
        loop.watch(self._sentinel, self._over)

    def _hear(self) -> None:
        """Take what it says. What it started may hold the other end beyond its own."""
        try:
            said = os.read(self._errors, SAID)
        except BlockingIOError:
            return
        self._wrote = (self._wrote + said)[-SAID:]
        if not said:
            self._loop.unwatch(self._errors)

    def _over(self) -> None:
        self._hear()
        self._release()
        self._close()
        self._ended(self._process.returncode, self._lines)

    @property
    def said(self) -> str:
        """The last line that it wrote so far; empty if it wrote none."""
        return self._lines[-1] if self._lines else ""

    @property
    def _lines(self) -> list[str]:
        lines = self._wrote.decode(errors="backslashreplace").splitlines()
        return [each.rstrip() for each in lines if each.strip()]

    def _release(self) -> None:
        self._loop.unwatch(self._sentinel)
        self._loop.unwatch(self._errors)
        os.close(self._sentinel)
        self.pid = None

    def kill(self) -> None:
        """End it at once, and all in its group; `ended` isn't called."""
        if self.pid is None:
            return
        self._release()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._close()

    def close(self) -> None:
        """Have it end by the end of its input, else kill it; `ended` isn't called."""
        if self.pid is None:
            self._close()
            return
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDS_WITHIN)
        self.kill()

    def _close(self) -> None:
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

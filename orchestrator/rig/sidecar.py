"""A command of orch that runs beside a rig, in a process of its own that is started again.

It is told to end, however the rig does, by the end of its input. What it says is recorded.
"""

from __future__ import annotations

import math
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.rig.keeper import Waits
from workers.search_path import own_environment
from workers.stop_signals import held_back

OFTEN = 10.0
"""Seconds within which two deaths are too many to start another one at once."""
RESTART_AFTER = 5.0
"""Seconds until it is tried again then."""
PATIENCE = 3.0
"""Seconds for it to end."""
LONGEST = 65536
"""Bytes of what it says that are taken at a time."""


class Sidecar:
    """Keeps a process running.

    Args:
        name: What it is, for people, such as `the web server`.
        loop: Watches it.
        record: Writes a record: level, text, fields.

    Attributes:
        pid: Process id of the present one; None if there is none.
        is_away: Whether there is to be one, and is none until it is tried again.
    """

    def __init__(
        self,
        name: str,
        loop: Waits,
        record: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self.pid: int | None = None
        self.is_away = False
        self._name = name
        self._loop = loop
        self._record = record
        self._command: Sequence[str] = ()
        self._fds: Sequence[int] = ()
        self._process: subprocess.Popen[bytes] | None = None
        self._died = -math.inf
        self._closing = False

    def expect(self, command: Sequence[str], fds: Sequence[int] = ()) -> None:
        """It is to run once `start` is called: its command line, and descriptors that it has."""
        self._command, self._fds, self.is_away = command, fds, True

    def start(self) -> None:
        """Start it, if it is to run, and whenever it has died from then on."""
        if not self._command or self._closing:
            return
        try:
            with held_back():
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    pass_fds=self._fds,
                    env=own_environment(dict(os.environ)),
                    start_new_session=True,
                )
        except OSError as error:
            self._record("error", f"{self._name} can't be started: {error}", {})
            self._loop.call_later(RESTART_AFTER, self.start)
            return
        self.pid, self.is_away = self._process.pid, False
        assert self._process.stderr is not None
        os.set_blocking(self._process.stderr.fileno(), False)
        self._loop.watch(self._process.stderr.fileno(), self._hear)

    def _hear(self) -> None:
        """Take what it says; the end of that is its own."""
        assert self._process is not None
        assert self._process.stderr is not None
        said = self._process.stderr.read(LONGEST)
        if said:
            lines = said.decode(errors="backslashreplace").splitlines()
            for line in filter(str.strip, lines):
                self._record("warning", f"{self._name} wrote: {line}", {})
        elif said == b"":
            self._ended()

    def _ended(self) -> None:
        process, self._process, self.pid = self._process, None, None
        assert process is not None
        assert process.stderr is not None
        assert process.stdin is not None
        self._loop.unwatch(process.stderr.fileno())
        process.stderr.close()
        process.stdin.close()
        process.kill()  # it has closed its output, which it keeps for life
        process.wait()
        if self._closing:
            return
        self.is_away = True
        now = time.monotonic()
        at_once, self._died = now - self._died > OFTEN, now
        when = "" if at_once else f" in {RESTART_AFTER:g} s"
        text = f"{self._name} died, with status {process.returncode}; another one is started"
        self._record("warning", text + when, {})
        if at_once:
            self.start()
        else:
            self._loop.call_later(RESTART_AFTER, self.start)

    def close(self) -> None:
        """End it."""
        self._closing = True
        if self._process is None:
            return
        process, self._process, self.pid = self._process, None, None
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stderr is not None
        process.stderr.close()

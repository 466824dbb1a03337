"""Runs the commands of alarms that have begun: `run` of the config's `alarms`.

Each is a process in a session of its own, with what happened in its environment. It may take its
time, but not for ever, and ends with the rig.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, NamedTuple

from orchestrator.config.loader import RigConfig
from orchestrator.core.effects import Alarmed
from orchestrator.rig.following import TAIL
from orchestrator.rig.guardian import Guardian
from orchestrator.rig.keeper import Waits
from orchestrator.rig.reaper import TOKEN

LONGEST = 30.0
"""Seconds after which a command is killed."""


class _Run(NamedTuple):
    process: subprocess.Popen[bytes]
    sentinel: int
    output: IO[bytes]
    token: str


class AlarmCommands:
    """Runs commands; of each alarm one at a time.

    Args:
        loop: What waits.
        guardian: Ends what they leave behind.
        record: Writes a record: level, text, fields.
    """

    def __init__(
        self,
        loop: Waits,
        guardian: Guardian,
        record: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self._loop = loop
        self._guardian = guardian
        self._record = record
        self._runs: dict[tuple[str, str], _Run] = {}
        self._count = 0

    @property
    def pids(self) -> set[int]:
        """Their processes, for which somebody waits."""
        return {run.process.pid for run in self._runs.values()}

    def alarmed(self, config: RigConfig, change: Alarmed) -> None:
        """An alarm has changed: run its command if it has begun."""
        worker = config.workers.get(change.worker)
        alarm = None if worker is None else worker.alarms.get(change.member)
        if not change.is_new or worker is None or alarm is None or not alarm.run:
            return
        about = {"worker": change.worker, "alarm": change.member}
        key = change.worker, change.member
        if key in self._runs:
            pid = self._runs[key].process.pid
            text = f"the alarm's command isn't run: the one before, pid {pid}, still runs"
            self._record("warning", text, about)
            return
        self._count += 1
        token = self._guardian.token(change.worker, f"alarm.{self._count}")
        told = {
            "ORCH_ALARM_RIG": config.rig,
            "ORCH_ALARM_WORKER": change.worker,
            "ORCH_ALARM_MEMBER": change.member,
            "ORCH_ALARM_VALUE": "" if change.value is None else repr(change.value),
            "ORCH_ALARM_REASON": change.reason,
            TOKEN: f"{token}.",
        }
        output = tempfile.TemporaryFile()  # noqa: SIM115  open as long as it runs
        try:
            process = subprocess.Popen(
                alarm.run,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=config.folder,
                env={**os.environ, **worker.env, **told},
                start_new_session=True,
            )
        except OSError as error:
            output.close()
            self._record("error", f"the alarm's command can't be run: {error}", about)
            return
        run = self._runs[key] = _Run(process, os.pidfd_open(process.pid), output, token)
        self._loop.watch(run.sentinel, lambda: self._ended(key, run))
        self._loop.call_later(LONGEST, lambda: self._insist(key, run))

    def close(self) -> None:
        """End those that still run."""
        for key, run in list(self._runs.items()):
            _kill(run)
            self._ended(key, run)

    def _insist(self, key: tuple[str, str], run: _Run) -> None:
        if self._runs.get(key) is run:
            about = {"worker": key[0], "alarm": key[1]}
            text = f"the alarm's command took longer than {LONGEST:g} s: killed"
            self._record("warning", text, about)
            _kill(run)

    def _ended(self, key: tuple[str, str], run: _Run) -> None:
        del self._runs[key]
        self._loop.unwatch(run.sentinel)
        os.close(run.sentinel)
        status = run.process.wait()
        self._guardian.gone(run.process.pid, run.token)
        end = run.output.seek(0, os.SEEK_END)
        run.output.seek(max(0, end - TAIL))
        lines = run.output.read().decode(errors="backslashreplace").splitlines()
        run.output.close()
        about = {"worker": key[0], "alarm": key[1]}
        for line in filter(str.strip, lines):
            self._record("info", f"the alarm's command wrote: {line}", about)
        if status:
            how = f"status {status}" if status > 0 else f"signal {-status}"
            self._record("error", f"the alarm's command ended with {how}", about)


def _kill(run: _Run) -> None:
    with suppress(ProcessLookupError):
        os.killpg(run.process.pid, signal.SIGKILL)

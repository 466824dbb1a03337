"""Makes the devices of workers safe that have ended: `on_loss` of the config.

A recipe runs in a process of its own once the worker's is gone. The guardian knows the recipes of
all workers that live, and follows them if the supervisor can't.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

from orchestrator.config.loader import RigConfig, WorkerConfig
from orchestrator.rig.guardian import Guardian
from orchestrator.rig.keeper import Waits
from orchestrator.rig.reaper import TOKEN
from workers.process import recipe
from workers.search_path import own_environment

GRACE = 1.0
"""Seconds beyond its own timeout, after which a recipe that doesn't end is killed."""
TAIL = 2000
"""Bytes of what it wrote that are told when it fails."""


class _Run:
    """A recipe that is followed."""

    def __init__(self, process: subprocess.Popen[bytes], output: IO[bytes]) -> None:
        self.process = process
        self.output = output
        self.sentinel = os.pidfd_open(process.pid)


class Recipes:
    """Follows recipes.

    Args:
        loop: What waits.
        guardian: Is told of those that may be needed.
        done: Is told of each that has ended: worker, incarnation, and what was in the way.
    """

    def __init__(
        self, loop: Waits, guardian: Guardian, done: Callable[[str, int, str], None]
    ) -> None:
        self._loop = loop
        self._guardian = guardian
        self._done = done
        self._armed: dict[str, dict[str, Any]] = {}
        self._runs: dict[str, _Run] = {}

    @property
    def pids(self) -> set[int]:
        """Their processes, for which somebody waits."""
        return {run.process.pid for run in self._runs.values()}

    def arm(self, rig: RigConfig, config: WorkerConfig) -> None:
        """A worker is about to live: its recipe may be needed from now on."""
        if config.on_loss is not None:
            found = told_to_run(rig, config)
            self._armed[config.name] = found
            self._guardian.arm(config.name, json.dumps(found).encode())

    def disarm(self, worker: str) -> None:
        """A worker didn't come to life after all."""
        self._armed.pop(worker, None)
        self._guardian.disarm(worker)

    def follow(self, worker: str, incarnation: int) -> None:
        """A worker's process is gone: make its device safe."""
        told = self._armed.pop(worker, None)
        if told is None:
            self._end(worker, incarnation, "")
            return
        output = tempfile.TemporaryFile()  # noqa: SIM115  open as long as it is followed
        # Of no life: what those leave behind is killed by the token of theirs.
        token = f"{self._guardian.secret}.{worker}.loss.{incarnation}"
        try:
            process = subprocess.Popen(
                told["command"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=told["cwd"],
                env={**own_environment(dict(os.environ)), **told["env"], TOKEN: token},
                start_new_session=True,
            )
        except OSError as error:
            output.close()
            self._end(worker, incarnation, f"couldn't be started: {error}")
            return
        run = self._runs[worker] = _Run(process, output)
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended already, which is told below
            process.stdin.write(json.dumps(told["recipe"]).encode() + b"\n")
            process.stdin.close()
        self._loop.watch(run.sentinel, lambda: self._ended(worker, incarnation, run))
        self._loop.call_later(told["recipe"]["timeout"] + GRACE, lambda: self._insist(worker, run))

    def _insist(self, worker: str, run: _Run) -> None:
        if self._runs.get(worker) is run:
            with suppress(ProcessLookupError):
                os.killpg(run.process.pid, signal.SIGKILL)

    def _ended(self, worker: str, incarnation: int, run: _Run) -> None:
        self._loop.unwatch(run.sentinel)
        os.close(run.sentinel)
        status = run.process.wait()
        del self._runs[worker]
        with run.output as output:
            output.seek(max(0, output.seek(0, os.SEEK_END) - TAIL))
            said = output.read().decode(errors="backslashreplace").strip()
        with suppress(ProcessLookupError, PermissionError):  # what it started and left
            os.killpg(run.process.pid, signal.SIGKILL)
        failure = "" if status == 0 else f"{_how(status)}\n{said}".strip()
        self._end(worker, incarnation, failure)

    def _end(self, worker: str, incarnation: int, failure: str) -> None:
        self._guardian.disarm(worker)
        self._done(worker, incarnation, failure)


def told_to_run(rig: RigConfig, config: WorkerConfig) -> dict[str, Any]:
    """All that it takes to follow a worker's recipe: command, folder, environment, recipe."""
    assert config.on_loss is not None
    return {
        "command": recipe.command(str(config.python or sys.executable)),
        "cwd": str(config.cwd),
        "env": dict(config.env),
        "recipe": {**config.on_loss, "folder": str(rig.folder)},
    }


def _how(status: int) -> str:
    if status == -signal.SIGALRM or status == -signal.SIGKILL:
        return "took too long"
    return f"ended by signal {-status}" if status < 0 else f"ended with status {status}"

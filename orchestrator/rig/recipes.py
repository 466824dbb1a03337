"""Makes the devices of workers safe that have ended: `on_loss` of the config.

A recipe runs in a process of its own once the worker's is gone. The guardian knows the recipes of
all workers that live, and follows them if the supervisor can't.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from orchestrator.config.loader import RigConfig, WorkerConfig
from orchestrator.rig.following import Following, Outcome
from orchestrator.rig.guardian import Guardian
from orchestrator.rig.keeper import Waits
from orchestrator.rig.reaper import TOKEN
from workers.process import recipe
from workers.search_path import own_environment

START = 20.0
"""Seconds that its interpreter and imports may take, before its own timeout begins."""


class Elsewhere(Protocol):
    """What follows recipes on other hosts."""

    def secure(
        self, worker: str, incarnation: int, done: Callable[[str, int, Outcome], None]
    ) -> None:
        """Have the device of a worker made safe that has ended; `done` is told once."""


class _Run(NamedTuple):
    """A recipe that is followed."""

    following: Following
    sentinel: int
    token: str


class Recipes:
    """Follows recipes.

    Args:
        loop: What waits.
        guardian: Is told of those that may be needed.
        done: Is told of each that has ended: worker, incarnation, what was in the way and the
            traceback of that.
        elsewhere: Follows those of workers on other hosts.
        record: Writes a record: level, text, fields.
    """

    def __init__(
        self,
        loop: Waits,
        guardian: Guardian,
        done: Callable[[str, int, str, str], None],
        elsewhere: Elsewhere,
        record: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self._loop = loop
        self._guardian = guardian
        self._done = done
        self._record = record
        self._elsewhere = elsewhere
        self._afar: set[str] = set()
        self._armed: dict[str, dict[str, Any]] = {}
        self._runs: dict[str, _Run] = {}

    @property
    def pids(self) -> set[int]:
        """Their processes, for which somebody waits."""
        return {run.following.pid for run in self._runs.values()}

    def arm(self, rig: RigConfig, config: WorkerConfig, incarnation: int) -> None:
        """A worker is about to live: its recipe may be needed from now on."""
        if config.on_loss is not None and config.host is not None:
            self._afar.add(config.name)  # its host's guardian knows it
        elif config.on_loss is not None:
            found = told_to_run(rig, config, incarnation)
            self._armed[config.name] = found
            self._guardian.arm(config.name, json.dumps(found).encode())

    def disarm(self, worker: str) -> None:
        """A worker didn't come to life after all."""
        self._armed.pop(worker, None)
        self._afar.discard(worker)
        self._guardian.disarm(worker)

    def follow(self, worker: str, incarnation: int) -> None:
        """A worker's process is gone: make its device safe."""
        if worker in self._afar:
            self._afar.discard(worker)
            self._elsewhere.secure(worker, incarnation, self._came)
            return
        told = self._armed.pop(worker, None)
        if told is None:
            self._end(worker, incarnation, "")
            return
        # Of no life: what those leave behind is killed by the token of theirs.
        token = self._guardian.token(worker, f"loss.{incarnation}")
        env = {**own_environment(dict(os.environ)), **told["env"], TOKEN: f"{token}."}
        try:
            following = Following(told, env)
        except OSError as error:
            self._end(worker, incarnation, f"couldn't be started: {error}")
            return
        run = self._runs[worker] = _Run(following, os.pidfd_open(following.pid), token)
        self._loop.watch(run.sentinel, lambda: self._ended(worker, incarnation, run))
        self._loop.call_later(following.longest, lambda: self._insist(worker, run))

    def _insist(self, worker: str, run: _Run) -> None:
        if self._runs.get(worker) is run:
            run.following.insist()

    def _ended(self, worker: str, incarnation: int, run: _Run) -> None:
        self._loop.unwatch(run.sentinel)
        os.close(run.sentinel)
        del self._runs[worker]
        outcome = run.following.outcome()
        self._guardian.gone(run.following.pid, run.token)
        self._came(worker, incarnation, outcome)

    def _came(self, worker: str, incarnation: int, outcome: Outcome) -> None:
        failure, trace, output = outcome
        for line in output:
            about = {"worker": worker, "incarnation": incarnation}
            self._record("info", f"on_loss wrote: {line}", about)
        self._end(worker, incarnation, failure, trace)

    def _end(self, worker: str, incarnation: int, failure: str, trace: str = "") -> None:
        self._guardian.disarm(worker)
        self._done(worker, incarnation, failure, trace)


def told_to_run(rig: RigConfig, config: WorkerConfig, incarnation: int) -> dict[str, Any]:
    """All that it takes to follow a worker's recipe: command, folder, environment, recipe."""
    return {
        "incarnation": incarnation,
        "command": recipe.command(str(config.python or sys.executable)),
        "cwd": str(config.cwd),
        "env": dict(config.env),
        "recipe": recipe_of(config, str(rig.folder)),
    }


def recipe_of(config: WorkerConfig, folder: str) -> dict[str, Any]:
    """A worker's recipe, with the folder where its driver can be imported."""
    assert config.on_loss is not None
    return {**config.on_loss, "folder": folder, "start": START}

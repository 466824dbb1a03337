"""A rig with twins in place of drivers: software that answers as the devices do."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Any

from orchestrator.config.model import RigConfig, WorkerConfig
from orchestrator.config.problems import ConfigError, Place, Problem
from orchestrator.words import quoted
from transports.recording import NoRecording, Offered, read_lines

__all__ = ["as_started", "recorded", "replayed", "simulated", "twin_of"]

REPLAY = "workers.serving.replay:Replay"
"""The driver that answers by a recording."""


def as_started(config: RigConfig, running: RigConfig) -> RigConfig:
    """A changed config with what runs in the drivers' place in a rig, as it was started.

    Raises:
        ConfigError: A worker has no twin, or isn't in the recording.
    """
    if running.replay is not None:
        return replayed(config, running.replay)
    return recorded(simulated(config, running.simulation), running.record)


def recorded(config: RigConfig, file: Path | None) -> RigConfig:
    """The rig, recorded in a file; all frames go through it then, none through shared memory."""
    if file is None:
        return config
    return dataclasses.replace(config, record=file, shared_memory=0)


def replayed(config: RigConfig, file: Path) -> RigConfig:
    """The rig with workers that answer by a recording, and are asked nothing by the rig itself.

    Raises:
        ConfigError: A worker isn't in it, or it can't be read.
    """
    try:
        known = {line.worker for line in read_lines(file) if isinstance(line, Offered)}
    except (NoRecording, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError([Problem(Place(str(file)), f"no recording: {why}")]) from error
    lacking = [worker for name, worker in config.workers.items() if name not in known]
    if lacking:
        text = f"worker {{}} isn't in the recording {quoted(file)}"
        raise ConfigError(Problem(w.place, text.format(quoted(w.name))) for w in lacking)
    workers = {name: _replayed(worker, file) for name, worker in config.workers.items()}
    return dataclasses.replace(config, workers=workers, replay=file)


def _replayed(worker: WorkerConfig, file: Path) -> WorkerConfig:
    return dataclasses.replace(
        worker,
        driver=REPLAY,
        args=(str(file), worker.name),
        kwargs={},
        transport="ipc",  # it may have to die
        host=None,
        python=None,
        env={},
        concurrent=(),
        timeouts={},
        poll={},
        alarms={},  # which are of what is polled
        limits=_limits_here(worker),
        events={},
        verify={},
        probe=None,
        on_loss=None,
        open_with=None,
        on_start=(),
        restore=(),
        stop_with=None,
        retry_start=False,
        simulated=True,
    )


def simulated(config: RigConfig, names: Collection[str] | None) -> RigConfig:
    """The rig with twins.

    Args:
        config: The rig as its file says.
        names: The workers whose twins run; empty for all that have one, None for no twins. A name
            that isn't of this config says nothing.

    Raises:
        ConfigError: A worker has no twin.
    """
    if names is None:
        return config
    lacking = [w for w in config.workers.values() if w.name in names and w.simulate is None]
    if lacking:
        text = "worker {} has no twin to be simulated by; name one: simulate: package.module:Twin"
        raise ConfigError(Problem(w.place, text.format(quoted(w.name))) for w in lacking)
    twins = {
        name: twin_of(worker)
        for name, worker in config.workers.items()
        if worker.simulate is not None and (name in names or not names)
    }
    return dataclasses.replace(config, workers={**config.workers, **twins}, simulation=tuple(names))


def twin_of(worker: WorkerConfig) -> WorkerConfig:
    """A worker with its twin for a driver, and nothing that reaches for the device itself."""
    assert worker.simulate is not None
    return dataclasses.replace(
        worker,
        driver=worker.simulate,
        on_loss=None,
        host=None,  # it needs no device, so nothing of another machine
        limits=_limits_here(worker),
        place=worker.places.get("simulate", worker.place),
        simulated=True,
    )


def _limits_here(worker: WorkerConfig) -> dict[str, Any] | None:
    """A worker's limits on this machine, which may lack another host's processors."""
    if worker.host is None or worker.limits is None:
        return worker.limits
    return {**worker.limits, "cpus": None}

"""A rig with twins in place of drivers: software that answers as the devices do."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from orchestrator.config.model import RigConfig, WorkerConfig
from orchestrator.config.problems import ConfigError, Problem
from orchestrator.words import quoted

__all__ = ["simulated", "twin_of"]


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
        place=worker.places.get("simulate", worker.place),
        simulated=True,
    )

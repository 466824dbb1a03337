"""What the drivers of a config offer, as far as their classes tell, without building any."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from orchestrator.check.drivers import job_of, processors
from orchestrator.check.modules import hidden_modules
from orchestrator.check.runner import run
from orchestrator.check.twins import as_worker, differences
from orchestrator.config.loader import Problem, RigConfig


def offers(config: RigConfig, *, deadline: float = 60.0) -> dict[str, dict[str, Any] | None]:
    """The description of each worker's class; None where it isn't known before it is built.

    Args:
        config: A config that was loaded without problems.
        deadline: Seconds that each import may take.
    """
    hidden = hidden_modules(config)
    jobs = [
        job_of(worker, config, deadline, describe=True)
        for worker in config.workers.values()
        if worker.name not in hidden
    ]
    outcomes = run(jobs, at_once=processors())
    found: dict[str, dict[str, Any] | None] = {}
    for name in config.workers:
        outcome = outcomes.get(name)
        answer = outcome.answer if outcome is not None else None
        described = answer.get("described") if answer is not None else None
        found[name] = described if isinstance(described, dict) else None
    return found


def twins_lack(
    config: RigConfig, names: Collection[str], *, deadline: float = 60.0
) -> list[Problem]:
    """What twins lack of the drivers that they run in place of.

    Args:
        config: A config that was loaded without problems.
        names: The workers; all that have a twin if empty.
        deadline: Seconds that each import may take.
    """
    workers = [
        worker
        for name, worker in config.workers.items()
        if worker.simulate is not None and (name in names or not names)
    ]
    pairs = [(worker, as_worker(worker)) for worker in workers]
    jobs = [job_of(each, config, deadline, describe=True) for pair in pairs for each in pair]
    outcomes = run(jobs, at_once=processors())
    return sorted(
        told
        for worker, twin in pairs
        for told in differences(worker, outcomes[worker.name], outcomes[twin.name])
    )

"""What the drivers of a config offer, as far as their classes tell, without building any."""

from __future__ import annotations

from typing import Any

from orchestrator.check.drivers import job_of, processors
from orchestrator.check.modules import hidden_modules
from orchestrator.check.runner import run
from orchestrator.config.loader import RigConfig


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
    outcomes = run(jobs, deadline=deadline, at_once=processors())
    found: dict[str, dict[str, Any] | None] = {}
    for name in config.workers:
        outcome = outcomes.get(name)
        answer = outcome.answer if outcome is not None else None
        described = answer.get("described") if answer is not None else None
        found[name] = described if isinstance(described, dict) else None
    return found

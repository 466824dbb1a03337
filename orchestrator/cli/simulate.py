"""`run --simulate`: a rig with twins in place of drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli.configs import refusal
from orchestrator.cli.failures import CommandError, Exit, say, unknown

if TYPE_CHECKING:
    from orchestrator.config.loader import RigConfig


def with_twins(config: RigConfig, given: str, names: tuple[str, ...], *, tells: bool) -> RigConfig:
    """The rig with the twins of these workers, or of all that have one.

    Args:
        config: As its file says.
        given: The file, as it was named.
        names: The workers; none for all that have a twin.
        tells: Whether to say what the twins lack of their drivers.

    Raises:
        CommandError: A name is no worker's, or of one without a twin; or there are no twins.
    """
    from orchestrator.check.offers import twins_lack
    from orchestrator.config.problems import ConfigError
    from orchestrator.config.simulation import simulated

    for name in names:
        if name not in config.workers:
            unknown("worker", name, config.workers, given)
    try:
        found = simulated(config, names)
    except ConfigError as error:
        raise refusal(given, error.problems, "nothing was started") from None
    twins = [name for name, worker in found.workers.items() if worker.simulated]
    if not twins:
        raise CommandError(
            f"{given}: no worker has a twin; name one in its section:"
            " simulate: package.module:Twin",
            Exit.USAGE,
        )
    if tells:
        for note in twins_lack(config, names):
            say(f"{note.place}: note: {note.message}")
        say(f"SIMULATED: {', '.join(twins)}")
    return found

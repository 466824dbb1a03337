"""`run --record` and `run --replay`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.configs import refusal
from orchestrator.cli.failures import CommandError, Exit, say

if TYPE_CHECKING:
    from orchestrator.config.loader import RigConfig


def with_recording(config: RigConfig, file: str) -> RigConfig:
    """The rig, recorded in a file. Raises CommandError if that is there already."""
    from orchestrator.config.simulation import recorded
    from transports.recording import payloads_of

    path = Path(file).absolute()
    for each in (path, payloads_of(path)):
        if each.exists():
            raise CommandError(f"{each} is there already; name a new file", Exit.USAGE)
    if not path.parent.is_dir():
        raise CommandError(f"{path.parent} is no folder", Exit.USAGE)
    return recorded(config, path)


def with_answers(config: RigConfig, given: str, file: str, *, tells: bool) -> RigConfig:
    """The rig with workers that answer by a recording.

    Args:
        config: As its file says.
        given: The file, as it was named.
        file: The recording.
        tells: Whether to say so.

    Raises:
        CommandError: It can't be used for this config; with the places of what lacks.
    """
    from orchestrator.config.problems import ConfigError
    from orchestrator.config.simulation import replayed

    try:
        found = replayed(config, Path(file).absolute())
    except ConfigError as error:
        raise refusal(given, error.problems, "nothing was started") from None
    if tells:
        say(f"SIMULATED, as recorded in {file}: {', '.join(found.workers)}")
    return found

"""Configs that are named on the command line, and what is wrong with them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from orchestrator.cli.failures import CommandError, Exit, print_error, say
from orchestrator.cli.options import chosen_rig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orchestrator.config.loader import RigConfig
    from orchestrator.config.problems import Problem


def load_config(config: str, consequence: str = "") -> RigConfig:
    """A config that was named on the command line.

    Raises:
        CommandError: Something is wrong with it, and was told.
    """
    if chosen_rig() is not None:
        raise click.UsageError("--rig doesn't go with this command: the config has the rig's id")
    from orchestrator.config.loader import load
    from orchestrator.config.problems import ConfigError

    try:
        return load(config)
    except ConfigError as error:
        raise refusal(config, error.problems, consequence) from None


def waits_told() -> Callable[[str], None] | None:
    """What tells people which driver's import is waited for; None where nobody looks."""
    return say if sys.stderr.isatty() else None


def refusal(config: str, problems: Iterable[Problem], consequence: str = "") -> CommandError:
    """Print each problem on a line of its own, as editors and terminals expect it."""
    lines = [str(problem) for problem in problems]
    print_error("\n".join(lines))
    count = len(lines)
    what = f"{config} has {count} problem{'s'[: count != 1]}"
    return CommandError("; ".join(filter(None, (what, consequence))), Exit.USAGE)

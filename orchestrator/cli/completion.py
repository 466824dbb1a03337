"""`completion`: sets a shell up to complete workers and members."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from orchestrator.cli.failures import print_out

VARIABLE = "_ORCH_COMPLETE"
"""By which a shell asks what to complete; click looks for it by the command's name."""


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes a shell complete rigs, workers and members.

    In ~/.bashrc: eval "$(orch completion bash)"; in ~/.config/fish/config.fish: orch completion
    fish | source.
    """
    kind = get_completion_class(shell)
    assert kind is not None  # one of those above
    print_out(kind(ctx.find_root().command, {}, "orch", VARIABLE).source())

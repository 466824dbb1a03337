"""Commands and options of other managers are answered with a line that names ours."""

from __future__ import annotations

import click
import pytest

from orchestrator.cli.failures import Exit
from orchestrator.cli.main import cli, status_of
from orchestrator.cli.other_words import COMMANDS, OPTIONS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ps"], "there is no command 'ps'; here it is: orch status"),
        (["up"], "there is no command 'up'; here it is: orch run CONFIG, with --detach"),
        (["tail", "stage"], "there is no command 'tail'; here it is: orch logs -f"),
        (["rn", "rig.yaml"], "there is no command 'rn'; did you mean \"run\"?"),
        (["logs", "--tail", "5"], "there is no option '--tail'; here it is: -n N"),
        (["logs", "--tail=5"], "there is no option '--tail'; here it is: -n N"),
        (["logs", "-u", "stage"], "there is no option '-u'; here it is: -w WORKER"),
        (["run", "-d", "x.yaml"], "there is no option '-d'; here it is: --detach"),
        (["status", "--watch"], "there is no option '--watch'; here it is: -f"),
    ],
)
def test_what_others_call_it_is_answered_with_ours(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(arguments) == Exit.USAGE
    error, see = capsys.readouterr().err.splitlines()
    assert error.startswith(f"error: {message}")
    assert see.startswith("  see: orch")


def test_ours_are_none_of_theirs_and_are_there() -> None:
    """A word that becomes a command of ours must leave the table."""
    context = click.Context(cli)
    commands = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    assert not COMMANDS.keys() & commands.keys()
    for ours in COMMANDS.values():
        for each in ours.split(", or "):
            assert each.split()[1].rstrip(",") in commands
    for name, options in OPTIONS.items():
        command = commands[name]
        assert command is not None
        known = {text for parameter in command.params for text in option_texts(parameter)}
        assert not options.keys() & known
        told = {ours.split()[0] for ours in options.values() if ours.startswith("-")}
        assert told <= known


def option_texts(parameter: click.Parameter) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts]

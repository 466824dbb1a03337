"""The commands, from their definitions."""

from __future__ import annotations

import click

from orchestrator.cli.main import cli
from references.text import table

HEAD = """# All commands
Written by `scripts/reference` from the commands' own help. [Commands](../commands.md) tells what
some of them show, how a rig is found, and what exit statuses mean.
"""


def page() -> str:
    """The page."""
    with click.Context(cli, info_name="orch") as top:
        found = {name: cli.get_command(top, name) for name in cli.list_commands(top)}
        known = {name: each for name, each in found.items() if each and not each.hidden}
        glance = table(
            ("command", "does"),
            [
                (f"[`{_usage(name, each, top)}`](#orch-{name})", each.get_short_help_str(limit=200))
                for name, each in known.items()
            ],
        )
        parts = [HEAD.strip(), glance]
        for name, each in known.items():
            parts.append(_command(name, each, top))
            if isinstance(each, click.Group):  # its commands are told below it
                own = each.commands
                parts.extend(_command(f"{name} {of}", own[of], top) for of in sorted(own))
    return "\n\n".join(parts) + "\n"


def _usage(name: str, command: click.Command, top: click.Context) -> str:
    with click.Context(command, info_name=name, parent=top) as ctx:
        pieces = [each for each in command.collect_usage_pieces(ctx) if each != "[OPTIONS]"]
    return " ".join(["orch", name, *pieces])


def _command(name: str, command: click.Command, top: click.Context) -> str:
    with click.Context(command, info_name=name, parent=top) as ctx:
        records = [each.get_help_record(ctx) for each in command.params]
    options = [(f"`{each[0]}`", each[1]) for each in records if each and each[1]]
    about = "\n\n".join(_paragraph(each) for each in (command.help or "").split("\n\n"))
    usage = f"```text\n{_usage(name, command, top)}\n```"
    told = [f"## orch {name}\n{about}", usage]
    if options or not isinstance(command, click.Group):
        told.append(table(("option", "does"), options))
    return "\n\n".join(told)


def _paragraph(text: str) -> str:
    """A paragraph of a help text; where its lines are to stay as they are, they are code."""
    if text.startswith("\b\n"):
        return f"```text\n{text[2:]}\n```"
    return " ".join(text.split())

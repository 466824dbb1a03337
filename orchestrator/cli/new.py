"""`new`: a folder to begin with."""

from __future__ import annotations

import json
import keyword
import os
from pathlib import Path

import click

from orchestrator.cli.failures import CommandError, Exit, print_out
from orchestrator.cli.options import read_text

LONGEST = 48
"""Characters of a name; with what is added to it, it is still an id."""


def _read_name(ctx: click.Context, param: click.Parameter, text: str) -> str:
    """A name that a module, a worker and a part of the rig's id can have."""
    from orchestrator.check.modules import is_taken
    from orchestrator.names import ID_PATTERN

    name = read_text(ctx, param, text)
    is_name = name.isidentifier() and ID_PATTERN.fullmatch(name) and len(name) <= LONGEST
    if not is_name or name != name.lower() or keyword.iskeyword(name):
        raise click.BadParameter(f"{name!r} is no name of a module; write it as my_stage")
    if is_taken(name):
        raise click.BadParameter(f"{name!r} is a module of Python's or of orch's; choose another")
    if _is_installed(name):
        raise click.BadParameter(
            f"{name!r} is a module that is installed here, which may be found in place of yours;"
            " choose another"
        )
    return name


def _is_installed(name: str) -> bool:
    """Whether there is such a module, not only a folder of that name where one is."""
    import importlib.util

    found = importlib.util.find_spec(name)
    return found is not None and found.loader is not None and found.origin is not None


def _ours_alone(path: str, flags: int) -> int:
    """Open a file that others may not write to, whatever the umask: what it holds will run."""
    return os.open(path, flags, 0o644)


@click.command()
@click.argument("name", callback=_read_name)
def new(name: str) -> None:
    """Make a folder to begin with: driver, config, notebook, test.

    All of it runs. NAME is what the folder, the driver's module and its worker are called, such as
    my_stage.
    """
    from orchestrator.cli.templates import files_of
    from orchestrator.config.json_schema import json_schema

    folder = Path(name)
    files = {**files_of(name), "orch.schema.json": json.dumps(json_schema(), indent=2) + "\n"}
    try:
        folder.mkdir(0o755)
        for file, text in files.items():
            with open(folder / file, "x", encoding="utf-8", opener=_ours_alone) as stream:
                stream.write(text)
    except FileExistsError:
        raise CommandError(f"{name} is there already; choose another name", Exit.USAGE) from None
    except OSError as error:
        raise CommandError(f"{name} can't be made: {error.strerror}", Exit.USAGE) from error
    for file in files:
        print_out(f"{name}/{file}")
    print_out(f"next: cd {name}; orch run rig.yaml, or pytest")

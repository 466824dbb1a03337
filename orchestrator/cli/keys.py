"""`orch keys`: the keys by which clients reach a rig over tcp."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.failures import print_out, say
from orchestrator.cli.options import F, json_option
from orchestrator.cli.show import to_json

_FOLDER = "keys"


@click.group(short_help="Make, list and revoke the keys of clients.")
def keys() -> None:
    """Make, list and revoke the keys by which clients reach a rig over tcp.

    The config names their folder: listen: [{tcp: "10.0.0.1:5570", curve: keys/}]. A rig that runs
    knows of changes at once.
    """


def _folder_option(function: F) -> F:
    return click.option(
        "--keys",
        "folder",
        metavar="FOLDER",
        type=click.Path(path_type=Path),
        default=_FOLDER,
        show_default=True,
        help="The rig's keys, as in its config.",
    )(function)


@keys.command()
@click.argument("name")
@_folder_option
def new(name: str, folder: Path) -> None:
    """Make a key for a client called NAME.

    Move the file that it prints to the client, and name it there: connect(…, key=FILE), $ORCH_KEY,
    --key; or put it where it is looked for, ~/.config/orch/keys/HOST_PORT.key.
    """
    from orchestrator.access.keys import RIG_FILE, new_key

    file, is_new = new_key(folder, name)
    if is_new:
        say(f"made the rig's own key too, {folder / RIG_FILE}: it stays here")
    print_out(str(file))
    say(f"it is secret, for {name} alone: move it there, mode 0600")


@keys.command("list")
@_folder_option
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """List the clients that have a key."""
    from orchestrator.access.keys import client_names

    found = client_names(folder)
    names = sorted(found.values())
    if as_json:
        public = {name: key for key, name in found.items()}
        print_out(to_json([{"name": name, "public": public[name]} for name in names]))
    elif names:
        print_out("\n".join(names))
    else:
        say(f"{folder} has no clients yet: orch keys new NAME makes one's key")


@keys.command()
@click.argument("name")
@_folder_option
def revoke(name: str, folder: Path) -> None:
    """Take away the key of the client called NAME; a rig that runs cuts it off at once."""
    from orchestrator.access.keys import revoke_key

    revoke_key(folder, name)
    say(f"{name} is let in no more; what it had asked for before goes on")

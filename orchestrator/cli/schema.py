"""`schema`: what an editor needs to complete and check a config."""

from __future__ import annotations

import json

import click

from orchestrator.cli.failures import print_out


@click.command()
def schema() -> None:
    """Print the JSON schema of a config, for editors.

    With it in orch.schema.json beside the config, this is the config's first line:

    \b
    # yaml-language-server: $schema=orch.schema.json
    """
    from orchestrator.config.json_schema import json_schema

    print_out(json.dumps(json_schema(), indent=2))

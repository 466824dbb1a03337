"""`mcp`: the rig for language agents."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.failures import CommandError, Exit, say
from orchestrator.cli.options import chosen_rig, read_timeout, rig_option

if TYPE_CHECKING:
    from types import EllipsisType

    from orchestrator.access.value_limits import Limits, RuleError

EXTRA = ("mcp", "mcp_types", "uvicorn", "starlette", "anyio")
"""Of which something is missing where the extra isn't installed."""
TOKEN = "ORCH_MCP_TOKEN"  # noqa: S105  the name of a variable
PATIENCE = 20.0
"""Seconds after which an operation is given as a handle."""


@click.command()
@click.option(
    "--allow",
    "allowed",
    metavar="WORKER.MEMBER",
    multiple=True,
    help="A property that may be written, or an action that may be called; may be repeated.",
)
@click.option(
    "--rules",
    metavar="FILE",
    help="What may be done, with limits: allow: {stage.move: {x: [0, 5]}}.",
)
@click.option(
    "--wait",
    metavar="TIME",
    callback=read_timeout,
    help="Until an operation that runs on is given as a handle; 20s if left out.",
)
@click.option("--http", "port", metavar="PORT", type=click.IntRange(0, 65535), help="On loopback.")
@rig_option
def mcp(
    allowed: tuple[str, ...], rules: str | None, wait: float | EllipsisType | None, port: int | None
) -> None:
    """Serve the rig to a language agent.

    By the Model Context Protocol, on stdin and stdout. It may read, and nothing else but what is
    allowed by name. With --http it is served at http://127.0.0.1:PORT/mcp to who has the token:
    that of $ORCH_MCP_TOKEN, else one that is made and printed.
    """
    try:
        from orchestrator.gateway.mcp_server import Gateway
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in EXTRA:
            raise
        raise CommandError("orch mcp needs more: pip install 'orch[mcp]'", Exit.USAGE) from None
    import asyncio

    from orchestrator.access.value_limits import RuleError
    from orchestrator.client.rig import open_session
    from orchestrator.gateway.mcp_calls import Calls
    from orchestrator.gateway.mcp_tools import check_rules

    given = {**(_rules_of(rules) if rules else {}), **_named(allowed)}
    calls = Calls(open_session(chosen_rig(), 5.0))
    try:
        try:
            check_rules(calls.things(), given)
        except RuleError as error:
            raise CommandError(_placed(error, rules), Exit.USAGE) from None
        seconds = wait if isinstance(wait, float | int) else PATIENCE
        gateway = Gateway(calls, given, seconds)
        if port is None:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, _end_at_once)
            asyncio.run(gateway.serve_stdio())
        else:
            _serve_http(gateway, port)
    finally:
        calls.close()


def _end_at_once(number: int, frame: Any) -> None:
    """End by a signal: what reads stdin can't be interrupted, and what runs goes on in the rig."""
    os._exit(128 + number)


def _named(allowed: tuple[str, ...]) -> dict[str, Limits]:
    from orchestrator.access.value_limits import RuleError
    from orchestrator.gateway.mcp_rules import allowed_name

    try:
        return {allowed_name(each): {} for each in allowed}
    except RuleError as error:
        raise click.BadParameter(str(error), param_hint="--allow") from None


def _rules_of(file: str) -> dict[str, Limits]:
    """The rules of a file. Raises CommandError with the place of what is wrong."""
    from orchestrator.access.value_limits import RuleError
    from orchestrator.config.problems import ConfigError
    from orchestrator.config.source import read
    from orchestrator.config.yaml import parse
    from orchestrator.gateway.mcp_rules import read_rules

    try:
        document = parse(read(file), file)
        if document.problems:
            raise ConfigError(document.problems)
        return read_rules(document.data)
    except ConfigError as error:
        raise CommandError(str(error), Exit.USAGE) from None
    except RuleError as error:
        raise CommandError(_placed(error, file), Exit.USAGE) from None


def _placed(error: RuleError, file: str | None) -> str:
    """What is wrong with a rule, with its place if it is of a file."""
    if file is None:
        return str(error)
    from orchestrator.config.source import read
    from orchestrator.config.yaml import parse

    return f"{parse(read(file), file).place(error.path)}: {error}"


def _serve_http(gateway: Any, port: int) -> None:
    import secrets

    from orchestrator.gateway.mcp_http import PATH, open_socket, serve

    token = os.environ.get(TOKEN)
    try:
        bound = open_socket(port)
    except OSError as error:
        raise CommandError(f"port {port} can't be had: {error.strerror}", Exit.USAGE) from error
    host, port = bound.getsockname()[:2]
    say(f"serving http://{host}:{port}{PATH}")
    if not token:
        token = secrets.token_urlsafe(24)
        say(f"Authorization: Bearer {token}")
    serve(gateway, token, bound)

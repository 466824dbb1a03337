"""`web`: the rig in a browser, and over HTTP."""

from __future__ import annotations

import socket
import sys

import click

from orchestrator.cli.failures import CommandError, Exit, print_out, say
from orchestrator.cli.options import chosen_rig, rig_option
from orchestrator.cli.rigs import open_rig, rig_id, status_of_rig
from transports import web_addresses

EXTRA = ("starlette", "uvicorn", "anyio", "h11", "prometheus_client")
"""Of which something is missing where the extra isn't installed."""


@click.command()
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:8080",
    show_default=True,
    help="Where; beyond 127.0.0.1 whoever is on the way can read it.",
)
@click.option("--control", is_flag=True, help="Let it write, call, start, stop and cancel too.")
@click.option(
    "--host", "hosts", metavar="NAME", multiple=True, help="A further name that it goes by."
)
@click.option(
    "--export",
    "exports",
    metavar="PROPERTY",
    multiple=True,
    help="A polled property among /metrics, by name or WORKER.NAME.",
)
@click.option("--address", is_flag=True, help="Print where the rig's own web server is.")
@click.option("--fd", type=int, hidden=True, help="The socket, of a rig that runs this.")
@rig_option
def web(
    listen: str,
    control: bool,
    hosts: tuple[str, ...],
    exports: tuple[str, ...],
    address: bool,
    fd: int | None,
) -> None:
    """Serve the rig to browsers and over HTTP, until Ctrl-C.

    Prints an address with a token in it, which a browser keeps: whoever has it is let in. Waits
    for the rig where it isn't there. One whose config has `listen: ["http://127.0.0.1:8080"]` runs
    its own; --address prints where that is.
    """
    if address:
        _print_address()
        return
    try:
        from orchestrator.gateway.server import serve
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        raise CommandError(
            "orch web needs more than is installed: pip install 'orch[web]'", Exit.USAGE
        ) from None
    from orchestrator.gateway.guard import Rules
    from orchestrator.runtime.web_tokens import forget_token, token_of

    with _bound(listen) if fd is None else socket.socket(fileno=fd) as port:
        host, number = port.getsockname()[:2]
        rules = Rules(
            token=token_of(str(number)),
            hosts=web_addresses.names_of(host, number, hosts),
            control=control,
            cookie=f"orch-{number}",
        )
        if fd is None:
            print_out(f"{web_addresses.url_of(host, number)}?token={rules.token}")
        if fd is None and not control:
            say("it only shows; with --control it lets write, call, start and stop too")
        if not web_addresses.is_loopback(host):
            say("it isn't encrypted: on a network that isn't yours alone, use a tunnel or a proxy")
        try:
            serve(chosen_rig(), rules, port, exports, lifeline=None if fd is None else sys.stdin)
        finally:
            if fd is None and web_addresses.parse(listen)[1] == 0:
                forget_token(str(number))


def _bound(listen: str) -> socket.socket:
    try:
        host, port = web_addresses.parse(listen)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--listen") from None
    try:
        return web_addresses.bind(host, port)
    except OSError as error:
        text = f"{listen} can't be listened at: {error.strerror or error}; --listen names another"
        raise CommandError(text, Exit.USAGE) from error


def _print_address() -> None:
    from orchestrator.runtime.web_tokens import token_of

    with open_rig() as rig:
        served = status_of_rig(rig).get("web")
        if served is None:
            raise CommandError(
                f"rig {rig_id(rig)} runs no web server; in its config:"
                ' listen: [ipc, "http://127.0.0.1:8080"]',
                Exit.NOT_REACHABLE,
            )
    host, port = web_addresses.parse(served)
    print_out(f"{web_addresses.url_of(host, port)}?token={token_of(str(port))}")

"""`web`: the rig in a browser, and over HTTP."""

from __future__ import annotations

import click

from orchestrator.cli.failures import CommandError, Exit, print_out, say
from orchestrator.cli.options import chosen_rig, rig_option

EXTRA = ("starlette", "uvicorn", "anyio", "h11", "prometheus_client")


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
@rig_option
def web(listen: str, control: bool, hosts: tuple[str, ...]) -> None:
    """Serve the rig to browsers, and to programs over HTTP, until Ctrl-C.

    Prints an address with a token in it, which a browser keeps: whoever has it is let in. Waits
    for the rig where it isn't there.
    """
    try:
        from orchestrator.gateway.server import serve
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        raise CommandError(
            "orch web needs more than is installed: pip install 'orch[web]'", Exit.USAGE
        ) from None
    from orchestrator.gateway import addresses
    from orchestrator.gateway.guard import Rules
    from orchestrator.gateway.tokens import token_of

    try:
        host, port = addresses.parse(listen)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--listen") from None
    try:
        bound = addresses.bind(host, port)
    except OSError as error:
        text = f"{listen} can't be listened at: {error.strerror or error}; --listen names another"
        raise CommandError(text, Exit.USAGE) from error
    with bound:
        port = bound.getsockname()[1]
        rules = Rules(
            token=token_of(str(port)),
            hosts=addresses.names_of(host, port, hosts),
            control=control,
            cookie=f"orch-{port}",
        )
        print_out(f"{addresses.url_of(host, port)}?token={rules.token}")
        if not control:
            say("it only shows; with --control it lets write, call, start and stop too")
        if not addresses.is_loopback(host):
            say("it isn't encrypted: on a network that isn't yours alone, use a tunnel or a proxy")
        serve(chosen_rig(), rules, bound)

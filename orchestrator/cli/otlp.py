"""`otlp`: what came of the rig's requests, as traces of OpenTelemetry."""

from __future__ import annotations

import select
import sys
import time

import click

from orchestrator.cli.failures import CommandError, Exit, say
from orchestrator.cli.options import chosen_rig, rig_option
from orchestrator.cli.stores import say_damage, store_of

EXTRA = ("opentelemetry", "requests", "google")
"""Of which something is missing where the extra isn't installed."""


@click.command()
@click.option(
    "--to",
    metavar="URL",
    default="http://127.0.0.1:4318",
    show_default=True,
    help="A collector that takes OTLP over HTTP; /v1/traces is added.",
)
@click.option("--lifeline", is_flag=True, hidden=True, help="End at the end of the input.")
@rig_option
def otlp(to: str, lifeline: bool) -> None:
    """Send the rig's traces to OpenTelemetry, until Ctrl-C.

    A rig whose config has `traces: {to: URL}` does so itself. What it recorded of requests is read
    from its log, whether it runs or not: from where the last one came to, else from the rig's last
    run. Headers, certificates, sampling and compression are as the library's variables say, such
    as OTEL_EXPORTER_OTLP_HEADERS.
    """
    try:
        from orchestrator.gateway.sending import Sending
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        raise CommandError(
            "orch otlp needs more than is installed: pip install 'orch[otel]'", Exit.USAGE
        ) from None
    from orchestrator.config.values import check_collector
    from orchestrator.runtime.places import logs_folder

    try:
        to = check_collector(to)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--to") from None
    rig = chosen_rig()
    # A rig that runs this makes its log just now, perhaps.
    folder = logs_folder(rig) if lifeline and rig else store_of(rig)
    wait = _wait_for_end if lifeline else _wait
    sending = Sending(folder.parent.name, folder, to, wait=wait, say=say, on_damage=say_damage)
    sending.run()


def _wait(seconds: float) -> bool:
    time.sleep(seconds)  # the log's files tell nobody that they have grown
    return False


def _wait_for_end(seconds: float) -> bool:
    """Wait; True if the input has ended, at which nothing ever comes."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])

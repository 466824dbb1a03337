"""`orch`: the group of commands, and the way from an exception to an exit status."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from typing import Any, NoReturn

import click

from orchestrator.cli.failures import (
    INTERRUPTED,
    TERMINATED,
    Exit,
    Stopped,
    drop_unwritten,
    explain,
    flush_out,
    open_missing,
    print_error,
    print_out,
    show_error,
)
from orchestrator.cli.options import rig_option
from orchestrator.cli.other_words import our_command
from orchestrator.words import did_you_mean

COMMANDS = {
    "run": "run.run",
    "check": "check.check",
    "new": "new.new",
    "schema": "schema.schema",
    "plan": "plan.plan",
    "apply": "plan.apply",
    "rigs": "running.rigs",
    "status": "status.status",
    "top": ".top.command.top",
    "call": "members.call",
    "get": "members.get",
    "set": "members.set_",
    "snapshot": "snapshot.snapshot",
    "describe": "describe.describe",
    "watch": "members.watch",
    "start": "workers.start",
    "stop": "workers.stop",
    "restart": "workers.restart",
    "down": "workers.down",
    "wait": "wait.wait",
    "cancel": "workers.cancel",
    "lease": "leases.lease",
    "unlease": "leases.unlease",
    "leases": "leases.leases",
    "hosts": "hosts.hosts",
    "host": "hosts.host",
    "log-level": "workers.log_level",
    "stacks": "workers.stacks",
    "web": "web.web",
    "otlp": "otlp.otlp",
    "logs": "logs.logs",
    "trace": "trace.trace",
    "postmortem": "postmortem.postmortem",
    "mcp": "mcp.mcp",
    "stubs": "stubs.stubs",
    "keys": "keys.keys",
    "completion": "completion.completion",
}
"""Where each command is, a first dot being beside this room: it starts without others' files."""


def _show_version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted:
        from orchestrator.version import version

        print_out(f"orch {version()}")
        ctx.exit()


class Commands(click.Group):
    """The commands in the order in which they are used, each imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names."""
        return list({**COMMANDS, **self.commands})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """A command; None if there is none of that name."""
        if name not in self.commands and name in COMMANDS:
            module, _, attribute = COMMANDS[name].rpartition(".")
            found = importlib.import_module(f".{module}", "orchestrator.cli")
            self.add_command(getattr(found, attribute))
        return super().get_command(ctx, name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but a command of other managers, or a slip, is answered with ours."""
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-"):
            ours = our_command(args[0])
            hint = f"; here it is: {ours}" if ours else did_you_mean(args[0], known)
            if hint:
                raise click.UsageError(f"there is no command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARG]...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version.",
)
@rig_option
@click.pass_context
def cli(ctx: click.Context) -> int:
    """Run a rig of devices: a worker for each, one address for all.

    \b
    Exit statuses: 0 done, 1 the driver raised, 2 usage or config,
    3 rig not reachable, 4 not started, 5 outcome unknown, 74 the output can't be written.
    """
    if ctx.invoked_subcommand is None:
        print_error(ctx.get_help())
        return Exit.USAGE
    return Exit.DONE


def main(args: list[str] | None = None) -> NoReturn:
    """Run a command and exit with its status.

    Args:
        args: The arguments; those of the process if left out.
    """
    sys.unraisablehook = _on_unraisable
    try:
        signal.signal(signal.SIGTERM, _on_term)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, _on_int)
        status = status_of(args)
    except (KeyboardInterrupt, Stopped):  # before or after what can explain itself
        status = _stopped[0]
    for number in (signal.SIGINT, signal.SIGTERM):  # nothing is left that would take them up
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    drop_unwritten()
    sys.exit(status)


def status_of(args: list[str] | None) -> int:
    """Run a command; returns its exit status."""
    open_missing()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # An ancient locale must not turn a result into a traceback.
            stream.reconfigure(errors="backslashreplace")
    try:
        result = cli.main(args, prog_name="orch", standalone_mode=False)
        flush_out()  # here, where a failure can be told
        return result if isinstance(result, int) else Exit.DONE
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Stopped as stop:
        return stop.status
    except Exception as error:  # noqa: BLE001  the last stop: all are shown
        if _stopped:
            return _stopped[0]
        explained = explain(error)
        if explained is None:
            traceback.print_exc()
            return Exit.BUG
        show_error(explained)
        return explained.status


_stopped: list[int] = []
"""The status by which a signal ends the command: what it struck in may raise something else."""


def _on_term(number: int, frame: Any) -> None:
    _stopped.append(TERMINATED)
    raise Stopped(TERMINATED)


def _on_int(number: int, frame: Any) -> None:
    _stopped.append(INTERRUPTED)
    raise KeyboardInterrupt


def _on_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """End the command for a signal that struck in a destructor, which would only print it.

    pyzmq looks for signals whenever it frees a frame.
    """
    error = unraisable.exc_value
    if isinstance(error, (KeyboardInterrupt, Stopped)):
        os._exit(error.status if isinstance(error, Stopped) else INTERRUPTED)
    sys.__unraisablehook__(unraisable)

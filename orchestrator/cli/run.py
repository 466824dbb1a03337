"""`run`: from a config to a rig."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from orchestrator.cli.configs import load_config, refusal
from orchestrator.cli.failures import CommandError, Exit, Stopped, say
from orchestrator.names import STATE_VARIABLE

if TYPE_CHECKING:
    from orchestrator.config.loader import RigConfig
    from orchestrator.rig.supervisor import Supervisor

_config = click.argument("config", metavar="CONFIG")


@click.command()
@_config
@click.argument("workers", metavar="[WORKER]...", nargs=-1)
@click.option("--detach", is_flag=True, help="Leave it running in the background once it is up.")
@click.option("--no-wait", is_flag=True, help="With --detach: don't wait for the workers.")
@click.option("--watch", is_flag=True, help="Apply the config whenever it is saved.")
@click.option("--simulate", is_flag=True, help="Run twins: of these workers, or of all with one.")
@click.option("--record", metavar="FILE", help="Write down what workers are asked, answer, emit.")
@click.option("--replay", metavar="FILE", help="Workers do as was recorded; no driver runs.")
@click.option("--ipc-only", is_flag=True, help="Listen at ipc alone, whatever the config says.")
@click.option("--in-background", is_flag=True, hidden=True, help="What --detach starts.")
def run(
    config: str,
    workers: tuple[str, ...],
    detach: bool,
    no_wait: bool,
    watch: bool,
    simulate: bool,
    record: str | None,
    replay: str | None,
    ipc_only: bool,
    in_background: bool,
) -> int:
    """Run a rig until Ctrl-C or SIGTERM.

    The first one stops its workers in reverse order, a second one kills them. With --simulate the
    twins run that the config names by simulate:.
    """
    if no_wait and not detach:
        raise click.UsageError("--no-wait goes with --detach")
    if workers and not simulate:
        raise click.UsageError("workers go with --simulate: all of a config are run")
    if replay is not None and (simulate or record is not None):
        raise click.UsageError("--replay goes without --simulate and --record")
    loaded = load_config(config, "nothing was started")
    from orchestrator.check.modules import hidden_modules

    if problems := sorted(set(hidden_modules(loaded).values())):
        raise refusal(config, problems, "nothing was started")
    if simulate:
        from orchestrator.cli.simulate import with_twins

        loaded = with_twins(loaded, config, workers, tells=not in_background)
    if record is not None:
        from orchestrator.cli.recordings import with_recording

        loaded = with_recording(loaded, record)
    if replay is not None:
        from orchestrator.cli.recordings import with_answers

        loaded = with_answers(loaded, config, replay, tells=not in_background)
    if detach:
        from orchestrator.cli.detach import start_detached

        return start_detached(loaded, wait=not no_wait, watch=watch, ipc_only=ipc_only)
    if ipc_only:
        web = replace(loaded.web, listen=None)
        loaded = replace(loaded, listen=("ipc",), events={}, web=web)
    return _run_here(loaded, config, in_background=in_background, watch=watch)


def _run_here(config: RigConfig, given: str, *, in_background: bool, watch: bool) -> int:
    import faulthandler

    from orchestrator.rig.supervisor import Supervisor
    from orchestrator.runtime.folder import RigFolder
    from transports.errors import AddressError

    _settle_in(config)
    # A driver in a thread may crash this process. The descriptor: `sys.stderr` is replaced.
    faulthandler.enable(file=2, all_threads=True)
    _refuse_shared_logs(config.rig)
    folder = RigFolder(config.rig)
    folder.acquire(lambda: say("waits: what the rig before this one left is ended and made safe"))
    try:
        try:
            supervisor = Supervisor(config, folder, watch=watch)
        except OSError as error:
            raise CommandError(
                f"the rig can't be run: {_of_logs(error) or _what(error)}", Exit.NOT_STARTED
            ) from error
        if in_background:
            supervisor.logs.collect_own_output()  # soon nobody looks any more
        return _run(config, supervisor)
    except AddressError as error:
        place = _listen_place(given, config, str(error))
        raise CommandError(f"{place}{error}", Exit.USAGE) from error
    except (KeyboardInterrupt, Stopped):
        return Exit.DONE  # before the first worker started: it ends in good order
    finally:
        folder.release()


def _run(config: RigConfig, supervisor: Supervisor) -> int:
    """Run it; what ends it before its time is in its logs too, not only where it was started."""
    # Python looks for garbage now and then, while nobody is answered. It is not to look through all
    # that was imported, which takes 50 to 150 ms and never is any.
    gc.freeze()
    try:
        return supervisor.run()
    except Exception as error:
        from orchestrator.logs.store.last_word import add_last_word
        from transports.errors import AddressError

        logs = supervisor.logs
        if isinstance(error, AddressError):
            what, told = f"the rig can't be run: {error}", None
        else:
            what, told = "the rig failed", error
        add_last_word(logs.folder, logs.run, config.rig, what, told)
        raise


def _settle_in(config: RigConfig) -> None:
    """From here on nothing depends on the folder in which the command was typed."""
    import os

    for name in ("ORCH_RUNTIME_DIR", "ORCH_STATE_DIR", "PYTHONPATH"):
        if given := os.environ.get(name):
            several = given.split(os.pathsep) if name == "PYTHONPATH" else [given]
            os.environ[name] = os.pathsep.join(map(os.path.abspath, filter(None, several)))
    os.chdir(config.folder)


def _refuse_shared_logs(rig: str) -> None:
    """Refuse to keep logs where others could change or remove them.

    Raises:
        CommandError: With the mend.
    """
    from orchestrator.private import who_may_write
    from orchestrator.runtime.places import state_dir

    base = state_dir()
    for folder in (base, base / rig, base / rig / "logs"):
        if folder.is_dir() and (who := who_may_write(folder.stat())):
            raise CommandError(
                f"{folder} is no place for logs, {who}; make it your own alone"
                f" (chmod go-w {folder}), or set ORCH_STATE_DIR to another folder",
                Exit.NOT_STARTED,
            )


def _what(error: OSError) -> str:
    """An error of the system in words, with its file if it has one."""
    return str(error) if error.filename is not None else error.strerror or str(error)


def _of_logs(error: OSError) -> str | None:
    """What to do where the folder of the logs can't be made or used; None for another error."""
    from pathlib import Path

    from orchestrator.runtime.places import state_dir

    if not isinstance(error.filename, str):
        return None
    file, base = Path(error.filename), state_dir()
    if not file.is_relative_to(base) and not base.is_relative_to(file):
        return None
    return (
        f"{file}, for its logs, can't be used: {error.strerror}; "
        f"set {STATE_VARIABLE} to another folder"
    )


def _listen_place(given: str, config: RigConfig, message: str) -> str:
    """Where the config asks for the address that couldn't be had: `file:line:column: `."""
    from orchestrator.config.source import read
    from orchestrator.config.yaml import parse

    document = parse(read(given), given)
    for index, each in enumerate(document.data.get("listen", ())):
        item = each if isinstance(each, str) else each["requests"]
        if any(address in message for address in _addresses(item, config.events.get(item))):
            return f"{document.place(('listen', index))}: "
    return ""


def _addresses(item: str, events: str | None) -> list[str]:
    """How addresses begin that an item of `listen:` leads to."""
    if events is not None:
        return [f"{item} ", f"{events} "]
    if item == "ipc":
        return ["/front.ipc", "/events.ipc"]
    if item == "hololinked":
        return ["/.hololinked/"]
    host, colon, port = item.rpartition(":")
    if item.startswith("tcp:") and colon and port.isdigit():
        return [f"{item} ", f"{host}:{int(port) + 1} "]
    return [item]

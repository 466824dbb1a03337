"""Starting and stopping workers and the rig, and looking into them."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click

from orchestrator.cli.completers import complete_workers
from orchestrator.cli.failures import CommandError, Exit, asking, operating, print_out, say
from orchestrator.cli.options import chosen_rig, rig_option
from orchestrator.cli.overview import STYLES, unwritten
from orchestrator.cli.rigs import check_workers, open_rig, rig_id, status_of_rig
from orchestrator.cli.show import print_table, safe
from transports.levels import LEVELS

DOWN_WITHIN = 120.0
"""Seconds for a rig to be gone; its workers have deadlines of their own, far below this."""
LOOK_AGAIN = 0.2
"""Seconds between looks at a rig whose process can't be watched from here."""

_names = click.argument("names", metavar="WORKER...", nargs=-1, shell_complete=complete_workers)


@click.command()
@click.argument("request")
@click.option("--restart", is_flag=True, help="If nothing else ends it, restart its worker.")
@rig_option
def cancel(request: str, restart: bool) -> None:
    """Withdraw a request that hasn't started, or end it.

    REQUEST is its id, as `orch logs` and errors show it. What has started is ended as its worker's
    config says by cancel_with or cancel: by the driver's own stop, by an interrupt.
    """
    from orchestrator.client.cancelled import came_of

    with open_rig() as rig, asking(rig_id(rig), "cancel"):
        found = rig[rig_id(rig)].call("cancel", request, restart=restart)
    if found["verdict"] == "unknown":
        raise CommandError(f"nothing of a request {safe(request)} waits or runs", Exit.USAGE)
    told = came_of(found)
    if found["verdict"] == "runs":
        raise CommandError(told, Exit.UNKNOWN)
    print_out(told)


@click.command()
@_names
@rig_option
def start(names: tuple[str, ...]) -> None:
    """Start workers, and wait until they are ready."""
    order("start", names)


@click.command()
@_names
@rig_option
def stop(names: tuple[str, ...]) -> None:
    """Stop workers, and wait until they have ended."""
    order("stop", names)


@click.command()
@_names
@click.option("--fresh", is_flag=True, help="Without the last values of what restore: names.")
@rig_option
def restart(names: tuple[str, ...], fresh: bool) -> None:
    """Restart workers, and wait until they are ready."""
    order("restart", names, *([True] if fresh else []))


def order(verb: str, names: tuple[str, ...], *more: bool) -> None:
    """Have workers started, stopped or restarted, and print their states.

    Args:
        verb: The rig's action.
        names: The workers.
        more: Further arguments of the action.

    Raises:
        CommandError: Some of them failed.
    """
    wanted = list(dict.fromkeys(names))
    hint = "; orch down stops the rig" if verb == "stop" else ""
    if not wanted:
        raise click.UsageError(f"missing argument 'WORKER...'{_to_choose_from()}{hint}")
    with open_rig() as rig:
        if rig_id(rig) in wanted:
            raise CommandError(
                f"{rig_id(rig)} is the rig, not one of its workers{hint}", Exit.USAGE
            )
        check_workers(rig, wanted)
        with operating(rig_id(rig), verb):
            states = rig[rig_id(rig)].call(verb, wanted, *more)
        status = status_of_rig(rig)
    workers = {worker["name"]: worker for worker in status["workers"]}
    print_table(
        ("WORKER", "STATE"),
        [[(name, "bold"), (states[name], STYLES.get(states[name], ""))] for name in wanted],
    )
    if verb == "restart":
        _say_what_is_old(status, wanted)
    # Somebody else may have stopped one meanwhile: it isn't what was asked for either.
    missed = [name for name in wanted if states[name] == "FAILED"]
    if verb != "stop":
        missed = [name for name in wanted if states[name] not in ("READY", "STALLED")]
    if missed:
        reasons = [f"{name}: {workers[name]['reason'] or 'is ' + states[name]}" for name in missed]
        raise CommandError("\n".join(reasons), Exit.NOT_STARTED)


def _to_choose_from() -> str:
    """The workers that there are, if there is a rig to ask."""
    from orchestrator.errors import OrchError

    try:
        with open_rig() as rig:
            names = [worker["name"] for worker in status_of_rig(rig)["workers"]]
            return f"; rig {rig_id(rig)} has {', '.join(names)}"
    except (CommandError, OrchError):
        return ""  # what lacks is told; that there is no rig would be the next thing


def _say_what_is_old(status: dict[str, Any], names: list[str]) -> None:
    """Say what a restart doesn't read anew: the config, and the modules of threads."""
    if status.get("config_changed"):
        say(
            f"{status['config']} has changed since it was read, and a restart doesn't read it:"
            f" for that, orch apply {status['config']}"
        )
    inside = {worker["name"] for worker in status["workers"] if worker["pid"] == status["pid"]}
    if threads := [name for name in names if name in inside]:
        one = len(threads) == 1
        say(
            f"{', '.join(threads)} {'is a thread' if one else 'are threads'} of the supervisor,"
            f" and {'its' if one else 'their'} code isn't read anew: for that, orch down and"
            " orch run"
        )


@click.command("log-level")
@click.argument("name", metavar="WORKER", shell_complete=complete_workers)
@click.argument("level", metavar="LEVEL", type=click.Choice(tuple(LEVELS), case_sensitive=False))
@rig_option
def log_level(name: str, level: str) -> None:
    """Set the level of a running worker's records.

    The rig's own name sets that of the supervisor: at debug it tells each request's life.
    """
    with open_rig() as rig:
        if name != rig_id(rig):
            check_workers(rig, [name])
        refusal = None
        with operating(rig_id(rig), "log_level"):
            try:
                rig[rig_id(rig)].call("log_level", name, level)
            except ValueError as error:  # of a worker that has no level of its own
                refusal = str(error)
    if refusal is not None:
        raise CommandError(refusal, Exit.USAGE)


@click.command()
@click.argument("name", metavar="WORKER", shell_complete=complete_workers)
@rig_option
def stacks(name: str) -> None:
    """Show where all threads of a worker are now, whatever it does.

    Also while its driver holds the interpreter's lock (GIL), which no request reaches.
    """
    with open_rig() as rig:
        check_workers(rig, [name])
        refusal = None
        with operating(rig_id(rig), "stacks"):
            try:
                text = rig[rig_id(rig)].call("stacks", name)
            except (ProcessLookupError, TimeoutError) as error:
                refusal = str(error)
    if refusal is not None:
        raise CommandError(refusal, Exit.NOT_STARTED)
    for line in text.splitlines():
        print_out(safe(line))


@click.command()
@rig_option
def down() -> int:
    """Stop the rig and wait until it is gone."""
    from orchestrator.errors import OutcomeUnknown
    from orchestrator.runtime.folder import find_rig

    address = find_rig(chosen_rig()).address
    with open_rig() as rig:
        name = rig_id(rig)
        found = status_of_rig(rig)
        pid = found["pid"]
        # A number of a process on another machine says nothing here.
        gone = _watch_address(address) if address.startswith("tcp:") else _watch_process(pid)
        # A rig that ends may do so before it answers; whether it does is looked at below.
        with suppress(OutcomeUnknown), asking(name, "down"):
            rig[name].call("down")
    say(f"rig {name} is stopping")
    if not gone():
        raise CommandError(
            f"rig {name} still runs after {DOWN_WITHIN:.0f} s; its pid is {pid}", Exit.UNKNOWN
        )
    print_out(f"rig {name} is down")
    if lost := unwritten(found):
        say(f"when it was told to stop, {lost}")
    return Exit.DONE


def _watch_address(address: str) -> Callable[[], bool]:
    """Watch a rig by its address; as `_watch_process` does a process."""
    from orchestrator.client import connect
    from orchestrator.errors import RigNotReachable

    def wait() -> bool:
        deadline = time.monotonic() + DOWN_WITHIN
        while time.monotonic() < deadline:
            try:
                connect(address, timeout=LOOK_AGAIN).close()
            except RigNotReachable:
                return True
            time.sleep(LOOK_AGAIN)  # nothing tells when an address is free
        return False

    return wait


def _watch_process(pid: int) -> Callable[[], bool]:
    """Watch a process of this machine, from now on so that another can't take its number.

    Returns:
        A function that waits until it has ended; it returns False if it doesn't in time.
    """
    if not hasattr(os, "pidfd_open"):
        return lambda: _outlived(pid)
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return lambda: True

    def wait() -> bool:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        try:
            return bool(poll.poll(DOWN_WITHIN * 1000))
        finally:
            os.close(fd)

    return wait


def _outlived(pid: int) -> bool:
    import psutil

    try:
        psutil.Process(pid).wait(DOWN_WITHIN)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True

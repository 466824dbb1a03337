"""`run --detach`: a rig in the background, and waiting until it is up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from orchestrator.cli.failures import CommandError, Exit, print_out, say, saying_on_stop
from orchestrator.cli.status import show_workers
from orchestrator.runtime.program import MAIN

if TYPE_CHECKING:
    from orchestrator.config.loader import RigConfig

UP_WITHIN = 60.0
"""Seconds to wait for all workers; the rig goes on if some of them take longer."""
LOOK_AGAIN = 0.05
"""Seconds between looks, each of them a wait for the rig's process to end."""
TAIL = 20
"""Lines of a dead rig's output that are shown."""
KEPT = 64 * 1024
"""Bytes of it that are kept until then."""
UP = ("READY", "STALLED")


def start_detached(
    config: RigConfig, *, wait: bool = True, watch: bool = False, ipc_only: bool = False
) -> int:
    """Run a rig in a session of its own and wait until its workers are ready, or have failed.

    One that is tried again without end counts as failed.

    Args:
        config: The rig.
        wait: Whether to wait for the workers, or only until the rig answers.
        watch: Whether it applies its config whenever that is saved.
        ipc_only: Whether it listens at ipc alone.

    Returns:
        The exit status, `DONE`.

    Raises:
        AlreadyRunning: A rig of this id runs.
        CommandError: It didn't come up; or it did and goes on, but not all of its workers.
    """
    _refuse_second(config.rig)
    given = ["--in-background"]
    options = {"watch": watch, "ipc-only": ipc_only, "simulate": config.simulation is not None}
    given += [f"--{name}" for name, on in options.items() if on]
    files = {"record": config.record, "replay": config.replay}
    given += [f"--{name}={file}" for name, file in files.items() if file is not None]
    twins = config.simulation or ()
    with _Output() as output:
        process = subprocess.Popen(
            [sys.executable, "-P", str(MAIN), "run", *given, str(config.file), *twins],
            stdin=subprocess.DEVNULL,
            stdout=output.write_end,
            stderr=output.write_end,
            start_new_session=True,
        )
        with saying_on_stop(f"rig {config.rig} goes on in the background, pid {process.pid}"):
            status = _await(config.rig, process, output, wait=wait)
    process.returncode = 0  # left to itself on purpose, of which Popen would warn
    print_out(f"rig {config.rig} runs: pid {process.pid}, {', '.join(status['addresses'])}")
    print_out(f"its output: orch logs --rig {config.rig}")
    print_out("")
    show_workers(status["workers"])
    not_up = [each for each in status["workers"] if each["state"] not in UP]
    if wait and not_up:
        if late := [worker["name"] for worker in not_up if not worker["settled"]]:
            say(f"not settled after {UP_WITHIN:.0f} s: {', '.join(late)}")
        names = ", ".join(f"{worker['name']} ({worker['state']})" for worker in not_up)
        one = len(not_up) == 1
        raise CommandError(
            f"rig {config.rig} runs, but {len(not_up)} of {len(status['workers'])} workers"
            f" {'is' if one else 'are'} not ready: {names}",
            Exit.NOT_STARTED,
        )
    return Exit.DONE


class _Output:
    """The end of what a rig says until it is up; what it says then is in its logs.

    Its pipe has no reader any more when this ends, which tells the rig that nobody looks.

    Attributes:
        write_end: Where the rig writes.
    """

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._text = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._read_end)
        os.close(self.write_end)

    def take(self) -> None:
        """Read what is there, so that the rig has room to say more."""
        with suppress(BlockingIOError):  # until there is nothing more
            while chunk := os.read(self._read_end, KEPT):
                self._text = (self._text + chunk)[-KEPT:]

    def tail(self) -> list[str]:
        """Its last lines."""
        self.take()
        return self._text.decode(errors="backslashreplace").splitlines()[-TAIL:]


def _await(
    rig: str, process: subprocess.Popen[bytes], output: _Output, *, wait: bool
) -> dict[str, Any]:
    """The rig's status once its workers have settled, or when they had their time."""
    from orchestrator.client import connect
    from orchestrator.errors import OrchError

    deadline = time.monotonic() + UP_WITHIN
    status: dict[str, Any] | None = None
    while time.monotonic() < deadline:
        output.take()
        if (code := _ended(process)) is not None:
            raise _not_up(rig, code, output)
        try:
            with connect(rig) as connection:
                while time.monotonic() < deadline and _ended(process) is None:
                    status = type(connection).status(connection)
                    output.take()
                    if not wait or all(worker["settled"] for worker in status["workers"]):
                        return status
        except OrchError:
            continue  # not listening yet, or gone: the process tells
    if status is None:
        raise CommandError(
            f"rig {rig} doesn't answer after {UP_WITHIN:.0f} s; its pid is {process.pid}",
            Exit.NOT_STARTED,
            output.tail(),
        )
    return status


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    """Wait for the process to end, for a moment; returns its exit status if it did."""
    try:
        return process.wait(LOOK_AGAIN)
    except subprocess.TimeoutExpired:
        return None


def _not_up(rig: str, code: int, output: _Output) -> CommandError:
    """Why it ended: by its own status where that says more than that it didn't come up."""
    how = f"exit status {code}" if code >= 0 else f"killed by signal {-code}"
    status = code if code == Exit.USAGE else Exit.NOT_STARTED
    return CommandError(f"rig {rig} did not come up ({how}); it said:", status, output.tail())


def _refuse_second(rig: str) -> None:
    """Tell of a rig that runs, before another is started for nothing."""
    from orchestrator.errors import AlreadyRunning, RigNotReachable
    from orchestrator.runtime.folder import read_state, running_rigs

    try:
        pid = read_state(rig).pid if rig in running_rigs() else None
    except RigNotReachable:
        return  # it is just starting or ending, or its folder is unusable: ours will say it
    if pid is not None:
        raise AlreadyRunning(
            f"rig {rig} already runs with pid {pid}; stop it with: orch down --rig {rig}",
            rig=rig,
            pid=pid,
        )

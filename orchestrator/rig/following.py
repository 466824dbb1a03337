"""Follows one recipe: starts its process, keeps its time, and says in words what came of it.

Standard library only: the guardian's process loads it by its file when the supervisor is gone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

GRACE = 1.0
"""Seconds beyond its own timeouts, after which a recipe that doesn't end is killed."""
TAIL = 2000
"""Bytes of what it wrote that are told."""
LINES = 20
"""How many lines of it are."""


def longest(recipe: Mapping[str, Any]) -> float:
    """Seconds after which a recipe's process is to be killed."""
    return float(recipe["start"] + recipe["timeout"] + GRACE)


class Outcome(NamedTuple):
    """What came of a recipe.

    Attributes:
        failure: What was in the way, on one line; empty if all was done.
        trace: The traceback of what the driver raised; empty if nothing was.
        output: The last lines that it wrote.
    """

    failure: str
    trace: str
    output: list[str]


class Following:
    """A recipe that is followed.

    Args:
        told: Command, folder, recipe.
        env: Environment of its process.

    Attributes:
        pid: Its process, which leads a group of its own.
        longest: Seconds after which it is to be killed: see `insist`.

    Raises:
        OSError: It can't be started.
    """

    def __init__(self, told: dict[str, Any], env: Mapping[str, str]) -> None:
        self._recipe = recipe = told["recipe"]
        self.longest: float = longest(recipe)
        self._killed = False
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  open as long as it is followed
        self._report = open(os.memfd_create("report"), "w+b")  # noqa: SIM115  needs no disk
        number = self._report.fileno()
        try:
            self._process = subprocess.Popen(
                told["command"],
                stdin=subprocess.PIPE,
                stdout=self._output,
                stderr=self._output,
                pass_fds=[number],
                cwd=told["cwd"],
                env=env,
                start_new_session=True,
            )
        except OSError:
            self._close()
            raise
        self.pid = self._process.pid
        assert self._process.stdin is not None
        try:
            with self._process.stdin as pipe:
                pipe.write(json.dumps({**recipe, "report": number}).encode() + b"\n")
        except BrokenPipeError:  # it has ended already, which is its outcome
            return

    def insist(self) -> None:
        """It has had all its time: end it."""
        self._killed = True
        self._kill()

    def outcome(self) -> Outcome:
        """Wait for its end, by force once it has had its time; what it started ends with it."""
        try:
            status = self._process.wait(self.longest)
        except subprocess.TimeoutExpired:
            self.insist()
            status = self._process.wait()
        self._kill()
        written = _end_of(self._output, TAIL).splitlines()[-LINES:]
        output = [line for line in written if line.strip()]
        report: dict[str, Any] = {}
        for line in _end_of(self._report, -1).splitlines():
            with suppress(ValueError):  # its process was killed while it wrote that
                report.update(json.loads(line))
        self._close()
        failure = failure_of(status, report, self._recipe, killed=self._killed)
        if failure and output and not report:  # its interpreter can't run it, and says why
            failure = f"{failure}: {output[-1]}"
        return Outcome(failure, report.get("trace") or "", output)

    def _kill(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return

    def _close(self) -> None:
        self._output.close()
        self._report.close()


def failure_of(status: int, report: dict[str, Any], recipe: dict[str, Any], *, killed: bool) -> str:
    """What was in the way, on one line; empty when all was done.

    Args:
        status: Exit status, negative for a signal.
        report: What it told of itself, all lines in one.
        recipe: What it was told.
        killed: Whether it was killed as it didn't end in time.
    """
    if "failed" in report:
        return str(report["failed"])
    if status == 0 and report.get("done"):
        return ""
    step, made, calls = report.get("at"), report.get("made", 0), len(recipe["calls"])
    if killed or status == -signal.SIGALRM:
        how = f"took longer than {recipe['timeout']:g} s"
        if step is None or step.startswith("the import of "):
            how = f"took longer than {recipe['start']:g} s to start"
    elif status < 0:
        how = f"was ended by {_signal(-status)}"
    else:
        how = f"ended with status {status}"
    where = f" in {step}" if step else ""
    match made:
        case 0:
            done = "no call was made"
        case _ if made == calls:
            done = "all calls were made"
        case _:
            done = f"{made} of {calls} calls {'was' if made == 1 else 'were'} made"
    return f"{how}{where}, {done}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _end_of(file: Any, size: int) -> str:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - size) if size >= 0 else 0)
    text: str = file.read().decode(errors="backslashreplace")
    return text

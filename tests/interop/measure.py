"""Measures a rig beside an unmodified hololinked 0.4.2, in one run on this machine.

`python -m tests.interop.measure` prints a table; docs/hololinked.md quotes one.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator import errors
from tests.interop.environment import interpreter
from tests.interop.kit import SCRIPTS, environ
from tests.rigs import running

DEVICES = 20
DRIVER = """
import ctypes, os, signal

class Device:
    level: float = 1.0

    def hold_gil(self, seconds: float) -> None:
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))

    def kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def timed(act: Callable[[], Any]) -> tuple[float, str]:
    """Seconds that it took, and the type of its result or error."""
    began = time.monotonic()
    try:
        result = type(act()).__name__
    except Exception as error:
        result = type(error).__name__
    return time.monotonic() - began, result


def rig_figures() -> dict[str, str]:
    """What a rig does."""
    figures = {}
    names = [f"d{number}" for number in range(DEVICES)]
    lines = "".join(f'  {name}: {{driver: "device:Device"}}\n' for name in names)
    began = time.monotonic()
    config = f"rig: lab\nworkers:\n{lines}"
    with running(config, {"device": DRIVER}) as rig, rig.connected() as client:
        assert all(client[name].read("level") == 1.0 for name in names)
        figures["start"] = f"{time.monotonic() - began:.1f} s"
        hog = client["d0"]
        seconds, came = timed(lambda: hog.call("hold_gil", 3.0, execution_timeout=0.5))
        figures["gil"] = f"{came} after {seconds:.2f} s"
        seconds, came = timed(lambda: client["d2"].call("kill"))
        figures["kill"] = f"{came} after {seconds * 1000:.0f} ms"
        assert issubclass(getattr(errors, came), ConnectionError)
        seconds, came = timed(lambda: client["d2"].read("level"))
        figures["after"] = f"answered after {seconds * 1000:.0f} ms"
    return figures


def hololinked_figures() -> dict[str, str]:
    """What hololinked does, a process for each device."""
    with tempfile.TemporaryDirectory(prefix="orch-m-", ignore_cleanup_errors=True) as home:
        done = subprocess.run(
            [str(interpreter()), str(SCRIPTS / "measure.py"), str(DEVICES)],
            env=environ(Path(home)),
            capture_output=True,
            text=True,
            timeout=120,
        )
    lines = [line for line in done.stdout.splitlines() if "=" in line and line[0] == "#"]
    assert lines, done.stdout + done.stderr
    return dict(line[1:].split("=", 1) for line in lines)


ROWS = {
    "start": f"{DEVICES} devices, a process each, until each has given a value",
    "gil": "asked for 0.5 s while the driver holds the GIL for 3 s",
    "kill": "the process is killed in a request",
    "after": "the same proxy afterwards",
}


def main() -> None:
    """Measure and print."""
    theirs, ours = hololinked_figures(), rig_figures()
    sys.stdout.write("| | hololinked 0.4.2 | rig |\n|---|---|---|\n")
    for key, text in ROWS.items():
        sys.stdout.write(f"| {text} | {theirs[key]} | {ours[key]} |\n")


if __name__ == "__main__":
    main()

"""Runs scripts in hololinked's environment, and the rig that they are run against."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.interop.environment import interpreter
from tests.rigs import RunningRig

SCRIPTS = Path(__file__).with_name("scripts")


def run_script(name: str, *arguments: str, home: Path, timeout: float = 50) -> dict[str, str]:
    """Run a script of checks under unmodified hololinked; `{check: "pass" or what went wrong}`."""
    done = subprocess.run(
        [str(interpreter()), str(SCRIPTS / f"{name}.py"), *arguments],
        env=environ(home),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, f"{name} reported nothing:\n{done.stdout}\n{done.stderr}"
    report: dict[str, str] = json.loads(lines[-1])
    return report


def passed(report: dict[str, str]) -> set[str]:
    """The names of the checks, all of which passed."""
    failed = {check: result for check, result in report.items() if result != "pass"}
    assert not failed, "\n\n".join(f"{check}:\n{text}" for check, text in failed.items())
    return set(report)


def environ(home: Path) -> dict[str, str]:
    """The environment of a script: hololinked looks for bare `IPC` below the home folder."""
    return {**os.environ, "HOME": str(home), "PYTHONPATH": ""}


@dataclass
class Server:
    """An unmodified hololinked server.

    Attributes:
        id: Its server id.
        process: Its process.
        home: Its home folder.
        ipc: Its address over ipc.
        tcp: Its address over tcp.
        ipc_events: Where it publishes events, over ipc.
        tcp_events: ... over tcp.
    """

    id: str
    process: subprocess.Popen[str]
    home: Path
    ipc: str
    tcp: str
    ipc_events: str
    tcp_events: str


@contextmanager
def hololinked_server(things: int = 2) -> Iterator[Server]:
    """A hololinked server with Things `one`, `two` and so on, over ipc and tcp."""
    with tempfile.TemporaryDirectory(prefix="orch-h-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        with (home / "stderr").open("w") as log:
            process = subprocess.Popen(
                [str(interpreter()), str(SCRIPTS / "serve.py"), str(things)],
                env=environ(home),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        try:
            assert process.stdout is not None
            line = next((each for each in process.stdout if each.startswith("{")), "")
            assert line, (home / "stderr").read_text()
            yield Server(process=process, home=home, **json.loads(line))
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def events_address(rig: RunningRig, index: int) -> str:
    """Where the rig publishes for its address of that index in `listen:`."""
    return str(state(rig)["events"][index])


def state(rig: RunningRig) -> dict[str, Any]:
    """The rig's state file."""
    (path,) = (rig.folder / "run").glob("*/state.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


BENCH_FILE = Path(__file__).with_name("bench.py")
BENCH_CONFIG = """
rig: bench
listen: [ipc, hololinked, "tcp://127.0.0.1:0"]
workers:
  one: {driver: "bench:Bench", concurrent: [cancel]}
  two: {driver: "bench:Bench"}
"""


def bench_drivers() -> dict[str, str]:
    """The driver module of the rig under test."""
    return {"bench": BENCH_FILE.read_text()}

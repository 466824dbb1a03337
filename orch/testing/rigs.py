"""A rig of real processes for tests, apart from all others: in folders of its own, at ipc alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WORKER = "device"
"""The worker of a rig that is made of a driver alone."""
MOST_LOGS = 200
"""Records that are shown of a rig whose test has failed."""
_DOWN_WITHIN = 60.0
"""Seconds for a rig to stop; it ends its workers itself long before that."""


class NotUp(Exception):
    """A rig for a test didn't come up; the text has what it and its workers said."""


class RunningRig:
    """A rig under test.

    Attributes:
        client: What `orch.connect` gives.
        environ: The environment in which `orch` commands find it.
    """

    def __init__(self, client: Any, environ: dict[str, str]) -> None:
        self.client = client
        self.environ = environ

    def orch(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an `orch` command against it, such as ``orch("status")``."""
        return _orch(self.environ, *arguments)

    def logs(self) -> str:
        """The last records of the rig and its workers, as `orch logs` shows them."""
        return self.orch("logs", "-n", str(MOST_LOGS)).stdout


@contextmanager
def running(
    config: str | os.PathLike[str] | None = None,
    *,
    simulate: bool | Sequence[str] = False,
    driver: str | None = None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    **worker: Any,
) -> Iterator[RunningRig]:
    """Run a rig until the body ends.

    It has folders of its own for sockets and logs, and listens at ipc alone, so that any number run
    side by side, also beside a rig of the same config that is in use.

    Args:
        config: A config's file.
        simulate: Whether its twins run in place of drivers (``simulate:`` of a worker), of all
            workers that have one; or the names of those whose twins do.
        driver: In place of it, a driver such as ``stage:Stage``; modules are found as in this
            process. Its worker is called `device`.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        **worker: Other keys of its worker, such as ``concurrent=["abort"]``.

    Raises:
        TypeError: Neither or both are given, or a driver without a config is to be simulated.
        NotUp: The config has a fault, or not all of its workers became READY.
    """
    if (config is None) == (driver is None):
        raise TypeError("give either a config or a driver")
    if driver is not None and simulate:
        raise TypeError("simulate= goes with a config, which names the twins")
    # Not in a test's own folder: its path may be too long for sockets.
    folder = Path(tempfile.mkdtemp(prefix="orch-"))
    try:
        if config is None:
            section = {"driver": driver, "args": list(args), "kwargs": dict(kwargs or {}), **worker}
            config = folder / "rig.yaml"
            config.write_text(json.dumps({"rig": "test", "workers": {WORKER: section}}))
        with _run(Path(config), folder, _twins(simulate)) as rig:
            yield rig
    finally:
        shutil.rmtree(folder)


def _twins(simulate: bool | Sequence[str]) -> Sequence[str]:
    """The arguments of `orch run` that simulate."""
    if not simulate:
        return ()
    names = () if simulate is True else [simulate] if isinstance(simulate, str) else simulate
    return ("--simulate", *names)


@contextmanager
def _run(config: Path, folder: Path, twins: Sequence[str]) -> Iterator[RunningRig]:
    from orchestrator.client.rig import connect  # here: all of a user's tests load this module

    environ = {
        **os.environ,
        "ORCH_RUNTIME_DIR": str(folder / "run"),
        "ORCH_STATE_DIR": str(folder / "state"),
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
    }
    environ.pop("ORCH_RIG", None)
    try:
        started = _orch(environ, "run", "--detach", "--ipc-only", str(config), *twins)
        if started.returncode:
            said = _orch(environ, "logs", "-n", str(MOST_LOGS)).stdout
            raise NotUp(f"{config} is not up:\n{started.stderr}{said}")
        with _environment(environ), connect() as client:
            yield RunningRig(client, environ)
    finally:
        _orch(environ, "down")  # says that there is none, where none came up


def _orch(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "orch", *arguments],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * _DOWN_WITHIN,
    )


@contextmanager
def _environment(environ: Mapping[str, str]) -> Iterator[None]:
    """Have clients of this process find the rig, and its logs."""
    names = ("ORCH_RUNTIME_DIR", "ORCH_STATE_DIR", "ORCH_RIG")
    before = {name: os.environ.get(name) for name in names}
    _set({name: environ.get(name) for name in names})
    try:
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value

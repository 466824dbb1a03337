"""The rig that faults hit: its config in several forms, its process, and its helpers' processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from faults.clients import RIG
from faults.hosts import Hosts
from orch import connect, errors
from orchestrator.client import Rig

CONFIG = """\
rig: {rig}
listen: [ipc, "tcp://127.0.0.1:*"]
allow_local_users: true
shared_memory: 32MiB
strategy: one_for_one
defaults:
  max_restarts: 10000 in 1s
  backoff: 100ms..100ms
  stop_timeout: 500ms
  concurrent: [peek]
workers:
{workers}logs: {{level: warning, keep: 32MiB}}
"""
WORKER = """\
  {name}:
    driver: "faults.device:Device"
    kwargs: {{name: {name}, folder: "{folder}"{form}}}
"""
SAFE = """\
on_loss:
      driver: "faults.device:Safe"
      kwargs: {{name: {name}, folder: "{folder}"}}
      calls: [secure]"""
MORE = {
    "a": (SAFE,),
    "b": (),
    "own": ("env: {{OWN: '1'}}",),
    "strict": ("on_execution_timeout: restart", SAFE),
    "lean": ("limits: {{memory: 1GiB, nofile: 256}}",),
    "thread": ("transport: inproc",),
    "guest": ("after: [a]",),
    "spare": (),
    "steady": (),
}
"""The workers, with what is special about them."""
UP_WITHIN = 60.0
"""Seconds for a rig to come up, on a machine that others use too."""
ROOM = 24
"""MiB of the folder for logs, where it is a file system of its own."""


def config(
    folder: Path,
    *,
    form: int = 0,
    timeout: float = 3.0,
    guest: bool = True,
    hosts: Hosts | None = None,
) -> str:
    """The rig's config.

    Args:
        folder: Of the journals.
        form: An argument of `b`, whose change restarts it.
        timeout: The execution timeout of `a`, whose change doesn't.
        guest: Whether there is a worker `guest`.
        hosts: Other hosts, where some workers run.
    """
    workers = ""
    for name, more in MORE.items():
        if name == "guest" and not guest:
            continue
        form_of = f", form: {form}" if name == "b" and form else ""
        workers += WORKER.format(name=name, folder=folder, form=form_of)
        host = hosts.of(name) if hosts is not None else None
        if host is not None:
            workers += f"    host: {host}\n"
        for each in more:
            if host is not None and each is SAFE:  # for the rig's own machine
                continue
            workers += "    " + each.format(name=name, folder=folder) + "\n"
        if name == "a":
            workers += f"    execution_timeout: {timeout:g}s\n"
    text = CONFIG.format(rig=RIG, workers=workers)
    return text if hosts is None else text + hosts.config


class RunningRig:
    """`orch run` in a folder of its own.

    Args:
        folder: Where config, journals, sockets and logs are.
        hosts: Other hosts; None for none.

    Attributes:
        folder: The same.
        journals: The folder of the journals.
        process: The supervisor.
        has_disk: Whether the logs' folder is a small file system.
    """

    def __init__(self, folder: Path, hosts: Hosts | None = None) -> None:
        self.hosts = hosts
        self.folder = folder
        self.journals = folder / "journals"
        self.journals.mkdir()
        self.file = folder / "chaos.yaml"
        self.file.write_text(config(self.journals, hosts=hosts))
        self.has_disk = _may_mount()
        self.process: subprocess.Popen[bytes]
        self._log = (folder / "stderr").open("ab")

    def start(self) -> None:
        """Start it, and wait until all its workers serve."""
        command = [sys.executable, "-m", "orchestrator", "run", str(self.file)]
        state = self.folder / "state"
        state.mkdir(exist_ok=True)
        if self.has_disk:
            mount = f'mount -t tmpfs -o size={ROOM}m,mode=700 none "$1" && shift && exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", mount, "sh", str(state), *command]
        if self.hosts is not None:
            command = self.hosts.network.inside(*command)
        self.process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + UP_WITHIN
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(errors.OrchError), connect(RIG) as rig:
                if all(each["state"] == "READY" for each in rig.status()["workers"]):
                    return
            time.sleep(0.05)  # there is nothing to wait on before it is up
        raise SystemExit(f"the rig didn't come up:\n{self.text[-3000:]}")

    @property
    def text(self) -> str:
        """What it has told on its standard error."""
        return (self.folder / "stderr").read_text(errors="replace")

    @property
    def disk(self) -> Path:
        """The file that fills the logs' folder, as it is seen from here."""
        return Path(f"/proc/{self.process.pid}/root{self.folder}/state/fill")

    def stop(self) -> int:
        """Stop it in good order; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return -signal.SIGKILL

    def held_slots(self) -> int:
        """Slots of shared memory that somebody holds, some time after all clients have ended."""
        deadline, held = time.monotonic() + UP_WITHIN, 0
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(errors.OrchError), connect(RIG) as rig:
                held = rig.status()["shared_memory"]["held"]
                if not held:
                    return 0
            time.sleep(0.05)  # there is nothing to wait on
        return held

    def processes(self) -> list[psutil.Process]:
        """All that runs for it, its own process last."""
        try:
            own = psutil.Process(self.process.pid)
            return [*own.children(recursive=True), own]
        except psutil.NoSuchProcess:
            return []

    def remove(self) -> None:
        """Remove its folder."""
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def pids(rig: Rig) -> dict[str, int]:
    """The processes of workers that serve and have one of their own."""
    found = rig.status()
    ready = [each for each in found["workers"] if each["state"] in ("READY", "STALLED")]
    return {each["name"]: each["pid"] for each in ready if each["pid"] != found["pid"]}


def helpers(rig: Rig) -> dict[str, int]:
    """The rig's own helper processes by name."""
    found: list[dict[str, Any]] = rig.status()["helpers"]
    return {each["name"]: each["pid"] for each in found}


def _may_mount() -> bool:
    if os.geteuid() != 0:
        return False
    command = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0

"""What runs out: descriptors, room in the folders of logs, runtime files and shared memory.

The rig lives, and others' calls are answered right. A full folder is a file system of 1 MiB that
the rig alone sees.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.client.rig import Rig
from tests.integration.test_rig_siege import free_port, limited
from tests.rigs import RunningRig, running, wait_until

DRIVER = """
import os

class Plain:
    @property
    def pid(self) -> int:
        return os.getpid()

    def chat(self, lines: int) -> int:
        for number in range(lines):
            print("line", number, "x" * 200)
        return lines

    def hoard(self) -> int:
        self.files = []
        try:
            while True:
                self.files.append(open("/dev/null"))
        except OSError:
            return len(self.files)

    def drop(self) -> None:
        self.files.clear()
"""
CONFIG = """
rig: short
listen: [ipc, "tcp://127.0.0.1:{port}"]
allow_local_users: true
workers:
  a: {{driver: "box:Plain"}}
  b: {{driver: "box:Plain"}}
  thread: {{driver: "box:Plain", transport: inproc}}
"""
OWN_MOUNT = 'mount -t tmpfs -o size=1m,mode=700 none "$1" && '
FILLED = '{ cat /dev/zero > "$1/fill" 2>/dev/null; true; } && '
THEN_RUN = 'shift && exec "$@"'


def may_mount() -> bool:
    """Whether this user may mount file systems in a namespace of its own."""
    with contextlib.suppress(OSError):
        script = f"{OWN_MOUNT} true"
        command = ["unshare", "--mount", "sh", "-c", script, "sh", "/mnt"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False


needs_mount = pytest.mark.skipif(not may_mount(), reason="takes root, to mount a small folder")


@contextlib.contextmanager
def small(name: str, *, filled: bool) -> Iterator[None]:
    """What is started meanwhile has 1 MiB of room in a folder: one of the rig's, or by its path."""
    before = RunningRig.command

    def command(self: RunningRig, *arguments: str) -> list[str]:
        own = before(self, *arguments)
        if "run" not in arguments:
            return own
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        script = OWN_MOUNT + (FILLED if filled else "") + THEN_RUN
        return ["unshare", "--mount", "sh", "-c", script, "sh", str(folder), *own]

    RunningRig.command = command  # type: ignore[method-assign]
    try:
        yield
    finally:
        RunningRig.command = before  # type: ignore[method-assign]


def works(rig: RunningRig, client: Rig) -> None:
    """Calls are right, also those of a worker that was killed meanwhile."""
    pid = client["b"].pid
    assert client["a"].chat(5_000) == 5_000
    assert client["thread"].pid == rig.process.pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: state_of(client, "b")["life"] == 2 and state_of(client, "b")["ready"])
    assert client["b"].pid != pid
    assert "faults" not in client.status()["counts"], rig.text


def state_of(client: Rig, name: str) -> dict[str, object]:
    """A worker's life, and whether it is up."""
    found = next(each for each in client.status()["workers"] if each["name"] == name)
    return {"life": found["incarnation"], "ready": found["state"] == "READY"}


@needs_mount
@pytest.mark.parametrize("filled", [False, True], ids=["fills", "is full"])
def test_a_log_folder_without_room(filled: bool) -> None:
    """Records are lost, counted and told, also where nobody looks; nothing else is."""
    config = CONFIG.format(port=free_port())
    with small("state", filled=filled), running(config, {"box": DRIVER}) as rig:
        with rig.connected() as client:
            works(rig, client)
            wait_until(lambda: client.status()["logs"]["unwritten"])
        assert "can't be written" in rig.orch("status").stdout
        down = rig.orch("down")
        assert (down.returncode, down.stdout) == (0, "rig short is down\n")
        assert "of the log wait or are lost" in down.stderr
        assert rig.process.wait(20) == 0
        assert "could not be kept" in rig.text


@needs_mount
def test_shared_memory_without_room() -> None:
    """Nothing of the rig needs it."""
    config = CONFIG.format(port=free_port())
    with small("/dev/shm", filled=True), running(config, {"box": DRIVER}) as rig:
        with rig.connected() as client:
            works(rig, client)
        assert rig.stop() == 0


@needs_mount
def test_a_runtime_folder_without_room() -> None:
    """It is named: it isn't the output that can't be written."""
    config = CONFIG.format(port=free_port())
    with small("run", filled=True), running(config, {"box": DRIVER}, settle=False) as rig:
        assert rig.process.wait(20) == 4
        assert f"the runtime folder {rig.folder / 'run' / 'short'} is full" in rig.text
        assert rig.text.count("\n") == 1, rig.text


def test_1100_idle_connections_at_a_limit_of_1024() -> None:
    """libzmq aborts when accept meets EMFILE: the rig never lets it come to that."""
    port = free_port()
    config = CONFIG.format(port=port)
    with limited(1024), running(config, {"box": DRIVER}) as rig, rig.connected() as client:
        with contextlib.ExitStack() as idle:
            for _ in range(1100):
                with contextlib.suppress(OSError):
                    place = ("127.0.0.1", port)
                    idle.enter_context(socket.create_connection(place, timeout=5))
            works(rig, client)
            assert rig.orch("status").returncode == 0
            status = client.status()
            assert status["connections"]["tcp"] <= status["connections_at_most"] < 300
            assert status["counts"]["connections refused"] >= 1100 - 300
            assert len(list(Path(f"/proc/{rig.process.pid}/fd").iterdir())) < 700
        wait_until(lambda: client.status()["connections"]["tcp"] == 0)


def test_a_thread_that_takes_all_descriptors() -> None:
    """Calls go on meanwhile, and so does all that the rig looks after; there is room again."""
    with limited(400), running(CONFIG.format(port=free_port()), {"box": DRIVER}) as rig:
        with rig.connected() as client:
            assert client["thread"].hoard() > 100
            for _ in range(100):
                assert client["a"].pid
            assert "faults" not in client.status()["counts"], rig.text
            client["thread"].drop()
        with rig.connected() as client:
            works(rig, client)

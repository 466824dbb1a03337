"""A tmp cleaner under a running rig: what it removes is put back, and no second rig starts."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.rig import keeper
from orchestrator.runtime.folder import RigFolder, RigState
from tests.rigs import RunningRig, running, wait_until

DRIVER = """
class Plain:
    def add(self, a: int, b: int) -> int:
        return a + b
"""
CONFIG = """
rig: files
workers:
  a: {driver: "plain:Plain"}
"""


def remove_files(rig: RunningRig) -> None:
    for name in ("lock", "state.json"):
        (rig.folder / "run" / "files" / name).unlink()


def remove_all_files(rig: RunningRig) -> None:
    for path in (rig.folder / "run" / "files").iterdir():
        path.unlink()


def remove_rig(rig: RunningRig) -> None:
    shutil.rmtree(rig.folder / "run" / "files", ignore_errors=True)


def remove_runtime(rig: RunningRig) -> None:
    shutil.rmtree(rig.folder / "run", ignore_errors=True)


def move_rig(rig: RunningRig) -> None:
    (rig.folder / "run" / "files").rename(rig.folder / "elsewhere")


REMOVALS = [remove_files, remove_all_files, remove_rig, remove_runtime, move_rig]


@pytest.mark.parametrize("remove", REMOVALS)
def test_what_is_removed_is_put_back(remove: Callable[[RunningRig], None]) -> None:
    """Connected clients notice nothing, new ones find the rig, workers can be restarted."""
    with running(CONFIG, {"plain": DRIVER}) as rig:
        folder = rig.folder / "run" / "files"
        names = sorted(path.name for path in folder.iterdir())
        with rig.connected() as client:
            remove(rig)
            wait_until(
                lambda: folder.is_dir() and sorted(p.name for p in folder.iterdir()) == names
            )
            assert client.a.call("add", 1, 2) == 3
            # a worker may answer before its supervisor has heard that it was launched
            os.kill(wait_until(lambda: client.status()["workers"][0]["pid"]), signal.SIGKILL)
            wait_until(lambda: client.status()["workers"][0]["incarnation"] == 2)
            rig.wait_state("a", "READY")
        wait_until(lambda: "put back" in rig.text)
        status = rig.orch("status", "--json")
        assert status.returncode == 0, status.stderr
        assert json.loads(status.stdout)["pid"] == rig.process.pid
        second = rig.orch("run", str(rig.config))
        assert second.returncode == 4
        assert f"rig files already runs with pid {rig.process.pid}" in second.stderr
        assert rig.orch("down").returncode == 0
        assert not folder.exists()


@pytest.mark.parametrize("remove", [remove_files, remove_rig])
def test_a_rig_that_is_stopped_is_no_dead_one(remove: Callable[[RunningRig], None]) -> None:
    """It can't put anything back, and yet a second one is refused, naming the pid."""
    with running(CONFIG, {"plain": DRIVER}) as rig:
        os.kill(rig.process.pid, signal.SIGSTOP)
        try:
            remove(rig)
            second = rig.orch("run", str(rig.config))
            assert second.returncode == 4
            assert f"rig files already runs with pid {rig.process.pid}" in second.stderr
        finally:
            os.kill(rig.process.pid, signal.SIGCONT)
        wait_until(lambda: rig.orch("status").returncode == 0)


def test_a_socket_of_another_folder_is_put_back(tmp_path: Path) -> None:
    """Though not every removal there wakes the rig."""
    path = tmp_path / "x.ipc"
    config = f'{CONFIG}listen: [ipc, "ipc://{path}"]\n'
    with running(config, {"plain": DRIVER}) as rig:
        path.unlink()
        wait_until(path.exists)
        with rig.connected(f"ipc://{path}") as client:
            assert client.a.call("add", 1, 2) == 3


def test_an_idle_rig_touches_its_files_so_that_none_looks_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCH_RUNTIME_DIR", str(tmp_path / "run"))
    with RigFolder("files") as folder:
        folder.write_state(RigState(rig="files", pid=1, addresses=["ipc:///x"]))
        for path in (*folder.path.iterdir(), folder.path):
            os.utime(path, (1, 1))
        folder.touch()
        assert all(path.stat().st_mtime > 1 for path in (*folder.path.iterdir(), folder.path))
    assert 3600 <= keeper.TOUCH_EVERY <= 86_400

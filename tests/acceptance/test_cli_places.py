"""Rigs in unusual places: without a home folder, for users without an entry, in shared folders."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.acceptance.cli_kit import ROOT, environment, orch
from tests.rigs import running, wait_until

pytestmark = pytest.mark.fresh_processes

DRIVER = """
import os

class Plain:
    def add(self, a: int, b: int) -> int:
        return a + b
"""
CONFIG = 'rig: one\nworkers:\n  a: {driver: "plain:Plain"}\n'


@pytest.fixture
def lab(folder: Path) -> Path:
    """A short folder with a config and its driver."""
    (folder / "plain.py").write_text(DRIVER)
    (folder / "rig.yaml").write_text(CONFIG)
    return folder


MODULES = os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])


def as_user(uid: int) -> list[str]:
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]


def python_for(uid: int) -> str:
    """An interpreter of this version that another user can start, and that starts itself."""
    code = "import subprocess, sys, zmq; subprocess.run([sys.executable, '-c', ''], check=True)"
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        command = [*as_user(uid), python, "-c", code]
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": MODULES}
        if subprocess.run(command, env=environ, capture_output=True, cwd="/").returncode == 0:
            return python
    pytest.skip("another user can start no interpreter here")


def one_line(text: str) -> str:
    assert text.count("\n") == 1, text
    assert "Traceback" not in text
    return text


def test_without_home_and_passwd_entry_a_rig_runs_or_says_what_it_needs(lab: Path) -> None:
    """As a container with any uid has it."""
    if os.getuid() != 0:
        pytest.skip("only root may take another user's id")
    uid = 54_321
    os.chown(lab, uid, uid)
    os.chown(lab / "rig.yaml", uid, uid)
    (lab / "run").mkdir(mode=0o700)
    os.chown(lab / "run", uid, uid)

    python = python_for(uid)

    def as_stranger(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*as_user(uid), python, "-m", "orchestrator", *arguments],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": MODULES,
                "ORCH_RUNTIME_DIR": str(lab / "run"),
                **more,
            },
            cwd=lab,
            capture_output=True,
            text=True,
            timeout=50,
        )

    done = as_stranger("run", "rig.yaml")
    assert done.returncode == 4
    assert "no home folder to keep logs in; set HOME, or ORCH_STATE_DIR" in one_line(done.stderr)
    state = {"ORCH_STATE_DIR": str(lab / "state")}
    done = as_stranger("run", "--detach", "rig.yaml", **state)
    try:
        assert done.returncode == 0, done.stderr
        assert as_stranger("call", "a", "add", "1", "2", **state).stdout == "3\n"
        assert as_stranger("logs", **state).returncode == 0
    finally:
        assert as_stranger("down", **state).returncode == 0
    (lab / "rig.yaml").write_text(f"{CONFIG}listen: [ipc, hololinked]\n")
    done = as_stranger("run", "rig.yaml", **state)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.endswith(
        "hololinked's sockets are in the home folder, and there is none: set $ORCH_HOLOLINKED_DIR"
    )


def test_a_rig_runs_where_the_typed_folder_is_no_text(lab: Path) -> None:
    typed = os.fsdecode(os.fsencode(lab) + b"/caf\xe9")
    os.mkdir(typed)
    environ = environment(lab)
    done = orch(environ, "run", "--detach", str(lab / "rig.yaml"), cwd=Path(typed))
    call = orch(environ, "call", "a", "add", "1", "2", cwd=Path(typed))
    down = orch(environ, "down", cwd=Path(typed))
    assert (done.status, call.out, down.status) == (0, "3\n", 0), done.err


@pytest.mark.parametrize(
    ("variable", "status"), [("ORCH_RUNTIME_DIR", 4), ("ORCH_STATE_DIR", 4), ("the config", 2)]
)
def test_a_folder_that_is_no_text_is_one_clear_line(lab: Path, variable: str, status: int) -> None:
    odd = os.fsdecode(os.fsencode(lab) + b"/caf\xe9")
    os.mkdir(odd)
    environ = environment(lab)
    config = "rig.yaml"
    if variable == "the config":
        shutil.copy(lab / "rig.yaml", odd)
        config = f"{odd}/rig.yaml"
    else:
        environ[variable] = odd
    for detach in ([], ["--detach"]):
        done = orch(environ, "run", config, *detach, cwd=lab)
        assert done.status == status, done.err
        assert "bytes that aren't UTF-8" in done.err
        assert "Traceback" not in done.err


@pytest.mark.parametrize("which", ["state", "state/one", "state/one/logs"])
def test_logs_that_others_could_change_are_refused(lab: Path, which: str) -> None:
    environ = environment(lab)
    (lab / which).mkdir(parents=True)
    (lab / which).chmod(0o777)
    for more in ([], ["--detach"]):
        done = orch(environ, "run", "rig.yaml", *more, cwd=lab)
        assert done.status == 4
        assert (
            f"{lab / which} is no place for logs, everyone may write to it; make it your own alone"
            f" (chmod go-w {lab / which}), or set ORCH_STATE_DIR to another folder"
        ) in done.err
    assert not list((lab / "run").glob("*/*"))


def test_loopback_is_open_to_all_users_and_that_is_said_unless_it_is_meant() -> None:
    config = f'{CONFIG}listen: [ipc, "tcp://127.0.0.1:*"]\n'
    warning = "can be used by every user of this machine, without authentication"
    with running(config, {"plain": DRIVER}) as rig:
        wait_until(lambda: warning in rig.text)
        assert "allow_local_users: true says that this is meant" in rig.text
    with running(f"{config}allow_local_users: true\n", {"plain": DRIVER}) as rig:
        wait_until(lambda: "rig one is up" in rig.text)
        assert warning not in rig.text
    with running(CONFIG, {"plain": DRIVER}) as rig:
        wait_until(lambda: "rig one is up" in rig.text)
        assert warning not in rig.text

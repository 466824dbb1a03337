"""A rig depends neither on the folder in which it was started nor on the modules there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.rigs import RunningRig, wait_until

pytestmark = pytest.mark.fresh_processes

DRIVER = """
import os, sys
from workers import action

class Plain:
    def where(self) -> str:
        return os.getcwd()

    def path(self) -> list:
        return sys.path

    def variables(self) -> list:
        ours = ("PYTHONPATH", "PYTHONSAFEPATH", "ORCH_GIVEN")
        return [name for name in os.environ if name.startswith(ours)]
"""
CONFIG = """
rig: places
workers:
  a: {driver: "plain:Plain"}
  own: {driver: "plain:Plain", env: {FLAVOUR: mint}}
  thread: {driver: "plain:Plain", transport: inproc}
"""
ORCH = str(Path(sys.executable).with_name("orch"))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "c"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def started_in(typed: Path, home: Path, command: list[str], config: str) -> Iterator[RunningRig]:
    """A rig of the config in `home`, by a command typed in another folder."""
    rig = RunningRig(home, config, {"plain": DRIVER})
    del rig.environ["PYTHONPATH"]
    with rig.log.open("ab") as log:
        rig.process = subprocess.Popen(
            [*command, "run", str(rig.config)],
            cwd=typed,
            env=rig.environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        rig.wait_settled()
        yield rig
    finally:
        assert rig.stop() == 0


def restarted(rig: RunningRig) -> None:
    """Kill all workers that are processes; they come back."""
    with rig.connected() as client:
        before = {w["name"]: w["pid"] for w in client.status()["workers"]}
        for name in ("a", "own"):
            os.kill(before[name], signal.SIGKILL)

        def back() -> bool:
            now = [w for w in client.status()["workers"] if w["name"] in ("a", "own")]
            return all(w["state"] == "READY" and w["pid"] != before[w["name"]] for w in now)

        wait_until(back)


@pytest.mark.parametrize("command", [[ORCH], [sys.executable, "-m", "orchestrator"]])
@pytest.mark.parametrize(
    "names",
    [
        ("workers/__init__.py", "transports/__init__.py"),
        ("token.py", "queue.py", "multiprocess.py", "click.py", "selectors.py"),
    ],
)
def test_modules_in_the_folder_where_it_was_typed_are_not_found(
    tmp_path: Path, home: Path, command: list[str], names: tuple[str, ...]
) -> None:
    typed = tmp_path / "typed"
    for name in names:
        (typed / name).parent.mkdir(parents=True, exist_ok=True)
        (typed / name).write_text("raise ImportError('found in the wrong place')\n")
    if command[-1] == "orchestrator" and "selectors.py" in names:
        (typed / "selectors.py").unlink()  # Python itself reads it before us
    with started_in(typed, home, command, CONFIG) as rig, rig.connected() as client:
        assert [w["state"] for w in client.status()["workers"]] == ["READY"] * 3
        for name in ("a", "own", "thread"):
            assert str(typed) not in client[name].call("path")
            assert client[name].call("where") == str(home)
            assert client[name].call("variables") == []


@pytest.mark.parametrize("name", ["workers/__init__.py", "token.py", "orch.py", "multiprocess.py"])
def test_modules_in_the_folder_of_the_config_hide_none_that_it_needs(home: Path, name: str) -> None:
    (home / name).parent.mkdir(exist_ok=True)
    (home / name).write_text("")
    with started_in(home, home, [ORCH], CONFIG) as rig:
        restarted(rig)
        with rig.connected() as client:
            assert [w["state"] for w in client.status()["workers"]] == ["READY"] * 3
            standard = client["a"].call("path").index(os.path.dirname(os.__file__))
            folder = client["a"].call("path").index(str(home))
            packages = [p for p in client["a"].call("path") if p.endswith("site-packages")]
            assert standard < folder < client["a"].call("path").index(packages[0])
        checked = rig.orch("check", str(rig.config))
        assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("how", ["removed", "replaced", "closed"])
def test_the_folder_where_it_was_typed_may_go(tmp_path: Path, home: Path, how: str) -> None:
    typed = tmp_path / "typed"
    typed.mkdir()
    with started_in(typed, home, [ORCH], CONFIG) as rig:
        if how == "closed":
            typed.chmod(0)
        else:
            typed.rmdir()
        if how == "replaced":
            typed.write_text("a file")
        restarted(rig)
        if how == "closed":
            typed.chmod(0o700)


def test_the_folder_of_the_config_may_be_replaced(tmp_path: Path, home: Path) -> None:
    """As by a fresh checkout; the runtime folder is elsewhere."""
    with started_in(tmp_path, home, [ORCH], CONFIG) as rig:
        moved = home.with_name("old")
        home.rename(moved)
        home.mkdir()
        for name in ("plain.py", "rig.yaml"):
            shutil.copy(moved / name, home / name)
        for name in ("run", "state", "stderr"):
            (moved / name).rename(home / name)
        shutil.rmtree(moved)
        restarted(rig)


@pytest.mark.parametrize("relative", ["ORCH_RUNTIME_DIR", "ORCH_STATE_DIR", "PYTHONPATH"])
def test_relative_places_are_those_where_it_was_typed(
    tmp_path: Path, home: Path, relative: str
) -> None:
    typed = tmp_path / "typed"
    (typed / "more").mkdir(parents=True)
    (typed / "more" / "extra.py").write_text(DRIVER)
    rig = RunningRig(home, 'rig: places\nworkers:\n  a: {driver: "extra:Plain"}\n', {})
    environ = {**rig.environ, "PYTHONPATH": str(typed / "more")}
    environ[relative] = "more" if relative == "PYTHONPATH" else f"./{relative}"
    command = [ORCH, "run", "--detach", str(rig.config)]
    done = subprocess.run(command, cwd=typed, env=environ, capture_output=True, text=True)
    try:
        assert done.returncode == 0, done.stderr
    finally:
        down = subprocess.run([ORCH, "down"], cwd=typed, env=environ, capture_output=True)
        assert down.returncode == 0


HIDDEN = [
    ("queue:Stage", "queue.py", '"queue" is a module of the standard library, which hides'),
    ("test:Stage", "test.py", '"test" is a module of the standard library, which hides'),
    ("queue.deep:Stage", "queue/deep.py", None),
    ("json.deep:Stage", "json/deep.py", None),
    ("workers:Stage", "workers.py", '"workers" is a package of orch, which hides'),
    ("transports.mine:Stage", "transports/mine.py", '"transports" is a package of orch'),
    ("orchestrator:Stage", "orchestrator.py", '"orchestrator" is a package of orch'),
    ("orch:Stage", "orch.py", '"orch" is a package of orch'),
]


@pytest.mark.parametrize(("driver", "file", "message"), HIDDEN)
def test_a_driver_that_is_hidden_is_refused_with_the_mend(
    home: Path, driver: str, file: str, message: str | None
) -> None:
    """By `check` and by `run`, at its place."""
    text = f'rig: places\nworkers:\n  a: {{driver: "{driver}"}}\n'
    rig = RunningRig(home, text, {})
    (home / file).parent.mkdir(exist_ok=True)
    (home / file).write_text("class Stage:\n    pass\n")
    if "/" in file:
        (home / file).with_name("__init__.py").write_text("")
    for command in ("check", "run"):
        done = subprocess.run(
            [ORCH, command, "rig.yaml"], cwd=home, env=rig.environ, capture_output=True, text=True
        )
        assert done.returncode == 2
        first = done.stderr.splitlines()[0]
        assert first.startswith("rig.yaml:3:15: ")
        assert (message or "is a module of the standard library, which hides") in first
        assert first.endswith(f'hides "{file}"; give yours another name')
        assert "Traceback" not in done.stderr


def test_drivers_of_ours_are_found_beside_a_package_of_that_name(home: Path) -> None:
    driver = "workers.devices.stage:SimulatedStage"
    rig = RunningRig(home, f'rig: p\nworkers:\n  a: {{driver: "{driver}"}}\n', {})
    (home / "workers").mkdir()
    (home / "workers" / "__init__.py").write_text("")
    assert rig.orch("check", "rig.yaml").returncode == 0

"""`import orch`: the users' names, and nothing loaded until one of them is used."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import orch
import orch.errors
import orchestrator
import workers
from orchestrator import errors
from orchestrator.check.drivers import check
from orchestrator.config.loader import load
from orchestrator.version import version
from tests.rigs import running
from workers.driver.build import find
from workers.errors import SpecError
from workers.process import bootstrap
from workers.process.fork_server import PRELOAD

pytestmark = pytest.mark.measured

ROOT = Path(__file__).parent.parent


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, **options
    )


def test_import_loads_nothing_heavy():
    """As a script that has yet to decide what it needs: the package alone."""
    heavy = ("zmq", "numpy", "asyncio", "pydantic", "structlog", "msgspec", "orchestrator")
    done = run(
        "-c",
        "import sys, orch; dir(orch); "
        f"sys.exit(', '.join(n for n in {heavy!r} if n in sys.modules) or 0)",
    )
    assert done.returncode == 0, done.stderr


def test_the_names_are_those_of_their_homes():
    assert orch.connect is orchestrator.connect
    assert orch.aconnect is orchestrator.aconnect
    assert orch.__version__ == orchestrator.__version__
    assert (orch.Event, orch.action, orch.prop) == (workers.Event, workers.action, workers.prop)
    assert set(orch.__all__) <= set(dir(orch))


def test_the_errors_are_all_there():
    kinds = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.OrchError)
    }
    assert set(orch.errors.__all__) == kinds
    assert all(getattr(orch.errors, name) is getattr(errors, name) for name in kinds)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'orch' has no attribute 'conect'"):
        orch.conect  # noqa: B018
    assert not hasattr(orch, "load")


def test_the_module_is_the_command():
    done = run("-m", "orch", "--version")
    assert (done.returncode, done.stdout) == (0, f"orch {orch.__version__}\n")


LAB = """\
rig: lab
workers:
  bare: {{driver: "bare:Stage", python: "{python}"}}
  forked: {{driver: "bare:Stage"}}
"""
STAGE = """\
from orch import Event, action, prop

class Stage:
    moved = Event()
"""


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """An interpreter that finds the libraries we need, and none of our packages."""
    import msgspec
    import structlog
    import zmq

    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for module in (zmq, msgspec, structlog):
        folder = Path(module.__file__).parent
        for found in (folder, folder.with_name("pyzmq.libs")):
            if found.exists() and not (libraries / found.name).exists():
                (libraries / found.name).symlink_to(found)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={libraries} exec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    return python


def worker_code(code: str) -> list[str]:
    """A program that has what a worker of another interpreter has."""
    return ["-c", f"import runpy; runpy.run_path({bootstrap.__file__!r})['provide'](); {code}"]


def test_a_driver_may_use_it_in_an_interpreter_without_our_packages(bare: Path):
    code = "from orch import Event, action, prop; import sys; print('orchestrator' in sys.modules)"
    done = subprocess.run([bare, *worker_code(code)], cwd="/", capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


@pytest.mark.parametrize("name", ["connect", "errors", "__version__"])
def test_what_is_missing_there_names_the_mend(bare: Path, name: str):
    done = subprocess.run(
        [bare, *worker_code(f"from orch import {name}")], cwd="/", capture_output=True, text=True
    )
    assert f"ImportError: orch.{name} can't be had in " in done.stderr
    assert "install orch into it" in done.stderr


def test_check_knows_that_a_driver_may_use_it(tmp_path: Path, bare: Path):
    """What would run is no problem, whichever interpreter runs it."""
    (tmp_path / "bare.py").write_text(STAGE)
    (tmp_path / "lab.yaml").write_text(LAB.format(python=bare))
    assert check(load(tmp_path / "lab.yaml")).problems == []


@pytest.mark.parametrize("name", ["orch", "workers", "transports"])
def test_a_module_of_such_a_name_is_told_apart(tmp_path: Path, name: str):
    """A worker has ours under it, so `orch check` doesn't look at the user's either."""
    (tmp_path / f"{name}.py").write_text("class Laser: ...\n")
    (tmp_path / "lab.yaml").write_text(f'rig: lab\nworkers: {{a: {{driver: "{name}:Laser"}}}}\n')
    hint = f'"{name}" is a package of orch, a module of yours needs another name'
    [problem] = check(load(tmp_path / "lab.yaml")).problems
    owner = f'"{name}" is a package of orch'
    assert problem.message == f'{owner}, which hides "{name}.py"; give yours another name'
    with pytest.raises(SpecError, match=hint):
        find(f"{name}:Laser")
    with pytest.raises(ModuleNotFoundError) as raised:
        find(f"{name}.laser:Laser")
    assert raised.value.__notes__ == [hint]


RIG = """\
rig: users
workers:
  forked: {driver: "device:Device"}
  own: {driver: "device:Device", env: {A: b}}
  thread: {driver: "device:Device", transport: inproc}
"""
DEVICE = """\
from orch import Event, action, prop

class Device:
    moved = Event()

    @prop(unit="mm")
    def position(self) -> float:
        return 1.5

    @action(concurrent=True)
    def move(self, x: float) -> None:
        self.moved.emit(x)
"""


def test_drivers_and_clients_use_it_however_a_worker_runs():
    with running(RIG, {"device": DEVICE}) as up, up.connected() as rig:
        for name in ("forked", "own", "thread"):
            worker = rig[name]
            assert worker.describe()["properties"]["position"]["unit"] == "mm"
            assert worker.position == 1.5
            with worker.subscribe("moved", timeout=20) as events:
                worker.move(2.5)
                assert next(iter(events)).value == 2.5


def test_the_fork_server_has_it_and_no_more():
    assert "orch" in PRELOAD
    code = f"import sys, {', '.join(PRELOAD)}; sys.exit('orchestrator' in sys.modules)"
    assert run("-c", code).returncode == 0


def test_nothing_of_ours_imports_it():
    """It stands above all: what it re-exports is imported from where it is."""
    packages = ("transports", "workers", "orchestrator")
    users = [
        path
        for package in packages
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"^\s*(from|import) orch\b", path.read_text(), re.MULTILINE)
    ]
    assert users == []


def test_each_name_is_had_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    """In this process too; what isn't there is told as an attribute, or with the mend."""
    assert {getattr(orch, name) for name in orch.__all__ if name != "errors"}
    assert orch.errors.NotStarted.__name__ == "NotStarted"
    assert set(orch.__all__) <= set(dir(orch))
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        orch.__getattr__("nothing_of_the_kind")

    def lacks(name: str) -> Any:
        raise ModuleNotFoundError(name, name="orchestrator")

    monkeypatch.setattr(importlib, "import_module", lacks)
    with pytest.raises(ImportError, match="install orch into it"):
        orch.__getattr__("connect")


def test_a_source_tree_has_no_version(monkeypatch: pytest.MonkeyPatch):
    """But says so."""
    assert version() == metadata.version("orch")

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert version() == "0+unknown"

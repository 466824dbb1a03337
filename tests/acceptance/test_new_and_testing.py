"""`orch new` makes what runs, and `orch.testing` runs it: the driver, the notebook, the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import orch
from orch import errors
from orch.testing import Faults, NotUp, RunningRig, running
from orchestrator.cli.failures import Exit
from orchestrator.cli.main import status_of

pytestmark = pytest.mark.measured

FAILING = """
import pytest

@pytest.mark.rig(driver="my_stage:MyStage", args=["x"])
def test_fails(rig):
    print(rig.device.move(3.0))
    assert rig.device.position == 4.0

def test_says_no_rig(rig):
    pass
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new")
    before = os.umask(0o002)  # with which others of the group may write
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            assert status_of(["new", "my_stage"]) == Exit.DONE
    finally:
        os.umask(before)
    return folder / "my_stage"


@pytest.fixture(scope="module")
def shared(project: Path) -> Iterator[RunningRig]:
    with running(project / "rig.yaml") as up:
        yield up


@pytest.fixture
def faults(shared: RunningRig) -> Iterator[Faults]:
    found = Faults(shared.client)
    yield found
    found.end()


def test_the_notebook_runs(project: Path, shared: RunningRig) -> None:
    cells = json.loads((project / "my_stage.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    known: dict[str, object] = {}
    for each in code[:-1]:
        exec(each, known)
    assert eval(code[-1], known)["workers"]["my_stage"]["values"]["position"] == 5.0
    orch.close(known["rig"])


def test_a_killed_worker_is_back(shared: RunningRig, faults: Faults) -> None:
    shared.client.my_stage.move(2.0)
    faults.kill("my_stage")
    assert shared.client.my_stage.position == 0.0


def test_one_that_hangs_goes_on_when_it_is_released(shared: RunningRig, faults: Faults) -> None:
    stage = shared.client["my_stage"]
    faults.hang("my_stage")
    with pytest.raises(errors.InvocationTimeout):
        stage.call("move", 1.0, invocation_timeout=0.3, execution_timeout=0.1)
    faults.release("my_stage")
    assert stage.call("move", 2.0) == 2.0


def test_one_that_is_slow_needs_longer(shared: RunningRig, faults: Faults) -> None:
    faults.slow("my_stage", 0.3)
    assert shared.client.my_stage.move(3.0) == 3.0


def test_who_has_no_process_has_no_such_faults(shared: RunningRig, faults: Faults) -> None:
    with pytest.raises(ValueError, match="no worker 'laser'; there are my_stage"):
        faults.kill("laser")
    faults.release("my_stage")  # which doesn't hang


def test_commands_find_it_and_nothing_else_does(shared: RunningRig) -> None:
    assert "my_stage" in shared.orch("status").stdout
    assert "ready" in shared.logs()


def test_the_rig_of_a_test_is_one_of_two(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="either a config or a driver"), running():
        pass
    (tmp_path / "rig.yaml").write_text("rig: 2\n")
    with pytest.raises(NotUp, match=r"rig\.yaml:1:6: "), running(tmp_path / "rig.yaml"):
        pass


@pytest.mark.timeout(240)
def test_its_test_passes_and_a_failing_one_shows_what_the_rig_wrote(project: Path) -> None:
    """Side by side: each has a rig of its own."""
    (project / "test_failing.py").write_text(FAILING)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert "1 failed, 3 passed, 1 error" in done.stdout, done.stdout
    assert "logs of the rig" in done.stdout
    assert "device   ready" in done.stdout
    assert "say which rig: @pytest.mark.rig" in done.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("queue", "'queue' is a module of Python's or of orch's"),
        ("orch", "'orch' is a module of Python's or of orch's"),
        ("My", "'My' is no name of a module"),
        ("a-b", "'a-b' is no name of a module"),
        ("class", "'class' is no name of a module"),
        ("_x", "'_x' is no name of a module"),
        ("x" * 49, "is no name of a module"),
        ("pytest", "'pytest' is a module that is installed here"),
    ],
)
def test_names_that_no_module_can_have_are_refused(
    name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["new", name]) == Exit.USAGE
    assert message in capsys.readouterr().err


def test_what_is_there_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stage").touch()
    assert status_of(["new", "stage"]) == Exit.USAGE
    assert "stage is there already" in capsys.readouterr().err

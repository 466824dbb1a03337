"""`orch check`: for people, for programs, from stdin; each driver imported once."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click import unstyle

from orchestrator.check import extras
from orchestrator.cli.failures import Exit
from orchestrator.cli.main import status_of

pytestmark = pytest.mark.measured

CAMERA = """\
with open("imports", "a") as file:
    file.write(".")

class Camera:
    def __init__(self, port: int): ...
    def close(self): ...
"""
FAULTY = """\
rig: lab
workers:
  a: {driver: "cam:Camera", args: [1], restart: always}
  b: {driver: "cam:Camera", args: [x]}
  c: {driver: "cam:Camera", args: [1], on_loss: {driver: "cam:Camera", args: [y], calls: [close]}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cam.py").write_text(CAMERA)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def give(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


def facts(capsys: pytest.CaptureFixture[str]) -> Any:
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def test_faults_of_config_and_drivers_come_in_one_pass_and_of_one_import(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By stdin as JSON, each with its place, its key, what is wrong and the mend."""
    give(monkeypatch, FAULTY.encode())
    assert status_of(["check", "-", "--json"]) == Exit.USAGE
    found = facts(capsys)
    assert (found["rig"], found["notes"]) == ("lab", [])
    assert [each.pop("message")[:14] for each in found["problems"]] == [
        '"restart" must',
        '"Camera": port',
        '"Camera": port',
    ]
    mend = "its signature is (port: int)"
    assert found["problems"][1:] == [
        {
            "file": "<stdin>",
            "line": line,
            "column": FAULTY.splitlines()[line - 1].index(f"{text}]") + 1,
            "path": ["workers", *path],
            "mend": mend,
        }
        for line, text, path in (
            (4, "x", ["b", "args", 0]),
            (5, "y", ["c", "on_loss", "args", 0]),
        )
    ]
    assert (folder / "imports").read_text() == "."


def test_the_folder_of_what_comes_by_stdin_is_that_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Places name that file; where a file has no name it is the present folder."""
    monkeypatch.chdir("/")
    name = str(tmp_path / "new.yaml")
    give(monkeypatch, b"rig: lab\nworkers: {a: {driver: 'cam:Camera', args: [1]}}\n")
    assert status_of(["check", "-", "--stdin-filename", name]) == Exit.DONE
    assert capsys.readouterr().out == f"{name}: rig lab, 1 worker, nothing wrong\n"
    give(monkeypatch, b"rig: \xff")
    assert status_of(["check", "--json", "-", "--stdin-filename", name]) == Exit.USAGE
    (problem,) = facts(capsys)["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == (name, 1, 6)
    assert status_of(["check", "lab.yaml", "--stdin-filename", name]) == Exit.USAGE
    assert "goes with a config of -" in capsys.readouterr().err


def test_a_folder_of_others_is_refused_for_stdin_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Modules in it would run."""
    folder.chmod(0o777)
    give(monkeypatch, FAULTY.encode())
    assert status_of(["check", "--json", "-"]) == Exit.USAGE
    found = facts(capsys)
    (problem,) = found["problems"]
    assert "its folder" in problem["message"]
    assert (found["rig"], problem["line"], problem["path"]) == (None, None, [])
    assert not (folder / "imports").exists()


def test_people_see_lines_as_editors_expect_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "lab.yaml").write_text(FAULTY)
    assert status_of(["check", "lab.yaml"]) == Exit.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(": ")[0] for line in err.splitlines()] == [
        "lab.yaml:3:49",
        "lab.yaml:4:36",
        "lab.yaml:5:79",
        "error",
    ]


TWINS = """\
rig: lab
workers:
  a: {driver: "cam:Camera", args: [1], simulate: "cam:Twin"}
  b: {driver: "cam:Camera", args: [1]}
"""


def test_twins_are_compared_and_named_ones_must_be_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a twin lacks is a note of the check; a run of what isn't there is refused."""
    (folder / "cam.py").write_text(f"{CAMERA}    def snap(self): ...\nclass Twin(list): ...\n")
    (folder / "lab.yaml").write_text(TWINS)
    assert status_of(["check", "lab.yaml"]) == Exit.DONE
    assert (
        'lab.yaml:3:50: note: "Twin" lacks "snap", an action of "Camera"' in capsys.readouterr().err
    )
    (folder / "lab.yaml").write_text(TWINS.replace("cam:Twin", "cam:Gone"))
    assert status_of(["check", "lab.yaml"]) == Exit.USAGE
    assert 'lab.yaml:3:50: "cam" has no "Gone"' in capsys.readouterr().err
    for arguments, told in (
        (["--simulate", "lab.yaml", "b"], 'lab.yaml:4:15: worker "b" has no twin'),
        (["--simulate", "lab.yaml", "c"], 'lab.yaml has no worker "c"; it has a, b'),
        (["lab.yaml", "a"], "workers go with --simulate"),
    ):
        assert status_of(["run", *arguments]) == Exit.USAGE
        assert told in capsys.readouterr().err
    (folder / "lab.yaml").write_text(FAULTY.replace(", restart: always", ""))
    assert status_of(["run", "--simulate", "lab.yaml"]) == Exit.USAGE
    assert "no worker has a twin" in capsys.readouterr().err


def test_a_rig_with_twins_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from orchestrator.cli.simulate import with_twins
    from orchestrator.config.loader import load

    (folder / "lab.yaml").write_text(TWINS.replace("cam:Twin", "cam:Camera"))
    found = with_twins(load("lab.yaml"), "lab.yaml", (), tells=True)
    assert (found.simulation, found.workers["a"].simulated) == ((), True)
    assert capsys.readouterr().err == "SIMULATED: a\n"


def test_a_recording_is_not_overwritten_and_must_be_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "lab.yaml").write_text(TWINS)
    (folder / "old.rec.payloads").touch()
    for arguments, told in (
        (["--record", "cam.py"], "cam.py is there already; name a new file"),
        (["--record", "old.rec"], "old.rec.payloads is there already"),
        (["--record", "gone/new.rec"], "gone is no folder"),
        (["--replay", "cam.py"], "cam.py: no recording: line 1 is none of a recording"),
        (["--replay", "x", "--record", "y"], "--replay goes without --simulate and --record"),
    ):
        assert status_of(["run", "lab.yaml", *arguments]) == Exit.USAGE
        assert told in capsys.readouterr().err


def test_an_extra_that_lacks_is_a_problem_at_what_needs_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For who runs the rig; a plan, or a client's stubs, are made without it."""
    monkeypatch.setattr(extras, "WEB", ("no_such_module",))
    (folder / "lab.yaml").write_text(
        'rig: lab\nlisten: [ipc, "http://127.0.0.1:0"]\n'
        'workers:\n  a: {driver: "cam:Camera", args: [1]}\n'
    )
    assert status_of(["check", "lab.yaml"]) == Exit.USAGE
    told = capsys.readouterr().err
    assert "lab.yaml:2:15: " in told
    assert '"no_such_module" isn\'t installed, which an http address takes' in told
    assert "pip install 'orch[web]'" in told
    assert status_of(["stubs", "lab.yaml", "-o", str(folder)]) == Exit.DONE


def test_who_waits_at_a_terminal_is_told_for_what(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("orchestrator.check.runner.TOLD_AFTER", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    (folder / "lab.yaml").write_text(
        'rig: lab\nworkers:\n  a: {driver: "cam:Camera", args: [1], start_timeout: 20s}\n'
    )
    waits = 'lab.yaml:3:15: waits for the import of "cam", 0 s so far; given up after 20 s'
    assert status_of(["check", "lab.yaml"]) == Exit.DONE
    assert waits in unstyle(capsys.readouterr().err)
    assert status_of(["check", "--json", "lab.yaml"]) == Exit.DONE
    assert capsys.readouterr().err == ""

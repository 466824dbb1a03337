"""How much of each file has to run: `scripts/cover.py`, and the settings of what is measured."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_all_packages_that_are_shipped_are_measured() -> None:
    shipped = SETTINGS["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert sorted(SETTINGS["tool"]["coverage"]["run"]["source"]) == sorted(shipped)


def test_hololinkeds_environment_measures_with_the_same_release() -> None:
    pins = [
        [line for line in file.read_text().splitlines() if line.startswith("coverage==")]
        for file in (ROOT / "constraints.txt", ROOT / "tests" / "interop" / "constraints.txt")
    ]
    assert len(pins[0]) == 1
    assert pins[0] == pins[1]


CALLS = {
    "a child": "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'kit.used'])",
    "a folder of its own": "import os, subprocess, sys\n"
    "subprocess.run([sys.executable, '-m', 'kit.used'], cwd='/', env={**os.environ, "
    "'PYTHONPATH': os.getcwd()})",
    "a fork that ends by os._exit": "import os\n"
    "if os.fork():\n    os.wait()\nelse:\n    import kit.used\n    os._exit(0)",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_what_ran_in_processes_counts(tmp_path: Path, call: str) -> None:
    """By folder, and each file that has too little is named, also one that nobody loaded."""
    for folder in ("kit/sub", "scripts", "data"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "kit/__init__.py").touch()
    (tmp_path / "kit/used.py").write_text("x = 1\nfor _ in range(2):\n    x += 1\n")
    (tmp_path / "kit/sub/__init__.py").touch()
    (tmp_path / "kit/sub/idle.py").write_text("x = 1\nif x:\n    x = 2\n")
    (tmp_path / "start.py").write_text(call)
    (tmp_path / "scripts/cover.py").write_text((ROOT / "scripts" / "cover.py").read_text())
    text = (ROOT / "pyproject.toml").read_text()
    source = text[text.index("[tool.coverage.run]") : text.index("[tool.ruff]")]
    own = re.sub(r"^source = .*$", 'source = ["kit"]', source, flags=re.MULTILINE)
    (tmp_path / "pyproject.toml").write_text(own)
    environ = {**os.environ, "COVERAGE_FILE": str(tmp_path / "data" / "coverage")}
    environ.pop("COVERAGE_PROCESS_CONFIG", None)

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environ, capture_output=True, text=True
        )

    started = run("-m", "coverage", "run", "start.py")
    assert (started.returncode, started.stderr) == (0, "")
    (tmp_path / "data" / "coverage.killed").touch()  # before its first write
    done = run("scripts/cover.py")
    assert done.stderr == ""
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows == [
        ["statements", "missed", "covered"],
        ["kit/", "3", "0", "100", "%"],
        ["used.py", "3", "0", "100", "%"],
        ["kit/sub/", "3", "3", "0", "%"],
        ["idle.py", "3", "3", "0", "%"],
        ["all", "6", "3", "50", "%"],
        ["covered", "less", "than", "80", "%:", "kit/sub/idle.py"],
    ]
    assert done.returncode == 1

"""The guardian as a process: recipes that it follows when the supervisor has gone."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from orchestrator.rig.guardian import Guardian


def told(folder: Path, worker: str, code: str, timeout: float = 20.0) -> bytes:
    """A recipe that is a program of its own, with more in it than one line to a pipe takes."""
    command: list[Any] = [sys.executable, "-c", code]
    recipe = {"start": 0.0, "timeout": timeout, "calls": [], "long": "x" * 10_000, "worker": worker}
    about = {"incarnation": 1, "cwd": str(folder), "env": {"MARK": worker}}
    return json.dumps({**about, "command": command, "recipe": recipe}).encode()


WRITES = """
import json, os, sys
told = json.loads(sys.stdin.readline())
open(os.environ["MARK"], "w").write(f"{told['worker']} {len(told['long'])}")
"""


def test_recipes_are_followed_when_the_supervisor_has_gone(tmp_path: Path) -> None:
    """By a successor too; not those that aren't needed any more. One can't keep another from it."""
    guardian = Guardian()
    guardian.arm("hangs", told(tmp_path, "hangs", "import time; time.sleep(60)", timeout=0.1))
    guardian.arm("a", told(tmp_path, "a", WRITES))
    guardian.arm("missing", told(tmp_path / "nowhere", "missing", WRITES))
    guardian.arm("b", told(tmp_path, "b", WRITES))
    guardian.restart([])
    guardian.arm("c", told(tmp_path, "c", WRITES))
    guardian.disarm("b")
    guardian.disarm("nobody")
    guardian.close(20.0)
    assert (tmp_path / "a").read_text() == "a 10000"
    assert (tmp_path / "c").read_text() == "c 10000"
    assert sorted(os.listdir(tmp_path)) == ["a", "c"]

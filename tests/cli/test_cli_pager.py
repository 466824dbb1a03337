"""Where a pager begins."""

from __future__ import annotations

import io
import subprocess
from typing import Any

import pytest

from orchestrator.cli.pager import output


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("pager", "at_end", "arguments"),
    [
        ("less -S", True, ["less", "-S", "+G"]),
        ("less", False, ["less"]),
        ("more", True, ["more"]),
    ],
)
def test_less_is_told_to_begin_at_the_end(
    pager: str, at_end: bool, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others would take for the name of a file they aren't given."""
    begun: list[list[str]] = []

    class Pager:
        def __init__(self, command: list[str], **options: Any) -> None:
            begun.append(command)
            self.stdin = io.StringIO()

        def wait(self) -> None:
            pass

    monkeypatch.setenv("ORCH_PAGER", pager)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setattr(subprocess, "Popen", Pager)
    with output(paged=True, at_end=at_end) as write:
        write("text")
    assert begun == [arguments]

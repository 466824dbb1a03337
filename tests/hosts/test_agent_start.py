"""How an agent begins, and what it says of what it can't begin with."""

from __future__ import annotations

import subprocess
import sys
import types
from typing import Any

import msgspec
import pytest

from orchestrator.agent import __main__ as start
from orchestrator.dask import task
from orchestrator.hosts import first_line
from orchestrator.hosts.messages import PROTOCOL, Start

LINE = Start(
    PROTOCOL, "1", "lab", "far", "tcp://127.0.0.1:1", "s" * 40, "p" * 40, "x" * 40, "t", 1.0
)


def given(monkeypatch: pytest.MonkeyPatch, line: bytes) -> int:
    monkeypatch.setattr(first_line, "first_line", lambda fd: line)
    return start.main()


def test_what_is_no_line_of_a_rig_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert given(monkeypatch, b"hello\n") == 2
    assert "started by a rig" in capsys.readouterr().err


def test_another_release_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = msgspec.structs.replace(LINE, protocol=PROTOCOL + 1, release="9")
    assert given(monkeypatch, msgspec.json.encode(other)) == 2
    assert "the rig 9" in capsys.readouterr().err


def test_its_secrets_are_in_no_repr() -> None:
    assert "x" * 40 not in repr(LINE)


def test_it_is_run_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator.agent import agent

    class Made:
        def __init__(self, line: Start, lifeline: int) -> None:
            assert (line, lifeline) == (LINE, 0)

        def run(self) -> int:
            return 7

    monkeypatch.setattr(agent, "Agent", Made)
    assert given(monkeypatch, msgspec.json.encode(LINE)) == 7


def test_a_task_of_dask_tells_how_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    fake: Any = types.ModuleType("distributed")
    fake.secede = lambda: None
    monkeypatch.setitem(sys.modules, "distributed", fake)
    real = subprocess.Popen
    said = "import sys; print('before', sys.stdin.readline(), file=sys.stderr); sys.exit(3)"

    def popen(command: list[str], **kwargs: Any) -> Any:
        assert command[1:] == ["-m", "orchestrator.agent"]
        return real([sys.executable, "-c", said], **kwargs)

    monkeypatch.setattr(task.subprocess, "Popen", popen)
    with pytest.raises(task.AgentEnded, match="3\nbefore line"):
        task.run("line\n")

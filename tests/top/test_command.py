"""`orch top` where it can't be shown: one line says why, and what there is instead."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from orchestrator.cli import show
from orchestrator.cli.main import status_of
from orchestrator.top import command


def test_without_its_library_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert status_of(["top"]) == 2
    assert capsys.readouterr().err == (
        "error: orch top needs textual: pip install 'orch[top]'; "
        "without it there is orch status -f\n"
    )


def test_without_a_terminal_it_says_what_there_is_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["top"]) == 2
    assert "orch top needs a terminal; else there is orch status" in capsys.readouterr().err


def test_without_a_keyboard_it_says_what_there_is_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `orch top < /dev/null`, whose end its library would read for ever."""
    monkeypatch.setattr(show, "is_terminal", lambda: True)
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert status_of(["top"]) == 2
    assert "orch top needs a terminal" in capsys.readouterr().err


def test_its_pace_has_a_limit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "is_terminal", lambda: True)
    assert status_of(["top", "--every", "1ms"]) == 2
    assert "the least is 0.1s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [("0", "the least is 0.1s"), ("null", "is not a duration"), ("x", "is not a duration")],
)
def test_nor_is_it_no_time_or_no_limit(
    text: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for asked in (["top"], ["status", "-f"]):
        assert status_of([*asked, "--every", text]) == 2
        assert told in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["dumb", "unknown"])
def test_a_terminal_that_can_t_be_drawn_on_is_left_alone(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "is_terminal", lambda: True)
    monkeypatch.setenv("TERM", kind)
    assert status_of(["top"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"TERM={kind} is none that can; else there is orch status -f" in err


def test_a_rig_that_is_not_there_is_told_before_the_screen_is_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "is_terminal", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("ORCH_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("ORCH_RIG", raising=False)
    assert status_of(["top"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")

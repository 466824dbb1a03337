"""`orch otlp`: by hand, run by a rig, and where its extra lacks."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from orchestrator.cli import otlp
from orchestrator.cli.failures import Exit
from orchestrator.cli.main import status_of
from orchestrator.names import STATE_VARIABLE
from tests.gateway.otlp_receiver import receiving
from tests.logs.log_kit import fill, record
from transports.levels import SPAN_LOGGER


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of a rig that is down."""
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path))
    folder = tmp_path / "lab" / "logs"
    folder.mkdir(parents=True)
    fields = {"outcome": "done", "waited": 0.0, "seconds": 1.0}
    fill(folder, [record("done", request="1", member="move", logger=SPAN_LOGGER, fields=fields)])
    return folder


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sending", "otlp"):
        monkeypatch.delitem(sys.modules, f"orchestrator.gateway.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    assert status_of(["otlp", "--rig", "lab"]) == Exit.USAGE
    told = "error: orch otlp needs more than is installed: pip install 'orch[otel]'\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(
    "to", ["127.0.0.1:4318", "ftp://lab", "http://", "http://lab:0", "http://lab:x", "http://u@lab"]
)
def test_an_address_that_is_none_is_refused(to: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["otlp", "--rig", "lab", "--to", to]) == Exit.USAGE
    assert 'write one such as "http://127.0.0.1:4318"' in capsys.readouterr().err


def test_what_a_rig_that_is_down_has_recorded_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        monkeypatch.setattr("orchestrator.gateway.spans.LINGER", 0.0)
        monkeypatch.setattr(otlp, "_wait", lambda seconds: bool(receiver.spans()))
        assert status_of(["otlp", "--rig", "lab", "--to", f"{receiver.url}/"]) == Exit.DONE
        assert [span.name for span in receiver.spans()] == ["stage.move worker", "stage.move"]


def test_it_ends_with_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(write)
    with os.fdopen(read) as ended, receiving() as receiver:
        monkeypatch.setattr(sys, "stdin", ended)
        told = ["otlp", "--rig", "lab", "--to", receiver.url, "--lifeline"]
        assert status_of(told) == Exit.DONE
        assert len(receiver.named("stage.move")) == 1


def test_by_hand_it_goes_on_until_it_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    assert otlp._wait(0.5) is False
    assert waited == [0.5]

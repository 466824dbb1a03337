"""The process that sends traces: what it is told, and what it lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.loader import RigConfig, load
from orchestrator.rig import trace_sender
from orchestrator.rig.trace_sender import TraceSender
from transports.errors import AddressError

NOBODY: Any = None


def config(folder: Path, traces: str = 'traces: {to: "http://127.0.0.1:4318/"}') -> RigConfig:
    file = folder / "lab.yaml"
    file.write_text(f"rig: r\n{traces}\nworkers: {{a: 'a:B'}}\n")
    return load(file)


def sender(config: RigConfig) -> TraceSender:
    return TraceSender(config, NOBODY, lambda level, text, fields: None)


def test_what_it_is_told(tmp_path: Path) -> None:
    found = sender(config(tmp_path))
    found.check()
    assert found.process.is_away
    _, *told = found.process._command
    assert told == [
        *("-m", "orchestrator", "otlp", "--rig", "r"),
        *("--to", "http://127.0.0.1:4318", "--lifeline"),
    ]


@pytest.mark.parametrize("module", ["opentelemetry.not_there", "not_there.at_all"])
def test_what_it_lacks_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setattr(trace_sender, "TRACES", (module,))
    with pytest.raises(AddressError, match=r"isn't installed: pip install 'orch\[otel\]'"):
        sender(config(tmp_path)).check()


def test_without_the_key_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_sender, "TRACES", ("not_there",))
    found = sender(config(tmp_path, ""))
    found.check()
    found.process.start()
    assert (found.process.is_away, found.process.pid) == (False, None)
    found.process.close()

"""How long a worker's start and end may take, and whether a start is tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.config_kit import load_text, problems_of

RIG = "rig: bench\ndefaults: {stop_timeout: 2s}\nworkers:\n  a: {driver: 'm:A'%s}\n"


def test_defaults(tmp_path: Path) -> None:
    """30 s to start, what the rig's defaults say to stop, and starts are tried again."""
    worker = load_text(tmp_path, RIG % "").workers["a"]
    assert (worker.start_timeout, worker.stop_timeout, worker.retry_start) == (30.0, 2.0, True)


def test_own(tmp_path: Path) -> None:
    """A worker's own values; a start may take for ever."""
    text = RIG % ", start_timeout: null, stop_timeout: 1min, retry_start: false"
    worker = load_text(tmp_path, text).workers["a"]
    assert (worker.start_timeout, worker.stop_timeout, worker.retry_start) == (None, 60.0, False)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("stop_timeout: null", '"stop_timeout": it must have an end: write a duration such as 10s'),
        ("stop_timeout: soon", '"stop_timeout": "soon" is not a duration'),
        ("retry_start: 1", '"retry_start" must be true or false, not the number 1'),
    ],
)
def test_what_they_can_t_be(tmp_path: Path, keys: str, text: str) -> None:
    """Told with what they can be."""
    (problem,) = problems_of(tmp_path, RIG % f", {keys}")
    assert text in str(problem)

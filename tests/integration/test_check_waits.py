"""Imports of drivers that take long or hang, and extras that lack."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import orchestrator.check.probe
from orchestrator.check import extras
from orchestrator.check.drivers import check
from orchestrator.check.hanging import place_of
from orchestrator.config.loader import load
from tests.integration.test_check import CAMERA, HANGS, expect, lab

pytestmark = pytest.mark.measured

PROBE = orchestrator.check.probe.__file__


def test_an_import_has_no_longer_than_the_start_that_it_is_part_of(tmp_path: Path) -> None:
    """And where it hangs is told of what can be mended: the config's own, if that is on the way."""
    expect(
        tmp_path,
        '  a: {driver: §"mine:X", start_timeout: 6}\n',
        f'importing "mine" did not end within 6 s, it is at mine.py:3; {HANGS}',
        mine="# a device\nimport queue\nqueue.Queue().get()\n",
    )


def test_one_that_holds_the_interpreter_is_found_too(tmp_path: Path) -> None:
    expect(
        tmp_path,
        '  a: {driver: §"held:X", start_timeout: 6}\n',
        f'importing "held" did not end within 6 s, it is at held.py:2; {HANGS}',
        held="import ctypes\nctypes.PyDLL(None).sleep(60)\n",
    )


def test_what_is_waited_for_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By place and module, and until when."""
    monkeypatch.setattr("orchestrator.check.runner.TOLD_AFTER", 0.7)
    file = lab(
        tmp_path,
        "  a: {driver: 'hangs:f', start_timeout: 2s}\n  b: {driver: 'camera:Camera', args: [1]}\n",
        hangs="import threading\nthreading.Event().wait()\n",
    )
    told: list[str] = []
    check(load(file), tell=told.append)
    about = [re.sub(r"[0-9]+ s so", "… s so", each) for each in told if '"hangs"' in each]
    assert about == [
        f'{file}:3:15: waits for the import of "hangs", … s so far; given up after 2 s'
    ]


def test_a_place_that_is_not_known_is_none(tmp_path: Path) -> None:
    """As where the driver has stacks written itself, or none."""
    config = load(lab(tmp_path, "  a: {driver: 'camera:Camera', args: [1]}\n"))
    assert place_of("", config) is None
    assert place_of('Thread 1\n  File "/x/y.py", line 3 in f\n', config) is None
    assert place_of(f'Thread 1\n  File "{PROBE}", line 3 in f\n', config) is None
    elsewhere = f'Thread 1\n  File "/x/y.py", line 3 in f\n  File "{PROBE}", line 9 in main\n'
    assert place_of(elsewhere, config) == "/x/y.py:3"


@pytest.mark.parametrize(
    ("keys", "room", "places", "told"),
    [
        (
            'listen: [ipc, "http://127.0.0.1:0"]',
            "WEB",
            "2:15",
            "which an http address takes; pip install 'orch[web]'",
        ),
        (
            'traces: {to: "http://127.0.0.1:4318"}',
            "TRACES",
            "2:9",
            "which traces takes; pip install 'orch[otel]'",
        ),
    ],
)
def test_extras_that_are_not_installed_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: str, room: str, places: str, told: str
) -> None:
    (tmp_path / "camera.py").write_text(CAMERA)
    file = tmp_path / "lab.yaml"
    file.write_text(f"rig: bench\n{keys}\nworkers:\n  a: {{driver: 'camera:Camera', args: [1]}}\n")
    assert extras.lacking_extras(load(file)) == []
    monkeypatch.setattr(extras, room, ("no_such_module", "no_such.module", "sys"))
    (problem,) = extras.lacking_extras(load(file))
    assert str(problem.place) == f"{file}:{places}"
    assert problem.message.startswith('"no_such_module", "no_such.module" aren\'t installed')
    assert problem.message.endswith(told)
    file.write_text("rig: bench\nworkers:\n  a: {driver: 'camera:Camera', args: [1]}\n")
    assert extras.lacking_extras(load(file)) == []

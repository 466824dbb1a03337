"""Commands of alarms: run once each time one begins, bounded, and told what happened."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.loader import RigConfig, load
from orchestrator.core.effects import Alarmed
from orchestrator.rig.alarm_commands import AlarmCommands

HOT = Alarmed("oven", "t", "ok", "raised", raised=True, value=61.0, reason="61, above 60")
BEGUN = Alarmed(**{name: getattr(HOT, name) for name in HOT.__struct_fields__} | {"is_new": True})


class Scene:
    """Commands with a loop that turns when it is told to, and a guardian that notes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.watched: dict[int, Callable[[], None]] = {}
        self.later: list[Callable[[], None]] = []
        self.records: list[str] = []
        self.ended: list[int] = []
        scene: Any = self
        self.commands = AlarmCommands(scene, scene, self.record)

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        self.watched[fd] = callback

    def unwatch(self, fd: int) -> None:
        del self.watched[fd]

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self.later.append(call)

    def token(self, worker: str, incarnation: str) -> str:
        return f"secret.{worker}.{incarnation}"

    def gone(self, pid: int, token: str) -> None:
        self.ended.append(pid)

    def record(self, level: str, text: str, fields: dict[str, Any]) -> None:
        assert fields == {"worker": "oven", "alarm": "t"}
        self.records.append(f"{level}: {text}")

    def config(self, run: str) -> RigConfig:
        file = self.folder / "rig.yaml"
        file.write_text(
            "rig: lab\nworkers:\n  oven:\n    driver: a.b:C\n    env: {OWN: mine}\n"
            f"    poll: {{t: 1s}}\n    alarms: {{t: {{above: 60, run: {run}}}}}\n"
        )
        return load(file)

    def finish(self) -> list[str]:
        """Wait for the end of what runs; the records of all time."""
        while self.watched:
            (fd, *_), *_ = select.select([*self.watched], [], [], 30)
            self.watched[fd]()
        return self.records


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.commands.close()


def test_a_command_is_told_what_happened(scene: Scene) -> None:
    """Its output is recorded, also how it ended where that wasn't well."""
    said = "$ORCH_ALARM_RIG $ORCH_ALARM_WORKER.$ORCH_ALARM_MEMBER $ORCH_ALARM_VALUE $OWN"
    config = scene.config(f'[sh, -c, "echo {said}; echo $ORCH_ALARM_REASON >&2; exit 3"]')
    scene.commands.alarmed(config, BEGUN)
    pids = scene.commands.pids
    assert len(pids) == 1
    assert scene.finish() == [
        "info: the alarm's command wrote: lab oven.t 61.0 mine",
        "info: the alarm's command wrote: 61, above 60",
        "error: the alarm's command ended with status 3",
    ]
    assert scene.ended == [*pids]
    assert scene.commands.pids == set()


def test_it_runs_only_when_an_alarm_begins(scene: Scene) -> None:
    scene.commands.alarmed(scene.config("[sleep, '60']"), HOT)
    scene.commands.alarmed(scene.config("null"), BEGUN)
    assert scene.commands.pids == set()


def test_one_that_can_t_be_run_is_told(scene: Scene) -> None:
    scene.commands.alarmed(scene.config("[no-such-command]"), BEGUN)
    (told,) = scene.records
    assert told.startswith("error: the alarm's command can't be run: ")
    assert "no-such-command" in told


def test_one_that_takes_too_long_is_killed_and_has_no_second_beside_it(scene: Scene) -> None:
    config = scene.config("[sleep, '60']")
    scene.commands.alarmed(config, BEGUN)
    scene.commands.alarmed(config, BEGUN)
    (pid,) = scene.commands.pids
    (insist,) = scene.later
    insist()
    assert scene.finish() == [
        f"warning: the alarm's command isn't run: the one before, pid {pid}, still runs",
        "warning: the alarm's command took longer than 30 s: killed",
        "error: the alarm's command ended with signal 9",
    ]
    insist()  # it has ended meanwhile
    assert len(scene.records) == 3

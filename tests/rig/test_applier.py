"""Configs applied to a rig that is told what to do by the test, and files that are saved."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Event, current_thread
from typing import Any

import pytest

from orchestrator.config.loader import RigConfig, load
from orchestrator.core.plan import Change, Plan
from orchestrator.rig.applier import Applier, Changed, in_words
from orchestrator.rig.saves import ConfigSaves, apply_saved

TEXT = 'rig: bench\nworkers:\n  a: {driver: "m:A"}\n'
PLAN = Plan((Change("a", "restart", ("kwargs",)), Change("b", "add"), Change("c", "remove")))


class Told:
    """A rig that goes by what it is told, with these states when it has settled."""

    def __init__(self, config: RigConfig, *states: dict[str, str]) -> None:
        self.config = config
        self.told: list[RigConfig] = []
        self._states = list(states)

    def plan(self, wanted: RigConfig) -> Plan:
        return PLAN

    def change(self, wanted: RigConfig) -> Changed:
        before, self.config = self.config, wanted
        self.told.append(wanted)
        states: Future[dict[str, str]] = Future()
        states.set_result(self._states.pop(0))
        return Changed(PLAN, before, states)

    def reasons(self, names: list[str]) -> dict[str, str]:
        return dict.fromkeys(names, "no device")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "rig.yaml"
    file.write_text(TEXT)
    return file


def applier_of(rig: Told) -> Applier:
    return Applier(rig, lambda question: question())


def test_a_plan_as_plain_values(file: Path) -> None:
    found = applier_of(Told(load(file))).plan(str(file))
    assert found["changes"][0] == {"worker": "a", "what": "restart", "because": ("kwargs",)}
    assert in_words(PLAN) == "~ a (restart: kwargs), + b, - c"
    assert in_words(Plan()) == "nothing differs"


def test_who_failed_is_told_and_stays_without_rollback(file: Path) -> None:
    """One that was removed hasn't failed, whatever its state."""
    rig = Told(load(file), {"a": "BACKOFF", "b": "READY", "c": "FAILED"})
    found = applier_of(rig).apply(str(file), rollback=False)
    assert found["failed"] == {"a": "no device"}
    assert found["rolled_back"] is False
    assert len(rig.told) == 1


def test_all_goes_back_when_one_fails_if_that_is_asked(file: Path) -> None:
    before = load(file)
    rig = Told(before, {"a": "FAILED"}, {"a": "READY"})
    found = applier_of(rig).apply(str(file), rollback=True)
    assert rig.told[-1] is before
    assert (found["rolled_back"], found["states"]) == (True, {"a": "READY"})
    well = Told(before, {"a": "READY"})
    assert applier_of(well).apply(str(file), rollback=True)["rolled_back"] is False


def test_a_config_with_problems_changes_nothing(file: Path) -> None:
    rig = Told(load(file))
    file.write_text("rig: bench\nworkers: 7\n")
    with pytest.raises(ValueError, match=r"nothing was changed.*\n.*rig\.yaml:2:10"):
        applier_of(rig).apply(str(file), rollback=False)
    assert rig.told == []


def test_one_at_a_time(file: Path) -> None:
    rig = Told(load(file), {})
    applier = applier_of(rig)
    refused: list[str] = []

    def reenter(wanted: RigConfig) -> Changed:
        with pytest.raises(BlockingIOError) as caught:
            applier.apply(str(file), rollback=False)
        refused.append(str(caught.value))
        return Told.change(rig, wanted)

    rig.change = reenter  # type: ignore[method-assign]
    applier.apply(str(file), rollback=False)
    assert "another config is being applied" in refused[0]


def test_a_file_that_was_saved(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is applied if it has changed; what the command says is logged, line by line."""
    caplog.set_level(logging.ERROR, "orchestrator")
    monkeypatch.setenv("ORCH_RUNTIME_DIR", str(file.parent / "run"))
    config = load(file)
    apply_saved(config)
    assert caplog.messages == []
    file.write_text("rig: bench\nworkers: 7\n")
    apply_saved(config)
    problem, end = caplog.messages
    assert problem.startswith(f"rig.yaml was saved: {file}:2:10: ")
    assert end.startswith("rig.yaml was saved: error: ")
    assert end.endswith("has 1 problem; the rig is as it was")
    file.rename(file.with_name("away.yaml"))
    caplog.set_level(logging.WARNING, "orchestrator")
    apply_saved(config)
    assert caplog.messages[2:] == [
        f"{file} is gone: the rig goes on by what it said, until it is back"
    ]
    file.with_name("away.yaml").rename(file)
    monkeypatch.setattr(sys, "executable", str(file.parent / "none"))
    apply_saved(config)
    assert "was saved and isn't applied: [Errno 2]" in caplog.messages[-1]


class Turns:
    """A loop whose turns the test takes."""

    def __init__(self) -> None:
        self.watched: dict[int, Callable[[], None]] = {}
        self.later: list[Callable[[], None]] = []
        self.told: list[Callable[[], None]] = []
        self.has_news = Event()

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        self.watched[fd] = callback

    def unwatch(self, fd: int) -> None:
        del self.watched[fd]

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self.later.append(call)

    def tell(self, news: Callable[[], None]) -> None:
        self.told.append(news)
        self.has_news.set()

    def look(self) -> None:
        for callback in self.watched.values():
            callback()

    def settle(self) -> None:
        while self.later:
            self.later.pop(0)()

    def news(self) -> None:
        assert self.has_news.wait(20)
        self.has_news.clear()
        self.told.pop(0)()


def test_saves_are_applied_in_a_thread_one_at_a_time(file: Path) -> None:
    """Two quick ones are one, one that comes meanwhile is another; other files are none."""
    turns, applied, may_go = Turns(), list[Any](), Event()

    def apply() -> None:
        applied.append(current_thread().name)
        assert may_go.wait(20)

    saves = ConfigSaves(turns, turns.tell, file, apply, lambda *_: None)
    saves.start()
    (file.parent / "other.yaml").write_text("")
    turns.look()
    assert turns.later == []
    file.write_text(TEXT)
    turns.look()
    file.write_text(TEXT)
    turns.look()
    assert len(turns.later) == 1
    turns.settle()
    new = file.with_name("new")
    new.write_text(TEXT)
    new.rename(file)
    turns.look()
    turns.settle()
    may_go.set()
    turns.news()
    turns.news()
    assert applied == ["apply", "apply"]
    saves.close()
    assert turns.watched == {}
    saves.close()

"""Who asked for a worker's stacks gets them, or hears why not."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.logs.collect.control import LastLines, Stacks
from orchestrator.rig.looks import Looks
from workers.process.lifeline import HELD, STOPPED

CAME = Stacks("a", 1, "in camera.py:88 expose", "Thread 0x1 (most recent call first):")


class Scene:
    """A rig whose worker `a` lives."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.wrote: list[Any] = []
        self.found: list[dict[str, Any]] = []
        self.later: list[Callable[[], None]] = []
        rig: Any = SimpleNamespace(
            look=lambda worker, now: self.asked.append(worker),
            found=lambda worker, incarnation, **what: self.found.append(what),
            wrote=lambda *told: self.wrote.append(told),
            children={"b": SimpleNamespace(status="BACKOFF")},
        )
        processes: Any = SimpleNamespace(handles={"a": None}, pid=lambda worker: 42)
        self.looks = Looks(rig, processes, lambda seconds, call: self.later.append(call))


def test_what_a_dead_worker_wrote_last_reaches_the_core() -> None:
    scene = Scene()
    scene.looks.heard(LastLines("a", 1, ["no device"]))
    assert scene.wrote == [("a", 1, ["no device"])]


def test_all_who_wait_get_the_stacks() -> None:
    scene = Scene()
    first, second = scene.looks.ask("a"), scene.looks.ask("a")
    scene.looks.heard(CAME)
    assert first.result(0) == second.result(0) == f"{CAME.where}\n\n{CAME.text}"
    assert scene.asked == ["a", "a"]
    assert scene.found == [{"where": "in camera.py:88 expose"}]
    for call in scene.later:  # the time is over, but they have come
        call()
    assert first.exception(0) is None


def test_stacks_that_nobody_asked_for_are_evidence_all_the_same() -> None:
    scene = Scene()
    scene.looks.came(CAME)
    scene.looks.found("a", 1, held=HELD)
    assert scene.found == [{"where": CAME.where}, {"held": HELD}]


def test_one_that_is_stopped_can_not_write_any() -> None:
    scene = Scene()
    future = scene.looks.ask("a")
    scene.looks.found("a", 1, held=STOPPED)
    assert future.result(0).endswith("kill -CONT 42 wakes it")


def test_one_without_a_process_has_none() -> None:
    with pytest.raises(ProcessLookupError, match="worker 'b' has no process: it is BACKOFF"):
        Scene().looks.ask("b")


def test_stacks_that_do_not_come() -> None:
    scene = Scene()
    future = scene.looks.ask("a")
    scene.later[0]()
    with pytest.raises(TimeoutError, match="wrote no stacks within 5 s"):
        future.result(0)

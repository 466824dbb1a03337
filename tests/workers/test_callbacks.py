"""Callbacks are started and stopped as subscribers come and go, whatever the driver does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from workers.errors import Terminated
from workers.serving.callbacks import Callbacks

DESCRIPTION: dict[str, Any] = {"title": "T", "properties": {"level": {}}, "actions": {}}
DESCRIPTION["events"] = {"moved": {}, "broken": {}}


class Source:
    """Takes note of what is done with it."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.emits: list[Callable[[Any], None]] = []
        self.starts = 0
        self.subject = (id(self), "")

    def start(self, emit: Callable[[Any], None]) -> Callable[[], None]:
        self.starts += 1
        if self.error is not None:
            raise self.error
        self.emits.append(emit)

        def stop() -> None:
            self.emits.remove(emit)
            if self.starts > 1:
                raise OSError("it is gone")

        return stop


class Desk:
    def __init__(self, **sources: Source) -> None:
        self.told: list[tuple[str, str, Any]] = []
        self.wanted: set[str] = set()
        self.callbacks = Callbacks(
            self.publish,
            lambda name, value: self.told.append(("change", name, value)),
            lambda topic: topic in self.wanted,
        )
        self.callbacks.offer(sources, DESCRIPTION)

    def publish(self, name: str, value: Any) -> None:
        if isinstance(value, object) and type(value) is object:
            raise TypeError("no form")
        self.told.append(("event", name, value))

    def want(self, *topics: str) -> None:
        self.wanted = set(topics)
        self.callbacks.adjust()


def test_they_run_while_they_are_wanted() -> None:
    level, moved = Source(), Source()
    desk = Desk(level=level, moved=moved)
    assert desk.callbacks
    desk.want("moved", "level_change_event")
    level.emits[0](1.5)
    moved.emits[0](None)
    assert desk.told == [("change", "level", 1.5), ("event", "moved", None)]
    desk.want("moved")
    assert (level.emits, len(moved.emits)) == ([], 1)
    again = Source()
    again.subject = moved.subject
    desk.callbacks.offer({"moved": again}, DESCRIPTION)
    assert len(moved.emits) == 1  # of the same thing: it runs on
    desk.callbacks.offer({"moved": Source()}, DESCRIPTION)
    assert moved.emits == []
    desk.callbacks.offer({}, DESCRIPTION)
    assert moved.emits == []
    assert not desk.callbacks


def test_one_that_fails_is_told_once_and_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    broken, moved = Source(OSError("no line")), Source()
    desk = Desk(broken=broken, moved=moved)
    desk.want("broken", "moved")
    desk.want("broken", "moved")
    assert (broken.starts, moved.starts) == (1, 1)
    assert caplog.text.count("broken can't be subscribed to") == 1
    desk.want()
    desk.want("moved")
    desk.want()
    assert "the subscription to moved can't be ended" in caplog.text


def test_what_cannot_be_sent_is_told_once_and_not_to_the_device(
    caplog: pytest.LogCaptureFixture,
) -> None:
    moved = Source()
    desk = Desk(moved=moved)
    desk.want("moved")
    for _ in range(3):
        moved.emits[0](object())
    assert desk.told == []
    assert caplog.text.count("what moved calls back with can't be published: no form") == 1


def test_the_supervisors_signal_gets_through() -> None:
    desk = Desk(moved=Source(Terminated()))
    with pytest.raises(Terminated):
        desk.want("moved")

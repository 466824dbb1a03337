from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from workers import BoundEvent, Event, action, prop
from workers.driver.markers import ACTION_MARK


class Stage:
    moved = Event("it moved", data=float)

    def __init__(self) -> None:
        self._position = 0.0

    @prop(unit="mm", observable=True)
    def position(self) -> float:
        """Where it is."""
        return self._position

    @position.setter
    def position(self, value: float) -> None:
        self._position = value

    @position.deleter
    def position(self) -> None:
        self._position = 0.0

    @prop
    def plain(self) -> int:
        return 1

    @action
    def home(self) -> str:
        return "home"

    @action(concurrent=True)
    def abort(self) -> str:
        return "aborted"


def test_a_marked_property_is_a_property():
    stage = Stage()
    stage.position = 2.5
    assert stage.position == 2.5
    del stage.position
    assert stage.position == 0.0
    assert isinstance(Stage.position, property)
    assert Stage.position.__doc__ == "Where it is."


def test_options_survive_setter_and_deleter():
    assert (Stage.position.unit, Stage.position.observable) == ("mm", True)
    assert Stage.position.fset is not None
    assert Stage.position.fdel is not None
    assert (Stage.plain.unit, Stage.plain.observable) == (None, False)


def test_a_property_takes_its_getter_once():
    with pytest.raises(TypeError, match="getter"):
        Stage.plain(lambda self: 2)


def test_a_read_only_property_refuses_as_any_other():
    with pytest.raises(AttributeError):
        Stage().plain = 3


def test_marked_methods_stay_methods():
    stage = Stage()
    assert (stage.home(), stage.abort()) == ("home", "aborted")
    assert getattr(Stage.home, ACTION_MARK) is False
    assert getattr(Stage.abort, ACTION_MARK) is True


def test_an_event_nobody_waits_for_is_harmless():
    Stage().moved.emit(1.0)


def test_each_object_has_its_own_event():
    one, other = Stage(), Stage()
    heard: list[float] = []
    one.moved.subscribe(heard.append)
    other.moved.emit(1.0)
    one.moved.emit(2.0)
    assert heard == [2.0]
    assert isinstance(one.moved, BoundEvent)
    assert one.moved is one.moved
    assert isinstance(Stage.moved, Event)


def test_a_subscription_ends_alone():
    stage = Stage()
    first: list[float] = []
    second: list[float] = []
    end = stage.moved.subscribe(first.append)
    stage.moved.subscribe(second.append)
    end()
    end()
    stage.moved.emit(3.0)
    assert (first, second) == ([], [3.0])


def test_an_attached_event_publishes_and_a_detached_one_does_not():
    stage = Stage()
    published: list[object] = []
    stage.moved.emit("before")
    stage.moved.attach(published.append)
    stage.moved.emit("during")
    stage.moved.attach(None)
    stage.moved.emit("after")
    assert published == ["during"]


def test_publishing_does_not_depend_on_local_subscribers():
    stage = Stage()
    published: list[object] = []
    stage.moved.attach(published.append)

    def broken(value: object) -> None:
        raise RuntimeError("not my day")

    stage.moved.subscribe(broken)
    with pytest.raises(RuntimeError, match="not my day"):
        stage.moved.emit(1)
    assert published == [1]


def test_threads_that_come_at_once_get_the_same_event():
    stage = Stage()
    barrier = threading.Barrier(8)
    found: list[BoundEvent] = []

    def look() -> None:
        barrier.wait()
        found.append(stage.moved)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(event) for event in found}) == 1


def test_an_event_that_is_made_for_one_object_is_its_own():
    class Loose:
        def __init__(self) -> None:
            self.moved = Event()

    one, other = Loose(), Loose()
    heard: list[object] = []
    end = one.moved.subscribe(heard.append)
    one.moved.emit(1.0)
    other.moved.emit(2.0)
    end()
    one.moved.emit(3.0)
    assert heard == [1.0]


def test_an_event_of_a_class_is_emitted_by_its_objects_alone():
    with pytest.raises(TypeError, match=r"of a class: .* such as self\.moved"):
        Stage.moved.emit(1.0)
    with pytest.raises(TypeError, match="of a class"):
        Stage.moved.subscribe(print)


def test_an_event_of_an_object_cannot_be_replaced():
    with pytest.raises(AttributeError, match="'moved' can't be replaced"):
        Stage().moved = 3  # type: ignore[assignment]


def test_a_dataclass_may_annotate_its_event():
    @dataclass
    class Counter:
        start: int = 0
        ticked: Event = Event()  # noqa: RUF009

    counter = Counter(3)
    heard: list[object] = []
    counter.ticked.subscribe(heard.append)
    counter.ticked.emit(4)
    assert heard == [4]
    assert counter.start == 3


def test_objects_with_slots_need_a_weak_reference():
    class Closed:
        __slots__ = ("x",)
        ticked = Event()

    class Open:
        __slots__ = ("__weakref__", "x")
        ticked = Event()

    with pytest.raises(TypeError, match="add '__weakref__'"):
        Closed().ticked.emit(1)
    one, other = Open(), Open()
    heard: list[object] = []
    one.ticked.subscribe(heard.append)
    other.ticked.emit(1)
    one.ticked.emit(2)
    assert heard == [2]


def test_an_event_forgets_objects_with_slots():
    class Open:
        __slots__ = ("__weakref__",)
        ticked = Event()

    for _ in range(3):
        Open().ticked.emit(1)
    assert not Open.ticked._detached

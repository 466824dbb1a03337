"""What a driver that was built offers, and that finding it out touches no device."""

from __future__ import annotations

import functools
import logging
import queue
import socket
import sys
import threading
import time
import types
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import pytest

from workers import BoundEvent, Event, action, prop
from workers.driver.describe import concurrent_members
from workers.driver.offer import DEPTH, MOST, Offer, offer_of
from workers.errors import SpecError
from workers.failures import Refused


class Mode(Enum):
    CW = "cw"


@dataclass
class Settings:
    """A value: it has fields and nothing to call."""

    gain: float = 1.0


class Channel:
    """One output."""

    moved = Event("at rest", data=float)

    def __init__(self, name: str, parent: Any = None) -> None:
        self.name = name
        self.voltage = 0.0
        self.parent = parent
        self._secret = 1

    @property
    def current(self) -> float:
        raise AssertionError("describing evaluates no property")

    def ramp(self, to: float) -> float:
        self.voltage = to
        return to

    @action(concurrent=True)
    def abort(self) -> None: ...


class Function:
    """Can only be called."""

    def __call__(self, x: float) -> float:
        return 2 * x


class Worker(threading.Thread):
    def public(self) -> None: ...


class Supply:
    """An instrument with channels."""

    model = "PS-2"
    LIMIT = 30
    nothing = None
    shared: ClassVar[int] = 0
    annotated: Settings
    fixed: Final[int] = 3

    def __init__(self) -> None:
        self.serial_number = "SN-7"
        self.mode = Mode.CW
        self.wave = np.zeros(3)
        self.settings = Settings()
        self.ch1 = Channel("ch1", self)
        self.channels = [self.ch1, Channel("ch2", self)]
        keys = ("A", 3, "a b", "_x", None)
        self.outputs = {key: Channel(str(key), self) for key in keys}
        self.plain = [1, 2]
        self.twice = Function()
        self.scaled = functools.partial(pow, 2)
        self.later = self.measure
        self.logger = logging.getLogger("supply")
        self.lock = threading.Lock()
        self.thread = Worker()
        self.queue: Any = queue.Queue()
        self.socket: Any = None
        self.module = types
        self.kind = Channel
        self.raw: Any = Foreign()
        self.made = BoundEvent("made")
        self.here = Event("made for one object", data=float)
        self.theirs = Channel.moved
        self.itself = self
        self.annotated = Settings()
        self._hidden = Channel("hidden")

    @property
    def next_error(self) -> str:
        raise AssertionError("describing evaluates no property")

    @functools.cached_property
    def table(self) -> Channel:
        raise AssertionError("describing evaluates no property")

    def measure(self) -> float:
        return 1.0

    @staticmethod
    def convert(value: int) -> str:
        return str(value)

    def __call__(self, x: float) -> float:
        """Do it."""
        return x


Foreign = type("Foreign", (), {"__module__": "elsewhere.backend", "query": lambda self: 1})


def members(offer: Offer) -> dict[str, str]:
    """Kind by path, shortened."""
    return {
        path: kind[0]
        for kind in ("properties", "actions", "events")
        for path in offer.description[kind]
    }


@pytest.fixture(scope="module")
def supply() -> Offer:
    return offer_of(Supply())


def test_members_come_from_the_instance(supply: Offer) -> None:
    own = {path: kind for path, kind in members(supply).items() if "." not in path}
    assert own == {
        **dict.fromkeys(("model", "LIMIT", "annotated", "fixed", "serial_number", "mode"), "p"),
        **dict.fromkeys(("wave", "settings", "plain", "next_error", "table"), "p"),
        **dict.fromkeys(("measure", "convert", "twice", "scaled", "later", "call"), "a"),
        **dict.fromkeys(("made", "here"), "e"),
    } | ({"socket": "p"})


def test_an_event_that_an_object_makes_is_described_and_published(supply: Offer) -> None:
    """As one of its class is, though no class tells its name."""
    described = supply.description["events"]["here"]
    assert described == {"description": "made for one object", "data": {"type": "number"}}
    heard: list[object] = []
    supply.events["here"].attach(heard.append)
    (driver, *_) = supply.parts.values()
    driver.here.emit(1.5)  # type: ignore[attr-defined]
    assert heard == [1.5]
    assert "theirs" not in supply.description["events"]


def test_what_a_driver_works_with_is_no_member(supply: Offer) -> None:
    for name in ("logger", "lock", "thread", "queue", "module", "kind", "raw", "itself"):
        assert not any(path.partition(".")[0] == name for path in supply.targets), name


def test_stored_attributes_are_writable_properties(supply: Offer) -> None:
    properties = supply.description["properties"]
    assert properties["serial_number"] == {"type": "string"}
    assert properties["LIMIT"] == {"type": "number", "readOnly": True}
    assert properties["fixed"]["readOnly"] is True
    assert properties["mode"]["enum"] == ["cw"]
    assert properties["wave"]["orch:contentType"] == "application/x-npy"
    supply.targets["serial_number"].set("SN-8")
    assert supply.targets["serial_number"].get() == "SN-8"


def test_what_is_called_is_an_action(supply: Offer) -> None:
    actions = supply.description["actions"]
    assert actions["call"]["orch:signature"] == "(x: float) -> float"
    assert actions["call"]["description"] == "Do it."
    assert actions["twice"]["orch:signature"] == "(x: float) -> float"
    assert supply.targets["call"].function()(3.0) == 3.0
    assert supply.targets["twice"].function()(3.0) == 6.0
    assert supply.targets["scaled"].function()(3) == 8
    assert supply.targets["later"].function()() == 1.0


def test_parts_are_nested_at_all_their_shortest_paths(supply: Offer) -> None:
    parts = supply.description["orch:parts"]
    assert set(parts) == {
        *("ch1", "channels[0]", "channels[1]"),
        *("outputs[A]", "outputs[3]", "outputs['a b']"),
    }
    assert parts["ch1"] == {"title": "Channel", "description": "One output."}
    for part in parts:
        found = {path for path in supply.targets if path.startswith(f"{part}.")}
        names = ("name", "voltage", "current", "ramp", "abort", "moved")
        assert found == {f"{part}.{name}" for name in names}


def test_a_path_is_resolved_at_each_use() -> None:
    driver = Supply()
    offer = offer_of(driver)
    assert offer.targets["channels[0].ramp"].function()(2.5) == 2.5
    assert offer.targets["ch1.voltage"].get() == 2.5
    assert offer.targets["channels[1].voltage"].get() == 0.0
    driver.ch1 = Channel("another")
    assert offer.targets["ch1.voltage"].get() == 0.0
    assert offer.targets["outputs['a b'].name"].get() == "a b"


def test_markers_and_configuration_by_path(supply: Offer) -> None:
    assert set(concurrent_members(supply.description)) == {
        f"{part}.abort" for part in supply.description["orch:parts"]
    }
    driver = Supply()
    found = offer_of(driver, concurrent=["channels[1].ramp", "ch1.voltage"])
    assert {"channels[1].ramp", "ch1.voltage"} <= set(concurrent_members(found.description))
    assert not found.description["actions"]["ch1.ramp"]["orch:concurrent"]
    with pytest.raises(SpecError, match=r"did you mean 'channels\[1\].ramp'"):
        offer_of(driver, concurrent=["channels[2].ramp"], place="lab.yaml:1:2")
    assert offer_of(driver, concurrent=["channels[2].ramp"], is_strict=False)


def test_a_socket_is_none_of_them() -> None:
    driver = Supply()
    with socket.socket() as driver.socket:
        assert "socket" not in offer_of(driver).targets


class Node:
    def __init__(self, depth: int = 0) -> None:
        self.depth = depth
        self.others: list[Any] = []
        self.shared: Any = None


def test_cycles_end() -> None:
    nodes = [Node(index) for index in range(8)]
    for node in nodes:
        node.others = nodes

    class Net:
        def __init__(self) -> None:
            self.nodes = nodes

    offer = offer_of(Net())
    assert set(offer.description["orch:parts"]) == {f"nodes[{index}]" for index in range(8)}
    looped: list[Any] = []
    looped.append(looped)
    nodes[0].others = [looped, *nodes]
    assert set(offer_of(Net()).description["orch:parts"]) == set(offer.description["orch:parts"])


def test_what_siblings_share_is_found_at_each() -> None:
    one, two, shared = Node(), Node(), Node()
    one.shared = two.shared = shared

    class Pair:
        def __init__(self) -> None:
            self.one, self.two = one, two

    assert {"one.shared.depth", "two.shared.depth"} <= set(offer_of(Pair()).targets)


def test_depth_is_bounded_and_told(caplog: pytest.LogCaptureFixture) -> None:
    top = node = Node()
    for depth in range(1, 9):
        node.shared = Node(depth)
        node = node.shared
    offer = offer_of(top)
    deepest = ".".join(["shared"] * DEPTH)
    assert f"{deepest}.depth" in offer.targets
    assert f"{deepest}.shared" not in offer.description["orch:parts"]
    assert f"{deepest}.shared, which lies deeper than {DEPTH}" in offer.description["orch:cut"]
    assert offer.description["orch:cut"] in caplog.text


def test_a_part_under_a_key_that_no_path_has_is_told(caplog: pytest.LogCaptureFixture) -> None:
    class Mapping:
        def __init__(self) -> None:
            self.map = {"A": Node(), 3: Node(), (1, 2): Node(), 2.5: 7, "_hidden": Node()}

    offer = offer_of(Mapping())
    assert set(offer.description["orch:parts"]) == {"map[A]", "map[3]"}
    told = "not described: a part in map whose key is no text or int but tuple"
    assert offer.description["orch:cut"] == told
    assert told in caplog.text


def test_many_members_are_bounded_and_take_time_in_proportion() -> None:
    class Big:
        def __init__(self, count: int) -> None:
            self.channels = [Channel(str(index), self) for index in range(count)]

    def took(count: int) -> float:
        begin = time.thread_time()
        assert len(offer_of(Big(count)).targets) == 6 * count
        return time.thread_time() - begin

    took(1)  # this imports and describes the classes
    few = min(took(100) for _ in range(3))
    assert took(1000) < 40 * few  # as a square it would be 100 times
    big = Big(1000)
    big.more = [Channel("", big) for _ in range(1000)]  # type: ignore[attr-defined]
    cut = offer_of(big)
    assert len(cut.targets) == MOST
    assert cut.description["orch:cut"] == f"not described: more than {MOST} members"


class Listed:
    """Names that only `__getattr__` knows."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __dir__(self) -> list[str]:
        return ["voltage", "reset", "_private", "no name", "asked", "hello"]

    def __getattr__(self, name: str) -> Any:
        vars(self)["asked"].append(name)
        return {"voltage": 1.5, "reset": lambda: "done"}[name]

    def hello(self) -> str:
        return "here"


def test_names_that_dir_gives_are_classed_at_their_use() -> None:
    driver = Listed()
    offer = offer_of(driver)
    assert driver.asked == []
    assert members(offer) == {"asked": "p", "hello": "a", "voltage": "p", "reset": "p"}
    assert offer.description["properties"]["reset"] == {
        "orch:dynamic": True,
        "orch:callable": True,
    }
    assert offer.targets["voltage"].get() == 1.5
    assert offer.targets["voltage"].function()() == 1.5
    assert offer.targets["reset"].function()() == "done"
    with pytest.raises(Refused, match="'reset' is an action"):
        offer.targets["reset"].get()


def test_a_dir_that_raises_costs_what_it_names_only(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def __dir__(self) -> list[str]:
            raise OSError("no line")

        def ask(self) -> None: ...

    assert set(offer_of(Broken()).targets) == {"ask"}
    assert "__dir__ of Broken raised OSError: no line" in caplog.text


class Trap:
    """Tells on whoever touches it by anything but its name."""

    def __init__(self) -> None:
        self.value = 1
        self.part: Any = None

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")


class Descriptor:
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        raise AssertionError("read")

    def __set__(self, instance: Any, value: Any) -> None: ...


def test_describing_asks_an_object_for_nothing() -> None:
    class Holder:
        data = Descriptor()

        def __init__(self) -> None:
            self.trap = Trap()

        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"{name} was asked for")

    offer = offer_of(Holder())
    assert set(offer.targets) == {"data", "trap.value", "trap.part"}


class Memory(Sequence[float]):
    """A list whose items are in the device."""

    def __len__(self) -> int:
        raise AssertionError("asked")

    def __getitem__(self, index: Any) -> Any:
        raise AssertionError("asked")


class Kept(list[Any]):
    def __iter__(self) -> Any:
        raise AssertionError("asked")

    def __getitem__(self, index: Any) -> Any:
        return list.__getitem__(self, index)


class Table(dict[str, Any]):
    def items(self) -> Any:
        raise AssertionError("asked")


def test_items_are_those_that_are_stored() -> None:
    class Holder:
        def __init__(self) -> None:
            self.memory = Memory()
            self.kept = Kept([Slotted()])
            self.table = Table(a=Slotted())

    offer = offer_of(Holder())
    assert {"kept[0].gain", "table[a].gain", "memory.index"} <= set(offer.targets)
    assert offer.targets["kept[0].gain"].get() == offer.targets["table[a].gain"].get() == 2.0


class Slotted:
    __slots__ = ("gain", "part", "unset")

    def __init__(self) -> None:
        self.gain = 2.0
        self.part = Channel("in a slot")


def test_slots_are_looked_at_as_they_are_filled() -> None:
    offer = offer_of(Slotted())
    assert offer.targets["gain"].get() == 2.0
    assert "part.voltage" in offer.targets
    assert "unset" not in offer.targets


def test_a_frozen_driver_s_fields_are_read_only() -> None:
    @dataclass(frozen=True)
    class Frozen:
        gain: float
        more: Any = None

        def ask(self) -> float:
            return self.gain

    assert offer_of(Frozen(1.0)).description["properties"]["gain"]["readOnly"] is True


def test_modules_beside_the_driver_s_are_of_its_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lab_channel.py").write_text(
        "class Channel:\n    def __init__(self):\n        self.gain = 1\n"
    )
    (tmp_path / "lab_supply.py").write_text(
        "from lab_channel import Channel\n"
        "class Supply:\n    def __init__(self):\n        self.ch1 = Channel()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import lab_supply  # type: ignore[import-not-found]

    try:
        assert "ch1.gain" in offer_of(lab_supply.Supply()).targets
    finally:
        del sys.modules["lab_supply"], sys.modules["lab_channel"]


# -- parameters


class Parameter:
    """As parameters are in many libraries."""

    def __init__(self, **known: Any) -> None:
        self.value: Any = 0.0
        self.callbacks: list[Any] = []
        vars(self).update(known)

    def get(self) -> Any:
        return self.value

    def set(self, value: Any) -> None:
        self.value = value
        for callback in self.callbacks:
            callback(value=value, old=None)

    def subscribe(self, callback: Any) -> int:
        self.callbacks.append(callback)
        return len(self.callbacks)

    def unsubscribe(self, token: int) -> None:
        self.callbacks.pop(token - 1)


class Put:
    def __init__(self) -> None:
        self.egu = "V"
        self.choices = ("a", "b")
        self.minimum = 0
        self.maximum = 10

    def get(self) -> str:
        return "a"

    def put(self, value: str) -> None: ...


class Dmm:
    def __init__(self) -> None:
        self.voltage = Parameter(unit="V", label="Voltage", limits=(0, 10.5), doc="What it reads.")
        self.range = Put()
        self.values = {"get": 1}
        self.ranges = [Parameter(limits=(0, 0))]

    @prop
    def other(self) -> float:
        return 1.0


def test_a_parameter_is_one_property() -> None:
    driver = Dmm()
    offer = offer_of(driver)
    assert members(offer) == dict.fromkeys(
        ("voltage", "range", "ranges[0]", "values", "other"), "p"
    )
    properties = offer.description["properties"]
    assert properties["voltage"] == {
        "orch:callable": True,
        "type": "number",
        "minimum": 0,
        "maximum": 10.5,
        "unit": "V",
        "title": "Voltage",
        "description": "What it reads.",
        "observable": True,
    }
    assert properties["range"] == {
        "orch:callable": True,
        "type": "number",
        "minimum": 0,
        "maximum": 10,
        "enum": ["a", "b"],
        "unit": "V",
    }
    assert "minimum" not in properties["ranges[0]"]
    voltage = offer.targets["voltage"]
    voltage.set(2.0)
    assert voltage.get() == voltage.function()() == 2.0
    voltage.function()(3.0)
    assert driver.voltage.value == 3.0
    with pytest.raises(Refused, match="one value at most"):
        voltage.function()(1, 2)


def test_its_callbacks_come_while_it_is_subscribed_to() -> None:
    driver = Dmm()
    source = offer_of(driver).sources["voltage"]
    got: list[Any] = []
    stop = source.start(got.append)
    driver.voltage.set(4.0)
    stop()
    driver.voltage.set(5.0)
    assert got == [4.0]
    assert driver.voltage.callbacks == []

from __future__ import annotations

import enum
import functools
import types
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from workers import Event, action, prop
from workers.driver.describe import Description, concurrent_members, describe
from workers.errors import SpecError

if TYPE_CHECKING:
    from nowhere import Unknown


def names(description: Description) -> tuple[set[str], set[str], set[str]]:
    return (
        set(description["properties"]),
        set(description["actions"]),
        set(description["events"]),
    )


class Axis:
    """An axis.

    It has a motor.
    """

    VERSION = 3
    limits: tuple[float, float] = (0.0, 1.0)
    label: str
    count: ClassVar[int] = 0
    serial: Final[str] = "a1"
    _secret: int = 0
    module = types

    moved = Event("at rest", data=float)
    _hidden = Event()

    class Nested:
        pass

    @property
    def position(self) -> float:
        """Where it is."""
        raise AssertionError("describing evaluates no property")

    @prop(unit="mm/s", observable=True, description="How fast it goes.")
    def speed(self) -> float:
        raise AssertionError("describing evaluates no property")

    @speed.setter
    def speed(self, value: float) -> None: ...

    @functools.cached_property
    def table(self) -> list[int]:
        """Computed once."""
        raise AssertionError("describing evaluates no property")

    def move(self, x: float, speed: float = 1.0, *, wait: bool = True, **more: Any) -> None:
        """Go there."""

    async def search(self, pattern: Literal["a", "b"]) -> dict[str, int]:
        return {}

    @staticmethod
    def convert(value: int) -> str:
        return str(value)

    @classmethod
    def known(cls, first: str = "x") -> list[str]:
        return []

    nudge = functools.partialmethod(move, 0.5, wait=False)

    @action(concurrent=True)
    def abort(self) -> None: ...

    def _private(self) -> None: ...

    def __call__(self) -> None: ...


def test_members_are_found_by_kind():
    properties, actions, events = names(describe(Axis))
    assert properties == {"limits", "label", "serial", "position", "speed", "table"}
    assert actions == {"move", "search", "convert", "known", "nudge", "abort"}
    assert events == {"moved"}


def test_title_and_docs():
    description = describe(Axis)
    assert description["title"] == "Axis"
    assert description["description"] == "An axis.\n\nIt has a motor."
    assert description["properties"]["position"]["description"] == "Where it is."
    assert description["properties"]["speed"]["description"] == "How fast it goes."
    assert description["actions"]["move"]["description"] == "Go there."
    assert description["events"]["moved"] == {"description": "at rest", "data": {"type": "number"}}


def test_properties_say_type_unit_and_who_may_write():
    properties = describe(Axis)["properties"]
    assert properties["position"] == {
        "type": "number",
        "description": "Where it is.",
        "readOnly": True,
    }
    assert properties["speed"] == {
        "type": "number",
        "description": "How fast it goes.",
        "unit": "mm/s",
        "observable": True,
    }
    assert properties["table"]["readOnly"] is True
    assert properties["serial"] == {"type": "string", "readOnly": True}
    assert properties["label"] == {"type": "string"}
    assert properties["limits"]["items"] == [{"type": "number"}, {"type": "number"}]


def test_an_action_says_what_it_takes_and_gives():
    actions = describe(Axis)["actions"]
    assert actions["move"]["input"] == {
        "type": "object",
        "properties": {
            "x": {"type": "number"},
            "speed": {"type": "number", "default": 1.0},
            "wait": {"type": "boolean", "default": True},
        },
        "required": ["x"],
        "additionalProperties": True,
    }
    assert actions["move"]["output"] == {"type": "null"}
    assert actions["search"]["input"]["properties"] == {"pattern": {"enum": ["a", "b"]}}
    assert actions["search"]["output"] == {
        "type": "object",
        "additionalProperties": {"type": "integer"},
    }
    assert "input" not in actions["abort"]


def test_signatures_read_as_written():
    actions = describe(Axis)["actions"]
    signatures = {name: actions[name]["orch:signature"] for name in actions}
    assert signatures == {
        "move": "(x: float, speed: float = 1.0, *, wait: bool = True, **more: Any) -> None",
        "search": '(pattern: Literal["a", "b"]) -> dict[str, int]'.replace('"', "'"),
        "convert": "(value: int) -> str",
        "known": "(first: str = 'x') -> list[str]",
        "nudge": "(speed: float = 1.0, *, wait: bool = False, **more: Any) -> None",
        "abort": "() -> None",
    }


def test_a_static_method_keeps_its_first_parameter():
    actions = describe(Axis)["actions"]
    assert actions["convert"]["input"]["required"] == ["value"]
    assert "required" not in actions["known"]["input"]


def test_a_description_is_json():
    description = describe(Axis)
    assert msgspec.json.decode(msgspec.json.encode(description)) == description


def test_concurrent_members_come_from_marker_and_configuration():
    assert concurrent_members(describe(Axis)) == ("abort",)
    found = describe(Axis, concurrent=["position", "search"])
    assert concurrent_members(found) == ("position", "search", "abort")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("abrt", "; did you mean 'abort'?"), ("moved", "; did you mean 'move'?"), ("_private", "")],
)
def test_an_unknown_concurrent_name_is_an_error_with_its_place(name: str, hint: str):
    with pytest.raises(SpecError) as caught:
        describe(Axis, concurrent=[name], place="lab.yaml:12:13")
    assert str(caught.value) == (
        f"lab.yaml:12:13: concurrent: {name!r} is no property or action of Axis{hint}"
    )


class Derived(Axis):
    label: int  # type: ignore[assignment]
    move = None  # type: ignore[assignment]
    position = 3  # type: ignore[assignment]

    def convert(self, value: bytes) -> None:  # type: ignore[override]
        ...


def test_the_most_derived_class_decides():
    description = describe(Derived)
    properties, actions, _ = names(description)
    assert "move" not in actions
    assert "position" not in properties
    assert {"speed", "search", "known"} <= properties | actions
    assert description["properties"]["label"] == {"type": "integer"}
    assert description["actions"]["convert"]["orch:signature"] == "(value: bytes) -> None"


def test_an_undocumented_override_keeps_its_base_docs():
    class Quiet(Axis):
        def move(self, x: float) -> None:  # type: ignore[override]
            ...

        @property
        def position(self) -> float:
            return 0.0

    description = describe(Quiet)
    assert description["actions"]["move"]["description"] == "Go there."
    assert description["properties"]["position"]["description"] == "Where it is."


def test_builtins_bring_no_members():
    class Table(dict[str, int]):
        def total(self) -> int:
            return sum(self.values())

    class Failure(Exception):
        code: int

    assert names(describe(Table)) == (set(), {"total"}, set())
    assert names(describe(Failure)) == ({"code"}, set(), set())


@dataclass
class Settings:
    gain: float
    channel: int = 1
    tags: list[str] = field(default_factory=list)
    start: InitVar[int] = 0
    shared: ClassVar[int] = 0
    _cache: int = 0

    def reset(self) -> None: ...


@dataclass(frozen=True)
class FrozenSettings:
    gain: float


def test_dataclass_fields_are_properties():
    description = describe(Settings)
    assert names(description) == ({"gain", "channel", "tags"}, {"reset"}, set())
    assert description["properties"]["tags"] == {"type": "array", "items": {"type": "string"}}
    assert describe(FrozenSettings)["properties"]["gain"]["readOnly"] is True


def test_slots_are_properties_when_annotated():
    class Slotted:
        __slots__ = ("plain", "typed")
        typed: int

        def __init__(self) -> None:
            self.plain = 1

    @dataclass(slots=True)
    class SlottedData:
        gain: float

    assert names(describe(Slotted)) == ({"typed"}, set(), set())
    assert describe(SlottedData)["properties"]["gain"] == {"type": "number"}


class Tricky:
    def __init__(self) -> None:
        self.touched: list[str] = []

    def __getattr__(self, name: str) -> Any:
        raise AssertionError("describing looks at no object")

    def __dir__(self) -> list[str]:
        raise AssertionError("describing looks at no object")

    def ask(self, question: str) -> str:
        return question


class Meta(type):
    def __getattr__(cls, name: str) -> Any:
        raise RuntimeError("no questions")


class WithMeta(metaclass=Meta):
    def ask(self) -> None: ...


class Recorder:
    """A data descriptor that tells on whoever reads it."""

    def __init__(self) -> None:
        self.reads = 0

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        self.reads += 1
        raise RuntimeError("don't")

    def __set__(self, instance: Any, value: Any) -> None: ...


class WithDescriptor:
    timeout = Recorder()

    class ReadOnly:
        def __get__(self, instance: Any, owner: Any = None) -> int:
            return 1

        def __delete__(self, instance: Any) -> None: ...

    fixed = ReadOnly()


def test_objects_with_tricks_are_described_by_their_class():
    assert names(describe(Tricky)) == (set(), {"ask"}, set())
    assert names(describe(WithMeta)) == (set(), {"ask"}, set())


def test_a_property_without_getter_is_write_only():
    class Panel:
        def _set(self, value: int) -> None: ...

        secret = property(None, _set, doc="Only written.")
        nothing = property()

    properties = describe(Panel)["properties"]
    assert properties["secret"] == {"description": "Only written.", "writeOnly": True}
    assert properties["nothing"] == {"readOnly": True}


def test_data_descriptors_are_properties_and_are_not_read():
    description = describe(WithDescriptor)
    assert description["properties"] == {"timeout": {}, "fixed": {"readOnly": True}}
    assert vars(WithDescriptor)["timeout"].reads == 0


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Pair(NamedTuple):
    left: int
    right: Pair | None


class Custom: ...


class Exotic:
    unresolvable: Unknown
    nonsense: "1 +"  # noqa: F722
    custom: Custom
    customs: list[Custom]
    image: NDArray[np.uint8]
    frame: np.ndarray[Any, Any]
    for_checkers_only: NotImported[np.ndarray]  # noqa: F821
    pair: Pair
    colour: Colour
    either: int | float
    maybe: float | None
    anything: Any
    number: complex
    tricky: Custom | Colour | Pair

    def call(self, callback: Unknown = print, gain: float = object()) -> Unknown:  # type: ignore[assignment]
        ...

    def positional(self, a: int, /, *rest: str) -> None: ...


def test_exotic_annotations_never_fail():
    properties = describe(Exotic)["properties"]
    array = {"type": "array", "orch:contentType": "application/x-npy"}
    assert properties["unresolvable"] == {}
    assert properties["nonsense"] == {}
    assert properties["custom"] == {"orch:type": "Custom"}
    assert properties["customs"] == {
        "type": "array",
        "items": {"orch:type": "Custom"},
        "orch:python": f"list[{__name__}.Custom]",
    }
    assert properties["image"] == array
    assert properties["frame"] == array
    assert properties["for_checkers_only"] == {}
    assert properties["colour"]["enum"] == ["blue", "red"]
    assert properties["either"] == {"type": "number"}
    assert properties["maybe"] == {"oneOf": [{"type": "number"}, {"type": "null"}]}
    assert properties["anything"] == {}
    assert properties["number"] == {"orch:type": "complex", "orch:python": "complex"}
    assert "$ref" not in str(properties)


def test_exotic_signatures_never_fail():
    actions = describe(Exotic)["actions"]
    assert actions["call"]["input"]["properties"] == {"callback": {}, "gain": {"type": "number"}}
    assert actions["call"]["orch:signature"].startswith("(callback: Unknown = ..., ")
    assert "gain: float = ..." in actions["call"]["orch:signature"]
    assert "input" not in actions["positional"]
    assert actions["positional"]["orch:signature"] == "(a: int, /, *rest: str) -> None"


def test_arrays_for_type_checkers_only_are_known_by_name():
    class Camera:
        def snap(self) -> npt.NDArray[np.uint8]:  # noqa: F821
            raise NotImplementedError

    output = describe(Camera)["actions"]["snap"]["output"]
    assert output == {"type": "array", "orch:contentType": "application/x-npy"}


def test_types_in_c_are_described():
    class Grid(np.ndarray[Any, Any]):
        pass

    description = describe(Grid)
    properties, actions, _ = names(description)
    assert {"shape", "size"} <= properties
    assert {"sum", "reshape"} <= actions


def test_decorated_methods_are_described_as_what_they_wrap():
    def logged(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    class Device:
        @logged
        def move(self, x: float) -> int:
            """Go there."""
            return 0

        @functools.lru_cache  # noqa: B019
        def table(self, size: int) -> int:
            return size

    actions = describe(Device)["actions"]
    assert actions["move"]["orch:signature"] == "(x: float) -> int"
    assert actions["move"]["description"] == "Go there."
    assert actions["table"]["orch:signature"] == "(size: int) -> int"


def test_pyvisa_message_based_resource():
    resources = pytest.importorskip("pyvisa.resources")
    description = describe(resources.MessageBasedResource)
    properties, actions, _ = names(description)
    assert {"timeout", "read_termination", "write_termination", "session"} <= properties
    assert {"query", "read", "write", "clear", "close"} <= actions
    assert description["actions"]["query"]["input"]["required"] == ["message"]
    msgspec.json.encode(description)


@pytest.mark.instruments
def test_pymeasure_swiss_army_fake():
    fakes = pytest.importorskip("pymeasure.instruments.fakes")
    description = describe(fakes.SwissArmyFake)
    properties = description["properties"]
    assert properties["voltage"]["readOnly"] is True
    assert "readOnly" not in properties["output_voltage"]
    assert "frame" in properties
    msgspec.json.encode(description)


@pytest.mark.instruments
def test_ophyd_synthetic_axis():
    sim = pytest.importorskip("ophyd.sim")
    properties, actions, _ = names(describe(sim.SynAxis))
    assert {"position", "readback", "setpoint"} <= properties
    assert {"set", "read", "describe"} <= actions

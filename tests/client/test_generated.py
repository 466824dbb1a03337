"""Classes that are made from descriptions: nested members, signatures, parameter-likes."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.client.generated import worker_class
from orchestrator.client.members import Members
from orchestrator.client.paths import joined, steps_of
from orchestrator.client.proxy import Proxy
from orchestrator.client.signatures import signature_of, signature_of_text
from orchestrator.errors import WorkerUnavailable
from tests.client.supply import SUPPLY


class Ours:
    """A handle's class."""

    def submit(self, action: str) -> str:
        """Invoke it without waiting."""
        return f"submitted {action}"

    def on(self) -> None:
        """A name that this driver has."""


class Handle(Ours):
    """Records what it is asked for."""

    name = "supply"
    _title = "worker supply of rig bench"

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.values: dict[str, Any] = {"dmm": 1.5, "flag": True, "label": "x"}
        self._session = Session()
        self._values: set[str] = set()
        self._made = worker_class("bench", "supply", Members.read(SUPPLY), Ours)

    def _made_class(self) -> type[Proxy]:
        return self._made

    def _learn(self, path: str, *, looks: bool = False) -> None:
        self.sent.append(("learn", path))

    def _learn_soon(self) -> None:
        self.sent.append("learn soon")

    def _get(self, path: str) -> Any:
        self.sent.append(("read", path))
        return self.values.get(path, path)

    read = _get

    def _set(self, path: str, value: Any) -> None:
        self.sent.append(("write", path, value))

    write = _set

    def call(self, path: str, *args: Any, **kwargs: Any) -> Any:
        self.sent.append(("call", path, args, kwargs))
        return self.values.get(path, path)


class Session:
    def known_members(self, worker: str) -> Members:
        return Members.read(SUPPLY)

    def check_member(self, worker: str, name: str) -> None:
        raise AttributeError(f"worker {worker} has no member {name!r}")


class Unavailable(Handle):
    """Of a worker that was never described, and can't be now."""

    def __init__(self) -> None:
        super().__init__()
        self._session.known_members = lambda worker: None  # type: ignore[method-assign, assignment, return-value]

    def _made_class(self) -> Any:
        return None

    def _learn(self, path: str, *, looks: bool = False) -> None:
        raise WorkerUnavailable("worker supply is STARTING")


def test_a_member_of_a_worker_that_is_unavailable_is_not_there_for_who_looks() -> None:
    worker = Proxy(Unavailable())
    assert not hasattr(worker, "voltage")
    with pytest.raises(WorkerUnavailable, match="STARTING"):
        _ = worker.voltage


@pytest.fixture
def handle() -> Handle:
    return Handle()


@pytest.fixture
def supply(handle: Handle) -> Any:
    return Proxy(handle)


def test_slices_of_components(supply: Any, handle: Handle) -> None:
    assert [each.voltage for each in supply.channels[:2]] == [
        "channels[0].voltage",
        "channels[1].voltage",
    ]
    assert [repr(each)[1:12] for each in supply.channels[::-1][:1]] == ["channels[1]"]
    assert supply.channels[7:] == []
    with pytest.raises(
        TypeError, match=r"supply.inputs has keys: slice\(0, 1, None\) is for lists"
    ):
        _ = supply.inputs[0:1]
    with pytest.raises(KeyError, match="has no \\[1\\]; it has"):
        _ = supply.inputs[[1]]


def test_nested_members(supply: Any, handle: Handle) -> None:
    """Read, written and called at their paths; nothing is asked for on the way there."""
    channel = supply.ch1
    assert handle.sent == []
    assert channel.voltage == "ch1.voltage"
    channel.voltage = 2
    assert channel.ramp(2.5, rate=1) == "ch1.ramp"
    assert supply.channels[1].limits.high == "channels[1].limits.high"
    assert supply.channels[-1].limits.high == "channels[1].limits.high"
    assert supply.inputs["A"].level == "inputs[A].level"
    assert supply.inputs["it's"].level == 'inputs["it\'s"].level'
    assert supply.gains[2] == "gains[2]"
    supply.gains[2] = 4
    assert getattr(supply, "from") == "from"
    assert handle.sent == [
        ("read", "ch1.voltage"),
        ("write", "ch1.voltage", 2),
        ("call", "ch1.ramp", (2.5,), {"rate": 1}),
        ("read", "channels[1].limits.high"),
        ("read", "channels[1].limits.high"),
        ("read", "inputs[A].level"),
        ("read", 'inputs["it\'s"].level'),
        ("read", "gains[2]"),
        ("write", "gains[2]", 4),
        ("read", "from"),
    ]


def test_lists_and_mappings_of_components(supply: Any) -> None:
    assert len(supply.channels) == 2
    assert [channel.voltage for channel in supply.channels] == [
        "channels[0].voltage",
        "channels[1].voltage",
    ]
    assert list(supply.inputs) == supply.inputs.keys() == ["A", "it's"]
    assert supply.inputs.values()[0].level == "inputs[A].level"
    assert supply.inputs.items()[0][1].level == "inputs[A].level"
    assert "A" in supply.inputs
    assert supply.inputs._ipython_key_completions_() == ["A", "it's"]
    with pytest.raises(IndexError, match="has no 7; it has 0, 1"):
        _ = supply.channels[7]
    with pytest.raises(IndexError):
        _ = supply.channels[-3]
    with pytest.raises(KeyError, match=r"has no .*B.*it has"):
        _ = supply.inputs["B"]
    with pytest.raises(TypeError, match="can't be assigned"):
        supply.channels[0] = 3


def test_what_each_level_lists(supply: Any, handle: Handle) -> None:
    """And nothing private, nor what isn't a path, is a member."""
    listed = {name for name in dir(supply) if not name.startswith("_")}
    assert listed == {
        *("on", "ch1", "channels", "inputs", "gains", "dmm", "flag", "label", "from"),
        *("name", "submit"),
    }
    assert {"voltage", "ramp", "tripped"} <= set(dir(supply.ch1))
    assert "voltage" in dir(supply.channels[0])
    assert "high" in dir(supply.channels[1].limits)
    for part in (supply, supply.ch1, supply.channels, supply.inputs["A"]):
        inspect.getmembers(part)
        repr(part)
    assert repr(supply.ch1) == "<ch1 of worker supply of rig bench>"
    assert [each for each in handle.sent if each != "learn soon"] == []


def test_components_that_are_called_or_read(handle: Handle) -> None:
    """A component goes before the property that gives it; one that is an action too is called."""
    described = {
        "orch:parts": {"math": {"title": "Math"}},
        "orch:open": ["source", "source.voltage", 5],
        "properties": {"math": {"readOnly": True}, "math.scale": {}, "gain": {"type": "number"}},
        "actions": {"source": {}, "source.voltage": {}, "stop": {}},
    }
    members = Members.read(described)
    handle._made = worker_class("bench", "supply", members, Ours)
    psu: Any = Proxy(handle)
    assert psu.math.scale == "math.scale"
    psu.source.voltage(3)
    psu.source(query=True)
    assert handle.sent[1:] == [
        ("call", "source.voltage", (3,), {}),
        ("call", "source", (), {"query": True}),
    ]
    assert members.may_have("source.current")
    assert members.may_have("source.voltage.level.high")
    assert not members.may_have("gain.x")
    assert not members.may_have("stop.x")
    assert not members.may_have("other")


def test_what_is_no_value(supply: Any, handle: Handle) -> None:
    """Each says what it is; nothing is sent."""
    for attempt, hint in (
        (lambda: supply.ch1.tripped, r"supply\.ch1\.tripped is an event"),
        (lambda: setattr(supply.ch1, "tripped", 1), "is an event"),
        (lambda: setattr(supply, "ch1", 1), "is a component"),
        (lambda: setattr(supply.ch1, "ramp", 1), "isn't a property"),
        (lambda: supply.ch1.voltag, 'did you mean "voltage"'),
        (lambda: supply.ch1._x, "_x"),
        (lambda: setattr(supply.ch1, "_x", 1), "private"),
        (lambda: delattr(supply.ch1, "voltage"), "can't be deleted"),
        (lambda: supply.nothing, "no member 'nothing'"),
    ):
        with pytest.raises(AttributeError, match=hint):
            attempt()
    assert handle.sent == [("learn", "nothing")]


def test_the_class_tells(supply: Any) -> None:
    """Its name, text, units and signatures; names of ours where the driver has none."""
    kind = type(supply.ch1)
    assert kind.voltage.__doc__ == "At the output.\n\nType: number\nUnit: V"
    assert kind.voltage.fget.__annotations__ == {"return": float}
    assert kind.tripped.__doc__ == "Over its limit."
    assert str(inspect.signature(supply.ch1.ramp)) == "(to: float, rate: float = 1.0) -> float"
    assert (kind.__name__, kind.__doc__) == ("Channel", "An output.")
    assert type(supply.channels).__name__ == "channels"
    assert supply.__class__.__name__ == "Supply"
    assert supply.__doc__ == "A supply with channels."
    bare = worker_class("bench", "supply", Members.read({"title": "Supply"}), Ours)
    assert bare.__doc__ == "The worker supply of rig bench: a Supply."
    assert supply.submit("x") == "submitted x"
    assert supply.submit.__doc__ == "Invoke it without waiting."
    assert supply.on == "on"
    assert supply.name == "supply"


def test_a_parameter_like_is_a_value_and_is_called(supply: Any, handle: Handle) -> None:
    """Called at once it isn't read before; a value that was read can be called later."""
    assert supply.dmm == 1.5
    assert handle.sent == [("read", "dmm")]
    handle.sent.clear()
    supply.dmm(3)
    assert handle.sent == [("call", "dmm", (3,), {})]
    handle.sent.clear()
    value = supply.dmm()
    assert (value, type(value)) == (1.5, float)
    assert handle.sent == [("call", "dmm", (), {})]
    flag = supply.flag()  # not within an assertion: pytest takes the call apart
    assert flag is True
    assert supply.flag is True
    assert supply.dmm() == 1.5  # as pytest takes it apart
    assert supply.label() == supply.label == "x"
    supply.dmm = 4
    assert handle.sent[-1] == ("write", "dmm", 4)
    parameter = supply.dmm._parameter
    assert (parameter.unit, parameter.get(), repr(parameter)) == (
        "V",
        1.5,
        "<parameter supply.dmm>",
    )
    parameter.set(5)
    assert handle.sent[-1] == ("write", "dmm", 5)


def test_a_value_that_was_read_is_a_number_like_others(supply: Any) -> None:
    value = supply.dmm
    assert isinstance(value, float)
    assert (value, hash(value), repr(value), f"{value:.2f}") == (1.5, hash(1.5), "1.5", "1.50")
    assert json.dumps([value]) == "[1.5]"
    assert type(value + 1) is float
    for again in (copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))):
        assert type(again(value)) is float
        assert again(value) == 1.5


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("a", ("a",)),
        ("a.b", ("a", "b")),
        ("channels[2].gain", ("channels", 2, "gain")),
        ("inputs[A].level", ("inputs", ("A",), "level")),
        ("inputs['A 1'].level", ("inputs", ("A 1",), "level")),
        ("slots[-1]", ("slots", -1)),
        ("a[b-c]", ("a", ("b-c",))),
        ('x["it\'s"]', ("x", ("it's",))),
        ("größe", ("größe",)),
        *[(text, None) for text in ("", ".a", "a.", "a..b", "[1]", "a[--1]", "a[1b]", "a b")],
        *[(text, None) for text in ("_a", "a._b", "a['b", "1a", "a[1", "a['\\x']", "a.b()")],
    ],
)
def test_paths(path: str, steps: Any) -> None:
    assert steps_of(path) == steps


@given(st.lists(st.sampled_from(["a", "b2"]) | st.integers(0, 99) | st.tuples(st.text())))
def test_a_path_is_its_steps(steps: list[Any]) -> None:
    path = "root"
    for step in steps:
        path = joined(path, step)
    assert steps_of(path) == ("root", *steps)


@pytest.mark.parametrize(
    "text",
    [
        "(x: float, speed: float = 1.0) -> None",
        "(a, /, b, *rest: int, c: str = 'x', **more) -> list[float]",
        "(wave: numpy.ndarray, mode: cases.Mode = ...)",
        "()",
    ],
)
def test_signatures_are_as_they_were_written(text: str) -> None:
    found = signature_of_text(text)
    assert found is not None
    parameters = list(found.parameters.values())[1:]
    assert str(found.replace(parameters=parameters)).replace("Ellipsis", "...") == text


@pytest.mark.parametrize(
    ("affordance", "text"),
    [
        ({"orch:signature": "(...)"}, "(self, /, *args, **kwargs)"),
        ({"orch:signature": "(x): import os\ndef f()"}, "(self, /, *args, **kwargs)"),
        ({"orch:signature": "(self)"}, "(self, /, *args, **kwargs)"),
        ({"orch:signature": 3}, "(self, /, *args, **kwargs)"),
        (
            {
                "input": {
                    "properties": {"x": {"type": "number"}, "n": {"default": 3}, "m": {}},
                    "required": ["x"],
                },
                "output": {"type": "integer"},
            },
            "(self, /, *, x: float, n=3, m=...) -> int",
        ),
        ({"input": {"properties": {"no name": {}}}}, "(self, /, *args, **kwargs)"),
    ],
)
def test_signatures_that_no_text_tells(affordance: dict[str, Any], text: str) -> None:
    assert str(signature_of(affordance)) == text


@given(
    st.dictionaries(
        st.sampled_from(["properties", "actions", "events", "title", "description"]),
        st.none()
        | st.text()
        | st.dictionaries(
            st.text(max_size=8) | st.sampled_from(["a", "a.b", "a[1]", "a['k']", "mro"]),
            st.none() | st.dictionaries(st.sampled_from(["type", "unit", "enum"]), st.text()),
        ),
    )
)
def test_any_description_makes_a_class(description: dict[str, Any]) -> None:
    """Nothing that a rig sends breaks its client."""
    made = worker_class("bench", "w", Members.read(description), Ours)
    assert issubclass(made, Proxy)
    dir(made)

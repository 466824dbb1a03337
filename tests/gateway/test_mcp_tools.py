"""Tools for agents, from what workers say of themselves."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from orch import Event, action, prop
from orchestrator.access.value_limits import Limits, RuleError
from orchestrator.gateway.mcp_rules import read_rules
from orchestrator.gateway.mcp_tools import LONGEST_NAME, check_rules, tools_of
from workers.driver.describe import describe


class Stage:
    """A stage."""

    moved = Event()

    @property
    def position(self) -> float:
        """Where it stands."""
        return 0.0

    @prop(unit="mm/s")
    def speed(self) -> float:
        return 1.0

    @speed.setter
    def speed(self, value: float) -> None: ...

    def move(self, x: float, axes: list[int], fast: bool = False, way: str = "a") -> float:
        """Move it.

        Args:
            x: Where to, in mm.
        """
        return x

    @action(idempotent=True)
    def home(self) -> None: ...


THING = describe(Stage)


def allowed(**rules: Any) -> dict[str, Limits]:
    return read_rules({"allow": {name.replace("__", "."): each for name, each in rules.items()}})


def test_without_rules_all_that_there_is_looks() -> None:
    found = tools_of({"stage": THING, "laser": describe(dict)}, {})
    assert {name: tool.does for name, tool in found.items()} == {
        "read_stage": "read",
        "event_stage": "event",
    }
    read = found["read_stage"]
    assert "- position: number. Where it stands." in read.description
    assert "- speed: number, mm/s" in read.description
    assert read.schema["properties"]["properties"]["items"]["enum"] == ["position", "speed"]


def test_what_may_be_done_has_its_own_schema_with_the_limits() -> None:
    rules = allowed(stage__move={"x": [0, 50], "axes": [1, 3], "way": {"one_of": ["a", "b"]}})
    move = tools_of({"stage": THING}, rules)["stage_move"]
    assert (move.does, move.worker, move.member) == ("call", "stage", "move")
    assert "Call stage.move(x: float, axes: list[int], fast: bool = False" in move.description
    assert "x: Where to, in mm." in move.description
    assert not move.repeatable
    validator = jsonschema.Draft202012Validator(move.schema)
    assert validator.is_valid({"x": 50, "axes": [1, 3], "way": "b"})
    for wrong in (
        {"x": 51, "axes": [1], "way": "a"},
        {"x": 5, "axes": [0], "way": "a"},
        {"x": 5, "axes": [1], "way": "c"},
        {"x": 5, "axes": [1]},  # what is limited must be given
        {"x": 5, "axes": [1], "way": "a", "more": 1},
    ):
        assert not validator.is_valid(wrong), wrong


def test_a_property_is_written_by_its_value() -> None:
    tool = tools_of({"stage": THING}, allowed(stage__speed=[0, 2]))["write_stage_speed"]
    assert tool.description == "Write stage.speed, in mm/s."
    assert tool.schema["properties"] == {"value": {"type": "number", "minimum": 0, "maximum": 2}}
    assert tool.schema["required"] == ["value"]


def test_what_is_idempotent_is_told() -> None:
    home = tools_of({"stage": THING}, allowed(stage__home=None))["stage_home"]
    assert home.repeatable
    assert home.schema == {"type": "object", "properties": {}, "additionalProperties": False}


def test_names_are_such_as_all_clients_take_and_of_one_tool() -> None:
    long = "w" * 60
    rules = allowed(**{f"{long}__move": None, f"{long}__home": None, "a__b.move": None})
    found = tools_of({long: THING}, rules)
    assert all(len(name) <= LONGEST_NAME for name in found)
    assert len({tool.member for tool in found.values() if tool.does == "call"}) == 2
    part = {"title": "P", "properties": {}, "actions": {"b.move": {}, "b_move": {}}, "events": {}}
    found = tools_of({"a": part}, allowed(**{"a__b.move": None, "a__b_move": None}))
    assert {name: tool.member for name, tool in found.items()} == {
        "a_b_move": "b.move",
        "a_b_move_2": "b_move",
    }


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"stage__mov": None}, 'stage.mov isn\'t there; did you mean "move"?'),
        ({"stage__position": None}, "stage.position can only be read"),
        ({"stage__move": {"y": [0, 1]}}, "stage.move takes no 'y'; it takes x, axes, fast, way"),
        ({"stage__home": {"x": [0, 1]}}, "stage.home takes no 'x'; it takes nothing"),
        ({"stage__speed": {"x": [0, 1]}}, "stage.speed takes no 'x'; it takes value"),
    ],
)
def test_rules_of_what_isnt_there_are_told(rules: dict[str, Any], told: str) -> None:
    with pytest.raises(RuleError) as caught:
        check_rules({"stage": THING}, allowed(**rules))
    assert str(caught.value) == told


def test_rules_of_a_worker_that_isnt_up_yet_are_taken() -> None:
    check_rules({}, allowed(stage__move=None))
    check_rules({"stage": THING}, allowed(stage__move={"x": [0, 1]}, stage__speed=[0, 1]))

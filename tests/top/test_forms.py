"""Forms made from descriptions: what is asked for, what texts stand for, what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.top.forms import OTHERS, Field, fault_of, field_of, fields_of, read
from orchestrator.top.members import Known, known, lines, members_of
from tests.top.top_kit import STAGE

MOVE, POINTS = (STAGE["actions"][name] for name in ("move", "points"))


def test_an_action_has_a_field_for_each_parameter() -> None:
    x, fast = fields_of(MOVE)
    assert (x.label, x.required, x.default) == ("x: number, mm", True, "")
    assert (fast.label, fast.required, fast.default) == ("fast: boolean", False, "false")
    (others,) = fields_of(POINTS)
    assert (others.name, others.label) == (OTHERS, "others: a list as JSON")
    assert fields_of({"orch:signature": "(*, x: int) -> int"}) == []
    assert [each.name for each in fields_of({"orch:signature": "(a, *args)"})] == [OTHERS]


def test_a_property_has_one_with_its_limits() -> None:
    speed = field_of("speed", STAGE["properties"]["speed"])
    assert speed.label == "speed: number, mm/s, 0 to 20"
    assert field_of("a", {"type": "number", "minimum": 1}).label == "a: number, at least 1"
    assert field_of("a", {"type": "number", "maximum": 1}).label == "a: number, at most 1"


def test_what_is_typed_becomes_values() -> None:
    values, faults = read(fields_of(MOVE), {"x": " 1.5 ", "fast": "true"})
    assert (values, faults) == ({"x": 1.5, "fast": True}, {})
    assert read(fields_of(MOVE), {"x": "2"}) == ({"x": 2}, {})
    assert read(fields_of(POINTS), {OTHERS: "[3]"}) == ({OTHERS: [3]}, {})


def test_faults_are_told_by_name() -> None:
    assert read(fields_of(MOVE), {"x": "", "fast": "maybe"}) == (
        {},
        {"x": "is needed", "fast": "is no boolean"},
    )
    assert read(fields_of(MOVE), {"x": "far"})[1] == {"x": "is no number"}
    _, faults = read(fields_of(MOVE), {"x": "1e999"})
    assert "no number is as large" in faults["x"]


@pytest.mark.parametrize(
    ("value", "schema", "fault"),
    [
        (3, {"type": "integer"}, ""),
        (3.0, {"type": "integer"}, ""),
        (3.5, {"type": "integer"}, "is no integer"),
        (True, {"type": "number"}, "is no number"),
        (None, {"type": ["number", "null"]}, ""),
        ("x", {"type": ["number", "null"]}, "is no number or null"),
        ("250ms", {"type": "number", "orch:type": "timedelta"}, ""),
        ("red", {"enum": ["green", "blue"]}, "is none of green, blue"),
        ("red", {"oneOf": [{"type": "number"}]}, ""),  # the worker tells
        (21, {"type": "number", "minimum": 0, "maximum": 20}, "must be 0 to 20"),
        ({"a": 1}, {"type": "object"}, ""),
        ([1], {}, ""),
    ],
)
def test_values_are_compared_with_what_is_described(value: Any, schema: Any, fault: str) -> None:
    assert fault_of(value, schema) == fault


def test_members_are_told_with_what_is_known_of_them() -> None:
    values = {
        "position": known(12.5, 100.0),
        "speed": Known(error="OSError: gone\nmore"),
    }
    found = lines(members_of(STAGE), values, 100.1, 120)
    texts = ["".join(text for text, _ in line).rstrip() for line in found]
    assert [" ".join(text.split()) for text in texts] == [
        "MEMBER VALUE UNIT AGE TYPE ACCESS",
        "position 12.5 mm 0.0s number read, polled 0.2s",
        "speed OSError: gone mm/s - number read/write",
        "key - - - string write",
        "move() - - - (x: float, fast: bool = False) -> float call",
        "points() - - - (n: int, /) call, concurrent",
        "moved - - - number event",
    ]
    old = dict(lines(members_of(STAGE), values, 110.0, 120)[1])
    assert old["12.5"] == "dim"
    both = lines(members_of(STAGE), {"position": known("a", 9.0, "gone")}, 9.0, 120)[1]
    assert "a (gone)" in dict(both)


def test_a_field_is_what_it_says() -> None:
    assert Field("a", {}, required=False).label == "a: any"

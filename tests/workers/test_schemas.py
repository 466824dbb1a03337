"""Schemas allow the values that they describe, as these go over the wire."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import math
import re
from typing import Any, Literal, NamedTuple, TypedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.joined import joined
from transports import terms
from transports.serializers import split_result
from workers.driver.schemas import default_of, schema_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2
    RUN = 4


class Bits(enum.Flag):
    A = 1
    B = 2


class Mixed(enum.Enum):
    TEXT = "text"
    HALF = 0.5


class Point(NamedTuple):
    x: float
    access: Access


@dataclasses.dataclass
class Tree:
    value: int | str | None
    children: list[Tree] = dataclasses.field(default_factory=list)
    anyOf: Access | Literal["all"] = "all"  # a name that means something in schemas
    items: tuple[int, ...] = ()
    limit: float = math.inf


class Options(TypedDict, total=False):
    gain: int | Literal["auto"]
    enum: Level | bool


# -- a validator of the few words that occur

TYPES: dict[str, Any] = {
    "null": type(None),
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "string": str,
    "array": list,
    "object": dict,
}
NOTES = {"title", "description", "default", "format", "contentEncoding", "uniqueItems"}


def allows(schema: dict[str, Any], value: Any) -> bool:
    """Whether a schema of a Thing Description allows a value."""
    for word, rule in schema.items():
        if word == "type":
            fits = isinstance(value, TYPES[rule])
            fits = fits and (rule == "boolean" or not isinstance(value, bool))
        elif word == "enum":
            fits = any(type(each) is type(value) and each == value for each in rule)
        elif word == "oneOf":
            fits = sum(allows(each, value) for each in rule) == 1
        elif word == "items" and isinstance(value, list):
            rules = rule if isinstance(rule, list) else [rule] * len(value)
            fits = all(map(allows, rules, value))
        elif word in ("minItems", "maxItems") and isinstance(value, list):
            fits = len(value) >= rule if word == "minItems" else len(value) <= rule
        elif word == "properties" and isinstance(value, dict):
            fits = all(allows(rule[name], value[name]) for name in rule if name in value)
        elif word == "required" and isinstance(value, dict):
            fits = set(rule) <= set(value)
        elif word == "additionalProperties" and isinstance(value, dict):
            own = schema.get("properties", {})
            fits = all(allows(rule, each) for name, each in value.items() if name not in own)
        else:
            assert word in NOTES or word.startswith("orch:"), word
            fits = True
        if not fits:
            return False
    return True


def without_python(schema: dict[str, Any]) -> dict[str, Any]:
    """What is said in terms of JSON alone."""
    return {key: each for key, each in schema.items() if key != terms.PYTHON}


def on_the_wire(value: Any) -> Any:
    """What a client sees; what travels raw in the terms of JSON."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.tolist()
        if isinstance(value, tuple):
            return [plain(each) for each in value]
        return base64.b64encode(value).decode() if isinstance(value, bytes) else value

    return plain(joined(*split_result(value)))


# -- annotations with values of theirs

Case = tuple[Any, st.SearchStrategy[Any]]


def literal(*values: Any) -> Case:
    return Literal[values], st.sampled_from(values)


def members(kind: Any) -> Case:
    return kind, st.sampled_from(list(kind))


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
FLAGS = st.integers(0, 7).map(Access)
TREES: st.SearchStrategy[Tree] = st.deferred(
    lambda: st.builds(
        Tree,
        st.none() | st.integers() | st.text(),
        st.lists(TREES, max_size=2),
        FLAGS | st.just("all"),
        st.lists(st.integers(), max_size=2).map(tuple),
        NUMBERS,
    )
)
SIMPLE: list[Case] = [
    (int, st.integers()),
    (float, NUMBERS),
    (str, st.text()),
    (bool, st.booleans()),
    (None, st.none()),
    (bytes, st.binary()),
    (Any, st.integers() | st.text()),
    (datetime.date, st.dates()),
    (datetime.datetime, st.datetimes()),
    (decimal.Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (Access, FLAGS),
    (Bits, st.integers(0, 3).map(Bits)),
    (Point, st.builds(Point, NUMBERS, FLAGS)),
    (Tree, TREES),
    (
        Options,
        st.fixed_dictionaries(
            {}, optional={"gain": st.integers() | st.just("auto"), "enum": members(Level)[1]}
        ),
    ),
    (np.ndarray, st.lists(st.integers(0, 9)).map(np.array)),
    (np.float64, NUMBERS.map(np.float64)),
    members(Colour),
    members(Level),
    members(Mixed),
    literal("auto", "off"),
    literal("a", 1, None),
    literal(0, 2),
]


def combined(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    def union(cases: list[Case]) -> Case:
        kind = cases[0][0]
        for other, _ in cases[1:]:
            kind = kind | other if kind is not None or other is not None else None
        return kind, st.one_of([values for _, values in cases])

    return st.one_of(
        inner.map(lambda case: (list[case[0]], st.lists(case[1], max_size=3))),  # type: ignore[index, name-defined]
        inner.map(
            lambda case: (dict[str, case[0]], st.dictionaries(st.text(), case[1], max_size=3))  # type: ignore[index, name-defined]
        ),
        st.tuples(inner, inner).map(
            lambda cases: (
                tuple[cases[0][0], cases[1][0]],  # type: ignore[index, name-defined]
                st.tuples(cases[0][1], cases[1][1]),
            )
        ),
        st.lists(inner, min_size=2, max_size=4).map(union),
    )


CASES = st.recursive(st.sampled_from(SIMPLE), combined, max_leaves=6)


@settings(max_examples=400)
@given(st.data())
def test_a_schema_allows_the_values_of_its_annotation(data: st.DataObject):
    annotation, values = data.draw(CASES)
    schema = schema_of(annotation)
    value = on_the_wire(data.draw(values))
    assert allows(schema, value), (annotation, schema, value)
    assert "anyOf" not in re.findall(r"'(\w+)': \[", str(schema))


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (str | Literal["auto"], {"type": "string"}),
        (int | Any, {}),
        (int | float | None, {"oneOf": [{"type": "number"}, {"type": "null"}]}),
        (int | Literal[0, "auto"], {"oneOf": [{"type": "integer"}, {"enum": ["auto"]}]}),
        (Access | None, {"oneOf": [{"title": "Access", "type": "integer"}, {"type": "null"}]}),
        (Literal["a", 1] | None, {"oneOf": [{"enum": [1, "a"]}, {"type": "null"}]}),
        (int | Access, {}),  # more than msgspec can tell apart
    ],
)
def test_alternatives_are_disjoint_or_one(annotation: Any, schema: dict[str, Any]):
    assert without_python(schema_of(annotation)) == schema


def test_every_word_of_a_driver_is_kept_as_a_name():
    tree = schema_of(Tree)
    assert set(tree["properties"]) == {"value", "children", "anyOf", "items", "limit"}
    assert tree["properties"]["anyOf"]["oneOf"][1] == {"enum": ["all"]}


@pytest.mark.parametrize("value", [math.inf, math.nan, [1.0, -math.inf], {"a": math.nan}])
def test_a_default_without_a_form_in_json_is_left_out(value: Any):
    assert default_of(value) == {}
    assert default_of(None) == {"default": None}
    assert schema_of(Tree)["properties"]["limit"] == {"type": "number"}

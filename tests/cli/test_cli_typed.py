"""What was typed, as the values that a member takes."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.cli.typed import arguments_of, value_of

TEXT = {"type": "string"}
MAYBE = {"oneOf": [{"type": "string"}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("123", TEXT, "123"),
        ("1e3", TEXT, "1e3"),
        ("01823456", TEXT, "01823456"),
        ("true", TEXT, "true"),
        ("null", TEXT, "null"),
        ('"7"', TEXT, "7"),
        ("red", TEXT, "red"),
        ("null", MAYBE, None),
        ("7", MAYBE, "7"),
        ("7", {"type": ["string", "null"]}, "7"),
        ("7", {"enum": ["7", "8"]}, "7"),
        ("7", {"enum": [7, "8"]}, 7),
        ("7", {"oneOf": [{"type": "string"}, {"type": "number"}]}, 7),
        ("7", {"oneOf": [{"type": "string"}, {}]}, 7),
        ("7", {"type": "number"}, 7),
        ("7", {}, 7),
    ],
)
def test_text_stays_text_where_text_is_taken(text: str, schema: Any, value: Any) -> None:
    assert value_of(text, schema) == value
    assert type(value_of(text, schema)) is type(value)


@pytest.mark.parametrize(
    ("signature", "values"),
    [
        ("(name: str, x: float = 1.0)", ["1", 2, 3]),
        ("(key: str, /, name: str, *rest: str)", ["1", "2", "3"]),
        ("(key, /, name: str, *rest)", [1, "2", 3]),
        ("(name: str, x=<it>)", ["1", 2, 3]),
    ],
)
def test_arguments_by_position(signature: str, values: list[Any]) -> None:
    named = {"name": TEXT, **({"x": {"type": "number"}} if "x" in signature else {})}
    affordance = {"orch:signature": signature, "input": {"properties": named}}
    assert arguments_of(["1", "2", "3"], {}, affordance)[0] == values


def test_arguments_by_name() -> None:
    affordance = {"orch:signature": "(name: str)", "input": {"properties": {"name": TEXT}}}
    assert arguments_of([], {"name": "1", "more": "1"}, affordance) == (
        [],
        {"name": "1", "more": 1},
    )
    assert arguments_of(["1"], {}, {}) == ([1], {})

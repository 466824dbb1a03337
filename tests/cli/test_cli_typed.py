"""What was typed, as the values that a member takes."""

from __future__ import annotations

import math
from typing import Any

import click
import pytest

from orchestrator.cli.typed import arguments_of, check_arguments, value_of
from transports import terms

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
        ("inf", {"type": "number"}, math.inf),
        ("-Infinity", {"type": "number"}, -math.inf),
        ("-.inf", {"oneOf": [{"type": "number"}, {"type": "null"}]}, -math.inf),
        ("inf", {"oneOf": [{"type": "string"}, {"type": "number"}]}, "inf"),
        ("inf", {"type": "integer"}, "inf"),
        ("1e400", TEXT, "1e400"),
        ("0123", {}, "0123"),
        ("inf", TEXT, "inf"),
        ("inf", {}, "inf"),
        ("7", {}, 7),
    ],
)
def test_text_stays_text_where_text_is_taken(text: str, schema: Any, value: Any) -> None:
    assert value_of(text, schema) == value
    assert type(value_of(text, schema)) is type(value)


@pytest.mark.parametrize("schema", [{}, {"type": "number"}])
def test_a_number_that_is_none_for_anybody_is_refused(schema: Any) -> None:
    with pytest.raises(click.BadParameter, match="no number is as large as -1e400; in quotes"):
        value_of("-1e400", schema)


@pytest.mark.parametrize("text", ["nan", "NaN", ".nan", ".NaN"])
def test_not_a_number_is_one_where_only_numbers_are_taken(text: str) -> None:
    assert math.isnan(value_of(text, {"type": "number"}))
    assert arguments_of([text], {}, {"orch:signature": "(*x: float)"})[0][0] is not text


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '[{"b": {"a": 1, "a": 1}}]'])
def test_a_key_that_is_given_twice_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="the key 'a' is given twice"):
        value_of(text, {})


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


@pytest.mark.parametrize(
    ("signature", "texts", "keywords", "wrong"),
    [
        ("(x: float, speed: float = 1.0)", ["1"], {}, ""),
        ("(x: float, speed: float = 1.0)", ["1"], {"speed": "2"}, ""),
        ("(x: float, speed: float = 1.0)", [], {}, "missing a required argument: 'x'"),
        ("(x: float, speed: float = 1.0)", ["1", "2", "3"], {}, "too many positional arguments"),
        ("(x: float)", ["1"], {"y": "2"}, "got an unexpected keyword argument 'y'"),
        ("(speed: float)", [], {"sped": "2"}, "keyword argument 'sped'; did you mean \"speed\"?"),
        ("(x: float)", ["1"], {"x": "2"}, "multiple values for argument 'x'"),
        ("(x, /, *, deep: bool)", ["1"], {}, "missing a required argument: 'deep'"),
        ("(x, /, *, deep: bool = False)", ["1"], {}, ""),
        ("(*args, **kwargs) -> list", ["1", "2"], {"a": "3"}, ""),
        ("()", ["1"], {}, "too many positional arguments"),
        ("(mode=<Mode.CW: 1>)", ["1", "2"], {}, ""),  # it can't be read: the worker judges
        ("", ["1", "2"], {}, ""),
    ],
)
def test_arguments_that_dont_fit_are_a_usage_error(
    signature: str, texts: list[str], keywords: dict[str, str], wrong: str
) -> None:
    def check() -> None:
        check_arguments(texts, keywords, {terms.SIGNATURE: signature}, "a.move")

    if not wrong:
        check()
        return
    with pytest.raises(click.UsageError) as refused:
        check()
    assert wrong in str(refused.value)
    assert str(refused.value).startswith(f"a.move{signature}: ")

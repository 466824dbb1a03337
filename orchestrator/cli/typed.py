"""Values as they were typed: text where the member takes text, else JSON, else text."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.cli.options import to_value
from transports import terms

Schema = Mapping[str, Any]

_TYPES: Mapping[str, Schema] = {"str": {"type": "string"}, "float": {"type": "number"}}
_NOT_FINITE = re.compile(r"[-+]?(?:\.?inf|infinity|\.?nan)", re.IGNORECASE)


def value_of(text: str, schema: Schema) -> Any:
    """What a typed text stands for.

    A member that takes text is given what was typed, `123`, `1e3` and `true` too; a text in
    JSON's quotes stands for the text inside. One that takes numbers and no text is given infinity
    and not-a-number, which JSON has no words for, in Python's words or YAML's: `inf`, `.nan`.

    Args:
        text: As it was typed.
        schema: What the member takes; `{}` if that isn't known.

    Raises:
        click.BadParameter: It is no text at all.
    """
    value = to_value(text)
    kinds = _kinds(schema)
    if isinstance(value, str):
        is_number = "number" in kinds and "string" not in kinds and _NOT_FINITE.fullmatch(text)
        return float(text.replace(".", "")) if is_number else value
    if "string" not in kinds or not kinds <= {"string", "null"}:
        return value
    return None if value is None and "null" in kinds else text


def arguments_of(
    texts: Sequence[str], keywords: Mapping[str, str], affordance: Schema
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of an action, as its description has them. Raises as `value_of` does."""
    named: dict[str, Schema] = affordance.get("input", {}).get("properties", {})
    by_position, rest = _by_position(str(affordance.get(terms.SIGNATURE, "")), named)
    args = [
        value_of(text, by_position[index] if index < len(by_position) else rest)
        for index, text in enumerate(texts)
    ]
    return args, {name: value_of(text, named.get(name, {})) for name, text in keywords.items()}


def _by_position(signature: str, named: Mapping[str, Schema]) -> tuple[list[Schema], Schema]:
    """What is taken by position, in order, and what is in whatever number after that.

    A Thing Description has no words for arguments without a name, but the signature has.
    """
    try:
        found = ast.parse(f"def action{signature}: ...").body[0]
    except SyntaxError:  # a default that is shown but is no expression
        return list(named.values()), {}
    assert isinstance(found, ast.FunctionDef)
    taken = found.args
    listed: list[Schema] = [_written(each) for each in taken.posonlyargs]
    listed += [named.get(each.arg, {}) for each in taken.args]
    return listed, _written(taken.vararg)


def _written(parameter: ast.arg | None) -> Schema:
    annotation = parameter.annotation if parameter is not None else None
    return _TYPES.get(annotation.id, {}) if isinstance(annotation, ast.Name) else {}


def _kinds(schema: Schema) -> set[str]:
    """The JSON types that a schema allows; none if that isn't known."""
    if "oneOf" in schema:
        each = [_kinds(choice) for choice in schema["oneOf"]]
        return set().union(*each) if all(each) else set()
    if "enum" in schema:
        texts = all(isinstance(value, str) for value in schema["enum"])
        return {"string"} if texts else set()
    kind = schema.get("type")
    if isinstance(kind, str):
        return {kind}
    return set(kind) if isinstance(kind, list) else set()

"""Alternatives of JSON schemas, in the words of a Thing Description.

It has no `anyOf`, only `oneOf`, of which a value must match exactly one. So alternatives that a
value may match both are made one, which may allow more than they did.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def any_of(choices: list[Schema]) -> Schema:
    """One schema that allows what any of `choices` does; `{}` where that can't be told."""
    flat = [each for choice in choices for each in choice.get("oneOf", [choice])]
    kinds = [_kinds(choice) for choice in flat]
    if not all(kinds):
        return {}
    if sum(map(len, kinds)) > len(set().union(*kinds)):
        flat = _merged(flat)
    return dict(flat[0]) if len(flat) == 1 else {"oneOf": flat}


def _kinds(schema: Schema) -> set[str]:
    """The JSON types that may match; none if it isn't known. An integer is a number."""
    if "enum" in schema:
        return {_kind_of(value) for value in schema["enum"]}
    kind = schema.get("type")
    if not isinstance(kind, str):
        return set()
    return {"number" if kind == "integer" else kind}


def _merged(choices: list[Schema]) -> list[Schema]:
    """One for each JSON type."""
    found: dict[str, Schema] = {}
    for choice in choices:
        for kind in sorted(_kinds(choice)):
            part = choice
            if "enum" in choice:
                part = {"enum": [value for value in choice["enum"] if _kind_of(value) == kind]}
            found[kind] = _either(kind, found[kind], part) if kind in found else part
    return list(found.values())


def _either(kind: str, one: Schema, other: Schema) -> Schema:
    if one == other:
        return one
    if "enum" in one and "enum" in other:
        return {"enum": one["enum"] + [each for each in other["enum"] if each not in one["enum"]]}
    if kind == "number" and _is_integer(one) and _is_integer(other):
        kind = "integer"
    return {"type": kind}


def _is_integer(schema: Schema) -> bool:
    return schema.get("type") == "integer" or (
        "enum" in schema and all(isinstance(value, int) for value in schema["enum"])
    )


def _kind_of(value: Any) -> str:
    return _KINDS.get(type(value), "object")


_KINDS = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
}

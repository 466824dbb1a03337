"""Forms for calls and writes, made from descriptions: texts in, values or faults out. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from orchestrator.cli.describe import type_text
from orchestrator.cli.show import to_line
from orchestrator.cli.typed import value_of
from transports import terms

OTHERS = "*"
"""The field for arguments that have no name."""
_UNNAMED = re.compile(r"(?:^|[(,] ?)(?:/|\*\w)")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


class Field(NamedTuple):
    """One value that is typed.

    Attributes:
        name: Of the parameter.
        schema: What it takes.
        required: Whether it can't be left out.
        default: What is shown while it is left out; empty for nothing.
    """

    name: str
    schema: Mapping[str, Any]
    required: bool
    default: str = ""

    @property
    def label(self) -> str:
        """What is to be typed, such as `x: number, mm, 0 to 100`."""
        parts = [type_text(dict(self.schema)) if self.name != OTHERS else "a list as JSON"]
        if unit := self.schema.get("unit"):
            parts.append(str(unit))
        least, most = self.schema.get("minimum"), self.schema.get("maximum")
        if least is not None or most is not None:
            parts.append(" ".join(_limits(least, most)))
        title = "others" if self.name == OTHERS else self.name
        return f"{title}: {', '.join(parts)}"


def _limits(least: Any, most: Any) -> list[str]:
    if least is None:
        return [f"at most {most:g}"]
    return [f"at least {least:g}"] if most is None else [f"{least:g} to {most:g}"]


def fields_of(affordance: Mapping[str, Any]) -> list[Field]:
    """The fields of an action."""
    taken = affordance.get("input", {})
    required = set(taken.get("required", ()))
    fields = [
        Field(
            name,
            schema,
            required=name in required,
            default=to_line(schema["default"]) if "default" in schema else "",
        )
        for name, schema in taken.get("properties", {}).items()
    ]
    signature = str(affordance.get(terms.SIGNATURE, "")).partition(" -> ")[0]
    if _UNNAMED.search(signature):
        fields.append(Field(OTHERS, {"type": "array"}, required=False))
    return fields


def field_of(name: str, affordance: Mapping[str, Any]) -> Field:
    """The field of a property that is written."""
    schema = {
        key: affordance[key]
        for key in ("type", "oneOf", "enum", "unit", "minimum", "maximum", terms.TYPE, "items")
        if key in affordance
    }
    return Field(name, schema, required=True)


def read(fields: list[Field], texts: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """What was typed: the values of what wasn't left out, and what is wrong, by name."""
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for field in fields:
        text = texts.get(field.name, "").strip()
        if not text:
            if field.required:
                faults[field.name] = "is needed"
            continue
        try:
            value = value_of(text, field.schema)
        except click.BadParameter as error:
            faults[field.name] = error.message
            continue
        if fault := fault_of(value, field.schema):
            faults[field.name] = fault
        else:
            values[field.name] = value
    return values, faults


def fault_of(value: Any, schema: Mapping[str, Any]) -> str:
    """Why a value isn't what a schema has; empty if it is, as far as can be told here.

    The worker knows more: it makes a timedelta of `250ms`, and tells what it can't take.
    """
    if "oneOf" in schema:
        return ""
    if "enum" in schema:
        fits = value in schema["enum"]
        return "" if fits else f"is none of {', '.join(map(str, schema['enum']))}"
    kinds = schema.get("type")
    names = [kinds] if isinstance(kinds, str) else list(kinds or ())
    if names and terms.TYPE not in schema and not any(_is(value, name) for name in names):
        return f"is no {' or '.join(names)}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        least, most = schema.get("minimum"), schema.get("maximum")
        if (least is not None and value < least) or (most is not None and value > most):
            return f"must be {' '.join(_limits(least, most))}"
    return ""


def _is(value: Any, name: str) -> bool:
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES.get(name, (object,)))

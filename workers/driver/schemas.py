"""JSON schemas from annotations, for descriptions.

A description never fails for an annotation: what can't be resolved or has no schema is `{}`,
which allows any value.
"""

from __future__ import annotations

import ast
import datetime
import enum
import inspect
import math
import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import msgspec.inspect

from transports import terms
from transports.serializers import NPY
from workers.driver.alternatives import Schema as Schema
from workers.driver.alternatives import any_of
from workers.driver.hints import Array
from workers.driver.hints import own_annotations as own_annotations
from workers.driver.hints import resolve as resolve
from workers.driver.hints import scope_of as scope_of
from workers.driver.hints import signature_of as signature_of
from workers.driver.type_names import python_type

_MAX_DEPTH = 8
"""How deep references are written out; a type that contains itself has no end."""
_MAX_DEFAULT = 256
"""Bytes of an encoded default value that is still worth showing."""


def schema_of(annotation: Any) -> Schema:
    """The JSON schema of an annotation, and its type in Python where that doesn't tell it.

    It is `{}` where there is none.
    """
    if annotation is inspect.Parameter.empty or annotation is Any:
        return {}
    schema = _json_schema(annotation)
    return schema | python_type(annotation, schema)


def _json_schema(annotation: Any) -> Schema:
    if _is_array(annotation):
        return _array()
    try:
        schema = msgspec.json.schema(annotation, schema_hook=_custom)
        definitions = schema.get("$defs", {})
        for name in _flags(msgspec.inspect.type_info(annotation), set()):
            for definition in definitions.values():
                if definition.get("title") == name and definition.pop("enum", None):
                    definition["type"] = "integer"
        inlined: Schema = _inline(schema, definitions, _MAX_DEPTH)
    except Exception:  # noqa: BLE001  exotic annotations raise whatever they like
        return {}
    return inlined


def value_schema(value: Any) -> Schema:
    """The JSON schema of what a value will probably be followed by; a number is any number."""
    kind = type(value)
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if _is_array(kind) or isinstance(value, (enum.Enum, datetime.date, datetime.timedelta)):
        return schema_of(kind)
    return {}


_PLAIN: dict[type, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "number"},
    float: {"type": "number"},
    str: {"type": "string"},
    list: {"type": "array"},
    dict: {"type": "object"},
}


def default_of(value: Any) -> Schema:
    """`{"default": value}` if it is a small JSON value, else `{}`."""
    try:
        encoded = msgspec.json.encode(value)
        finite = _is_finite(msgspec.to_builtins(value))
    except Exception:  # noqa: BLE001  defaults are any object
        return {}
    if len(encoded) > _MAX_DEFAULT or not finite:
        return {}
    return {"default": msgspec.json.decode(encoded)}


def parameters_schema(parameters: list[inspect.Parameter], scope: dict[str, Any]) -> Schema | None:
    """The schema of an action's keyword arguments; None if it takes none."""
    properties: dict[str, Schema] = {}
    required: list[str] = []
    more = False
    for parameter in parameters:
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            more = True
            continue
        schema = schema_of(resolve(parameter.annotation, scope))
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        else:
            schema |= default_of(parameter.default)
        properties[parameter.name] = schema
    if not properties and not more:
        return None
    schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    if more:
        schema["additionalProperties"] = True
    return schema


def unnamed_types(parameters: list[inspect.Parameter], scope: dict[str, Any]) -> dict[str, str]:
    """Types in Python of parameters that the schema of an action's input has no place for."""
    found: dict[str, str] = {}
    for each in parameters:
        if each.kind in (each.POSITIONAL_ONLY, each.VAR_POSITIONAL, each.VAR_KEYWORD):
            schema = schema_of(resolve(each.annotation, scope))
            found |= {each.name: schema[terms.PYTHON]} if terms.PYTHON in schema else {}
    return found


def signature_text(parameters: list[inspect.Parameter], returns: Any) -> str:
    """A signature as its author wrote it, such as `(x: float, speed=1) -> None`."""
    plain = [
        parameter.replace(
            annotation=_Text.of(parameter.annotation), default=_Text.default(parameter)
        )
        for parameter in parameters
    ]
    try:
        return str(inspect.Signature(plain, return_annotation=_Text.of(returns)))
    except Exception:  # noqa: BLE001  an order of parameters that only partial application makes
        return "(...)"


class _Text:
    """Prints as given: annotations without quotes, defaults cut short."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text

    @classmethod
    def of(cls, annotation: Any) -> Any:
        if annotation is inspect.Parameter.empty:
            return annotation
        if isinstance(annotation, str):
            return cls(annotation if _is_expression(annotation) else "...")
        text = _attempt(lambda: inspect.formatannotation(annotation))
        return cls(text if _is_expression(text) else "...")

    @classmethod
    def default(cls, parameter: inspect.Parameter) -> Any:
        if parameter.default is parameter.empty:
            return parameter.default
        value = parameter.default
        if isinstance(value, enum.Enum):
            text = _attempt(lambda: f"{type(value).__qualname__}.{value.name}")
        else:
            text = _attempt(lambda: repr(value))
        telling = len(text) <= 60 and "\n" not in text and _is_expression(text)
        return cls(text if telling else "...")


def _attempt(text: Callable[[], str]) -> str:
    try:
        return text()
    except Exception:  # noqa: BLE001  the repr of a driver's object
        return "..."


def _is_expression(text: str) -> bool:
    """Whether it can stand in a signature that is parsed: `<Mode.FAST: 1>` can't."""
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _is_array(annotation: Any) -> bool:
    origin = typing.get_origin(annotation) or annotation
    return origin is Array or (
        isinstance(origin, type)
        and origin.__name__ == "ndarray"
        and origin.__module__.partition(".")[0] == "numpy"
    )


def _array() -> Schema:
    return {"type": "array", terms.CONTENT_TYPE: NPY}


def _custom(kind: type) -> Schema:
    """The schema of a type that msgspec doesn't know."""
    # an empty schema would be taken for none at all
    return _array() if _is_array(kind) else {terms.TYPE: kind.__qualname__}


def _inline(schema: Any, definitions: Mapping[str, Any], depth: int) -> Any:
    """Write out references: a schema inside a Thing Description has no root of its own."""
    if isinstance(schema, list):
        return [_inline(part, definitions, depth) for part in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target = definitions.get(reference.rpartition("/")[2])
        return {} if target is None or depth == 0 else _inline(target, definitions, depth - 1)
    found: Schema = {}
    for key, part in schema.items():
        if key == "properties":  # names of the driver's, whatever they are
            found[key] = {name: _inline(each, definitions, depth) for name, each in part.items()}
        elif key == "enum" or (key == "default" and _is_finite(part)):
            found[key] = part
        elif key not in ("$defs", "discriminator", "default"):
            found[key] = _inline(part, definitions, depth)
    return _of_vocabulary(found)


def _of_vocabulary(schema: Schema) -> Schema:
    """In the words that a Thing Description has: `oneOf` for alternatives, `items` for tuples."""
    prefix = schema.pop("prefixItems", None)
    if isinstance(prefix, list):
        schema["items"] = prefix
    elif schema.get("items") is False:
        del schema["items"]
    choices = schema.pop("anyOf", None)
    return schema | any_of(choices) if isinstance(choices, list) else schema


def _is_finite(value: Any) -> bool:
    """Whether no infinity or NaN is in a value: JSON would say null, which stands for another."""
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _flags(info: Any, seen: set[int]) -> set[str]:
    """Names of the `enum.Flag`s in a type: any sum of their members is a value."""
    if id(info) in seen:
        return set()
    seen.add(id(info))
    if isinstance(info, msgspec.inspect.EnumType):
        return {info.cls.__name__} if issubclass(info.cls, enum.Flag) else set()
    parts: Any = ()
    if isinstance(info, tuple):
        parts = info
    elif isinstance(info, (msgspec.inspect.Type, msgspec.inspect.Field)):
        parts = [getattr(info, name) for name in info.__struct_fields__]
    return set().union(*(_flags(part, seen) for part in parts))

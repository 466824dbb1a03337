"""Signatures and types of a worker's members, from its Thing Description.

What a description holds came over the wire: it is parsed, and never evaluated.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

from transports import terms

_TYPES: dict[str, type | None] = {
    "bool": bool,
    "bytes": bytes,
    "complex": complex,
    "dict": dict,
    "float": float,
    "int": int,
    "list": list,
    "None": None,
    "set": set,
    "str": str,
    "tuple": tuple,
}
_SCHEMA_TYPES = {
    "array": list,
    "boolean": bool,
    "integer": int,
    "number": float,
    "object": dict,
    "string": str,
}
_SELF = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)


class Written:
    """An annotation or default that is shown as its author wrote it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def type_of(schema: Any) -> Any:
    """The builtin type of the values of a schema; `inspect.Parameter.empty` if it says none."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    found = _SCHEMA_TYPES.get(kind) if isinstance(kind, str) else None
    return inspect.Parameter.empty if found is None else found


def signature_of(affordance: dict[str, Any]) -> inspect.Signature:
    """The signature of an action as a method, from its text, else from its input's schema."""
    return signature_of_text(affordance.get(terms.SIGNATURE)) or _of_schema(affordance)


def signature_of_text(text: object) -> inspect.Signature | None:
    """The signature that a text such as `(x: float, speed: float = 1.0) -> None` tells."""
    if not isinstance(text, str) or len(text) > 20_000:
        return None
    try:
        tree = ast.parse(f"def action{text}: ...")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    function = tree.body[0]
    if len(tree.body) != 1 or not isinstance(function, ast.FunctionDef):
        return None
    try:
        parameters = [_SELF, *_parameters(function.args)]
        return inspect.Signature(parameters, return_annotation=_annotation(function.returns))
    except (ValueError, RecursionError):  # a parameter of its own is called self
        return None


def _parameters(arguments: ast.arguments) -> Iterator[inspect.Parameter]:
    kinds = inspect.Parameter
    positional = [
        *((each, kinds.POSITIONAL_ONLY) for each in arguments.posonlyargs),
        *((each, kinds.POSITIONAL_OR_KEYWORD) for each in arguments.args),
    ]
    without = len(positional) - len(arguments.defaults)
    for index, (each, kind) in enumerate(positional):
        default = arguments.defaults[index - without] if index >= without else None
        yield _parameter(each, kind, default)
    if arguments.vararg is not None:
        yield _parameter(arguments.vararg, kinds.VAR_POSITIONAL, None)
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _parameter(each, kinds.KEYWORD_ONLY, default)
    if arguments.kwarg is not None:
        yield _parameter(arguments.kwarg, kinds.VAR_KEYWORD, None)


def _parameter(argument: ast.arg, kind: Any, default: ast.expr | None) -> inspect.Parameter:
    return inspect.Parameter(
        argument.arg,
        kind,
        default=inspect.Parameter.empty if default is None else _default(default),
        annotation=_annotation(argument.annotation),
    )


def _annotation(node: ast.expr | None) -> Any:
    if node is None:
        return inspect.Parameter.empty
    text = ast.unparse(node)
    return _TYPES[text] if text in _TYPES else Written(text)


def _default(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return Written(ast.unparse(node))


def _of_schema(affordance: dict[str, Any]) -> inspect.Signature:
    """Keywords only: a schema of an object tells no order. Anything, if there is none."""
    returned = type_of(affordance.get("output"))
    accepted = affordance.get("input")
    members = accepted.get("properties") if isinstance(accepted, dict) else None
    if isinstance(accepted, dict) and isinstance(members, dict):
        required = accepted.get("required") or ()
        try:
            parameters = [_SELF, *(_keyword(*each, required) for each in members.items())]
            return inspect.Signature(parameters, return_annotation=returned)
        except (TypeError, ValueError):  # a name that is none
            pass
    return inspect.Signature([_SELF, *_ANYTHING], return_annotation=returned)


_ANYTHING = (
    inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
    inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
)


def _keyword(name: str, schema: Any, required: Any) -> inspect.Parameter:
    default: Any = inspect.Parameter.empty
    if name not in required:
        told = isinstance(schema, dict) and "default" in schema
        default = schema["default"] if told else Written("...")
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=type_of(schema)
    )

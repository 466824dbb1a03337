"""Types in stubs: from an annotation as its author wrote it, else from a JSON schema.

Both come over the wire: only what is listed here is written down, so that a stub is one.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

ANY = "Any"

_BUILTIN = ("bool", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "set", "str")
_PLAIN = {**{name: f"builtins.{name}" for name in (*_BUILTIN, "tuple")}, "None": "None"}
_TYPING = {"Dict": "dict", "List": "list", "Set": "set", "FrozenSet": "frozenset", "Tuple": "tuple"}
_ARRAYS = ("ndarray", "NDArray", "ArrayLike")
ARRAY = "numpy.typing.NDArray[Any]"

_SCHEMA_TYPES = {
    "boolean": "builtins.bool",
    "integer": "builtins.int",
    "null": "None",
    "number": "builtins.float",
    "string": "builtins.str",
}
_DEEPEST_SCHEMA = 12


def of_annotation(node: ast.expr | None, depth: int = 0) -> str | None:
    """The type that an annotation names; None if that isn't known here."""
    if node is None or depth > _DEEPEST_SCHEMA:
        return None
    if isinstance(node, ast.Constant):
        return _of_constant(node, depth)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = [of_annotation(side, depth + 1) for side in (node.left, node.right)]
        return None if None in sides else " | ".join(map(str, sides))
    if isinstance(node, ast.Subscript):
        return _of_subscript(node, depth)
    name = _last_name(node)
    if name in _ARRAYS:
        return ARRAY
    if name == "Any":
        return ANY
    plain = _PLAIN.get(_TYPING.get(name, name)) if isinstance(node, ast.Name) else None
    return _with_items(plain)


def of_schema(schema: Any, depth: int = 0) -> str:
    """The type of the values that a schema allows; `Any` if it doesn't tell."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST_SCHEMA:
        return ANY
    choices = schema.get("oneOf")
    if isinstance(choices, list) and choices:
        found = list(dict.fromkeys(of_schema(choice, depth + 1) for choice in choices))
        return ANY if ANY in found else " | ".join(found)
    values = schema.get("enum")
    if isinstance(values, list) and values:
        is_told = all(value is None or type(value) in (str, int, bool) for value in values)
        return f"Literal[{', '.join(map(repr, values))}]" if is_told else ANY
    kind = schema.get("type")
    if kind == "array":
        if "orch:contentType" in schema:
            return ARRAY
        return f"builtins.list[{of_schema(schema.get('items'), depth + 1)}]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"builtins.dict[builtins.str, {of_schema(values, depth + 1)}]"
    return _SCHEMA_TYPES.get(kind, ANY) if isinstance(kind, str) else ANY


def _of_constant(node: ast.Constant, depth: int) -> str | None:
    if node.value is None:
        return "None"
    if isinstance(node.value, str):  # an annotation within quotes
        try:
            return of_annotation(ast.parse(node.value, mode="eval").body, depth + 1)
        except (SyntaxError, ValueError):
            return None
    return None


def _of_subscript(node: ast.Subscript, depth: int) -> str | None:
    name = _last_name(node.value)
    if name in _ARRAYS:
        return ARRAY
    items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if name == "Literal":
        values = [item.value for item in items if isinstance(item, ast.Constant)]
        is_told = all(value is None or type(value) in (str, int, bool) for value in values)
        told = len(values) == len(items) and is_told
        return f"Literal[{', '.join(map(repr, values))}]" if told else None
    types = ["..." if _is_ellipsis(item) else of_annotation(item, depth + 1) for item in items]
    if None in types:
        return None
    inner = ", ".join(map(str, types))
    if name == "Optional":
        return f"{inner} | None"
    if name == "Union":
        return " | ".join(map(str, types))
    generic = _TYPING.get(name, name)
    if generic in ("list", "set", "frozenset", "dict", "tuple"):
        return f"builtins.{generic}[{inner}]"
    return None


def _with_items(plain: str | None) -> str | None:
    """A container without its items' types, as strict checkers want it."""
    head = (plain or "").removeprefix("builtins.")
    if head in ("list", "set", "frozenset"):
        return f"{plain}[Any]"
    if head == "dict":
        return f"{plain}[Any, Any]"
    return f"{plain}[Any, ...]" if head == "tuple" else plain


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...

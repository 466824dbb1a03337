"""Types in stubs: from an annotation as its author wrote it, else from a JSON schema.

Both come over the wire: only what is listed here is written down, so that a stub is one. A class
of the driver's own is `Any`: the client gets one of it, a stand-in or a record, by what it has
imported.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from orchestrator.client.stub_arguments import ARGUMENTS, ARRAY, accepted
from transports import terms

ANY = "Any"

IMPORTS = """import collections as _collections
import collections.abc as _abc
import datetime as _datetime
import decimal as _decimal
import fractions as _fractions
import pathlib as _pathlib
import uuid as _uuid
import zoneinfo as _zoneinfo
"""
"""What the types below need in a stub, under names that no member has."""

_BUILTIN = ("bool", "bytearray", "bytes", "complex", "float", "int", "range", "slice", "str")
_GENERIC = {
    **{name: (f"builtins.{name}", 1) for name in ("frozenset", "list", "set", "tuple")},
    "dict": ("builtins.dict", 2),
    "collections.deque": ("_collections.deque", 1),
    "collections.Counter": ("_collections.Counter", 1),
    "collections.OrderedDict": ("_collections.OrderedDict", 2),
    "collections.defaultdict": ("builtins.dict", 2),  # as it arrives
    **{
        f"collections.abc.{name}": (f"_abc.{name}", count)
        for name, count in {
            **dict.fromkeys(("Collection", "MutableSequence", "MutableSet", "Sequence", "Set"), 1),
            **dict.fromkeys(("Mapping", "MutableMapping"), 2),
        }.items()
    },
}
"""Types with types in them, and how many."""
_STANDARD = {
    "datetime": ("date", "datetime", "time", "timedelta", "timezone", "tzinfo"),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "pathlib": ("Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath", "WindowsPath"),
    "uuid": ("UUID",),
    "zoneinfo": ("ZoneInfo",),
}
_PLAIN = {
    "None": "None",
    "numpy.ndarray": ARRAY,
    **{name: f"builtins.{name}" for name in _BUILTIN},
    **{
        f"{module}.{name}": f"_{module}.{name}"
        for module, names in _STANDARD.items()
        for name in names
    },
}
_TYPING = {"Dict": "dict", "List": "list", "Set": "set", "FrozenSet": "frozenset", "Tuple": "tuple"}
_STREAMS = ("Generator", "Iterator", "AsyncGenerator", "AsyncIterator")
_AWAITED = (
    *("asyncio.Future", "asyncio.Task"),
    *("collections.abc.Awaitable", "collections.abc.Coroutine", "concurrent.futures.Future"),
)

_SCHEMA_TYPES = {
    "boolean": "builtins.bool",
    "integer": "builtins.int",
    "null": "None",
    "number": "builtins.float",
    "string": "builtins.str",
}
_DEEPEST_SCHEMA = 12


def of_result(annotation: ast.expr | None, schema: Any, face: str) -> str:
    """The type of an action's result.

    Args:
        annotation: What its author has written, None for nothing.
        schema: That of its output.
        face: `Async` for the client of asyncio, else empty.
    """
    node = _told(schema) or annotation
    if node is None:
        return of_schema(schema)
    name, items = _parts(node)
    if name.removeprefix("collections.abc.") in _STREAMS and items:
        return f"{face}Stream[{of_annotation(items[0]) or ANY}]"
    if name in _AWAITED:
        return (of_annotation(items[-1]) if items else None) or ANY
    return of_annotation(node) or ANY


def of_value(schema: Any) -> str:
    """The type of a property or item that is read."""
    told = _told(schema)
    return of_schema(schema) if told is None else of_annotation(told) or ANY


def of_argument(annotation: ast.expr | None, schema: Any) -> str:
    """The type of what is accepted for an argument, or for a property that is written."""
    node = _told(schema) or annotation
    return of_schema(schema, taken=True) if node is None else of_annotation(node, True) or ANY


def _told(schema: Any) -> ast.expr | None:
    """The type in Python that comes with a schema."""
    text = schema.get(terms.PYTHON) if isinstance(schema, Mapping) else None
    if not isinstance(text, str):
        return None
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Constant(...)  # of a type, but none that is known


def of_annotation(node: ast.expr | None, taken: bool = False, depth: int = 0) -> str | None:
    """The type that an annotation names; None if that isn't known here.

    Args:
        node: The annotation.
        taken: Of what is accepted for it, else of what comes from it.
        depth: How deep it stands in another one.
    """
    if node is None or depth > _DEEPEST_SCHEMA:
        return None
    if isinstance(node, ast.Constant):
        return _of_constant(node, taken, depth)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _either([node.left, node.right], taken, depth)
    name, items = _parts(node)
    short = name.rpartition(".")[2]
    if short in ("ndarray", "NDArray"):
        return ARGUMENTS[ARRAY] if taken else ARRAY
    if short == "Any":
        return ANY
    if items is None:
        if name in _PLAIN:
            plain = _PLAIN[name]
            return ARGUMENTS.get(plain, plain) if taken else plain
        items = []
    elif short == "Literal":
        return _of_literal(items)
    elif short == "Optional":
        return _either([*items, ast.Constant(None)], taken, depth)
    elif short == "Union":
        return _either(items, taken, depth)
    return _of_generic(name, items, taken, depth)


def of_schema(schema: Any, depth: int = 0, taken: bool = False) -> str:
    """The type of the values that a schema allows; `Any` if it doesn't tell."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST_SCHEMA:
        return ANY
    choices = schema.get("oneOf")
    if isinstance(choices, list) and choices:
        found = list(dict.fromkeys(of_schema(choice, depth + 1, taken) for choice in choices))
        return ANY if ANY in found else " | ".join(found)
    values = schema.get("enum")
    if isinstance(values, list) and values:
        is_told = all(value is None or type(value) in (str, int, bool) for value in values)
        return f"Literal[{', '.join(map(repr, values))}]" if is_told else ANY
    kind = schema.get("type")
    if kind == "array":
        if terms.CONTENT_TYPE in schema:
            return ARGUMENTS[ARRAY] if taken else ARRAY
        inner = [of_schema(schema.get("items"), depth + 1, taken)]
        return accepted("list", inner) if taken else f"builtins.list[{inner[0]}]"
    if kind == "object":
        inner = ["builtins.str", of_schema(schema.get("additionalProperties"), depth + 1, taken)]
        return accepted("dict", inner) if taken else f"builtins.dict[{', '.join(inner)}]"
    return _SCHEMA_TYPES.get(kind, ANY) if isinstance(kind, str) else ANY


def _of_constant(node: ast.Constant, taken: bool, depth: int) -> str | None:
    if node.value is None:
        return "None"
    if isinstance(node.value, str):  # an annotation within quotes
        try:
            return of_annotation(ast.parse(node.value, mode="eval").body, taken, depth + 1)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    return None


def _either(sides: list[ast.expr], taken: bool, depth: int) -> str | None:
    types = [of_annotation(side, taken, depth + 1) for side in sides]
    if None in types:
        return None
    told = dict.fromkeys(part for each in types for part in _alternatives(str(each)))
    return ANY if ANY in told else " | ".join(told)


def _alternatives(text: str) -> list[str]:
    """The sides of a union, each once: those of `A | B` and `B | C` are three."""
    parts, level = [""], 0
    for word in text.split(" | "):
        parts[-1] += word
        level += word.count("[") - word.count("]")
        parts += [""] if not level else []
        parts[-1] += " | " if level else ""
    return [part for part in parts if part]


def _of_literal(items: list[ast.expr]) -> str | None:
    values = [item.value for item in items if isinstance(item, ast.Constant)]
    is_told = all(value is None or type(value) in (str, int, bool) for value in values)
    told = len(values) == len(items) and is_told
    return f"Literal[{', '.join(map(repr, values))}]" if told else None


def _of_generic(name: str, items: list[ast.expr], taken: bool, depth: int) -> str | None:
    short = name.rpartition(".")[2]
    name = _TYPING.get(short, name) if name in (short, f"typing.{short}") else name
    if name not in _GENERIC:
        return None
    kind, count = _GENERIC[name]
    types = [
        "..." if _is_ellipsis(item) else of_annotation(item, taken, depth + 1) or ANY
        for item in items
    ]
    if name == "tuple":
        types = types or [ANY, "..."]
    elif len(types) != count:
        types = [ANY] * count
    if taken:
        return accepted(name, types)
    return f"{kind}[{', '.join(types)}]"


def _parts(node: ast.expr) -> tuple[str, list[ast.expr] | None]:
    """The dotted name of a type, and the types in it; None for no brackets at all."""
    if isinstance(node, ast.Subscript):
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return _dotted(node.value), items
    return _dotted(node), None


def _dotted(node: ast.expr) -> str:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    names.append(node.id if isinstance(node, ast.Name) else "")
    return ".".join(reversed(names))


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...

"""Annotations as text that means the same in every module: `datetime.datetime | None`.

What a driver's author wrote may be an alias, or an import under a name of his own; and a JSON
schema has one `string` for a date, a path and a decimal number. Who writes typed clients needs
the type itself.
"""

from __future__ import annotations

import collections.abc
import inspect
import re
import sys
import types
import typing
from typing import Any

from transports import terms
from workers.driver.hints import QUALIFIERS, Array

UNKNOWN = "Any"
_DEEPEST = 12
_LONGEST = 2000
"""Characters of a text; what is longer tells nobody anything."""
_TELLS_NOTHING = (Any, object, inspect.Parameter.empty, collections.abc.Callable)
_IN_JSON = frozenset(
    {"Any", "None", "bool", "dict", "float", "int", "list", "numpy.ndarray", "str"}
)
_ODD_DICT = re.compile(r"\bdict(?!\[str,)")
"""A dictionary of other keys than text, or of keys that aren't told."""


def python_type(annotation: Any, schema: dict[str, Any]) -> dict[str, str]:
    """`{"orch:python": text}` where a schema doesn't tell the type in Python, else `{}`.

    Args:
        annotation: The annotation, resolved.
        schema: Its JSON schema.
    """
    text = type_name(annotation)
    names = set(re.findall(r"[A-Za-z_][\w.]*", text))
    if typing.get_origin(annotation) is typing.Literal:
        return {}
    if names <= _IN_JSON and not _ODD_DICT.search(text):
        return {}
    if not schema.keys() - {terms.PYTHON, terms.TYPE} and not _is_everywhere(annotation):
        return {}  # it claims nothing that the class could contradict
    return {terms.PYTHON: text}


def type_name(annotation: Any, depth: int = _DEEPEST) -> str:
    """The text of a resolved annotation; `Any` for what has none.

    Names of builtin types, `Any` and `Literal` stand alone, others after their module. Aliases,
    new types and type variables are what they stand for.
    """
    if not depth:
        return UNKNOWN
    try:
        text = _composed(annotation, depth - 1)
    except Exception:  # noqa: BLE001  exotic annotations raise whatever they like
        return UNKNOWN
    return text if len(text) <= _LONGEST else UNKNOWN


def _composed(annotation: Any, depth: int) -> str:
    if annotation is None or annotation is type(None):
        return "None"
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _either(args, depth)
    if origin is typing.Literal:
        plain = all(value is None or type(value) in (str, int, bool) for value in args)
        return f"Literal[{', '.join(map(repr, args))}]" if plain else UNKNOWN
    if origin is typing.Annotated or origin in QUALIFIERS:
        return type_name(args[0], depth)
    if isinstance(annotation, typing.NewType):
        return type_name(annotation.__supertype__, depth)
    if isinstance(annotation, typing.TypeVar):
        if annotation.__constraints__:
            return _either(annotation.__constraints__, depth)
        bound = annotation.__bound__
        return UNKNOWN if bound is None else type_name(bound, depth)
    if hasattr(annotation, "__value__"):  # a type statement's name
        return type_name(annotation.__value__, depth)
    kind = origin or annotation
    if kind is Array:
        return "numpy.ndarray"
    if not isinstance(kind, type) or kind in _TELLS_NOTHING:
        return UNKNOWN
    name = _full_name(kind)
    if not args or name == "numpy.ndarray":
        return name
    if kind is tuple and args == ((),):  # as older interpreters have it
        return "tuple[()]"
    items = ("..." if arg is ... else type_name(arg, depth) for arg in args)
    return f"{name}[{', '.join(items)}]"


def _either(choices: tuple[Any, ...], depth: int) -> str:
    return " | ".join(dict.fromkeys(type_name(choice, depth) for choice in choices))


def _full_name(kind: type) -> str:
    """Its module and name, without what its library keeps to itself: `pathlib._local`."""
    if kind.__module__ == "builtins":
        return kind.__qualname__
    first, *rest = kind.__module__.split(".")
    inner = (part for part in rest if not part.startswith("_"))
    return ".".join([first.lstrip("_"), *inner, kind.__qualname__])


def _is_everywhere(annotation: Any) -> bool:
    """Whether it isn't just a class of the driver's own or of a library."""
    if not isinstance(annotation, type) or isinstance(annotation, types.GenericAlias):
        return True
    top = annotation.__module__.partition(".")[0]
    return top in sys.stdlib_module_names or top == "numpy"

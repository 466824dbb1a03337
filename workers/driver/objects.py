"""Fitters of objects of the driver's own classes, and of what can't be one."""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

from workers.driver.fitter import Fitter, Unfit, a, is_array, plain
from workers.driver.kinds import in_class

_NEVER = (bool, int, float, complex, str, bytes, bytearray, type(None))
"""What stands for no object of a class, and for nothing that is like one."""
_MARKS = ("__pydantic_fields__", "__attrs_attrs__")
"""Classes with these say what they have: nothing else stands for one."""


def is_made_of_arguments(kind: Any) -> bool:
    """Whether it is a class of someone's own, whose objects are made from arguments."""
    return (
        isinstance(kind, type)
        and kind.__module__.partition(".")[0] not in sys.stdlib_module_names
        and isinstance(in_class(kind, "__init__"), types.FunctionType)
        and not issubclass(kind, (Mapping, *_NEVER[:-1]))
        and not getattr(kind, "_is_protocol", False)
        and not inspect.isabstract(kind)
    )


def object_fitter(kind: type, make: Callable[[dict[str, Any]], Any] | None = None) -> Fitter:
    """Of a class of one's own: its objects, and others where it may be no more than a hint.

    Args:
        kind: The class.
        make: Makes one of its arguments by name, which a mapping or a record has.
    """
    is_strict = any(hasattr(kind, mark) for mark in _MARKS)

    def convert(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        is_record = hasattr(type(value), "_asdict") and not isinstance(value, tuple)
        given = value._asdict() if is_record else value
        if type(given) is dict:
            return value if make is None else make(given)
        if is_strict or (isinstance(plain(value), _NEVER) and not is_array(value)):
            raise Unfit(value, a(kind))
        return value

    return Fitter(a(kind), convert)

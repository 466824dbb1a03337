"""Fitters of numpy's arrays and scalars."""

from __future__ import annotations

import cmath
import sys
import typing
from typing import Any

from workers.driver.fitter import Fitter, Unfit, is_array, plain
from workers.driver.hints import Array
from workers.driver.scalars import SCALARS

_SCALARS = {
    "bool": bool,
    "integer": int,
    "floating": float,
    "complexfloating": complex,
    "str_": str,
    "bytes_": bytes,
}


def array_fitter(args: tuple[Any, ...]) -> Fitter:
    """Of numpy.ndarray: lists are made arrays, of the type that the annotation names."""
    named = typing.get_args(args[1]) if len(args) == 2 else ()
    dtype = named[0] if named and isinstance(named[0], type) else None

    def convert(value: Any) -> Any:
        if is_array(value):
            return value
        if not isinstance(value, (list, tuple, range)):
            raise Unfit(value, "an array (numpy.ndarray)")
        import numpy

        concrete = dtype if dtype in numpy.sctypeDict.values() else None
        try:
            with numpy.errstate(over="ignore"):  # what became infinite is told below
                made = numpy.asarray(value, concrete)
            given = numpy.asarray(value, object)
        except (TypeError, ValueError, OverflowError) as error:
            raise Unfit(value, "an array (numpy.ndarray)", str(error)) from None
        if concrete is not numpy.object_:
            _check_items(given, made)
        return made

    kind = getattr(sys.modules.get("numpy"), "ndarray", Array)
    return Fitter("an array (numpy.ndarray)", convert, frozenset([kind]))


_SAFE = {("b", bool), ("i", int), ("u", int)}
"""Kinds of arrays that hold all items of one type as they are, or can't be made of them."""
_HELD = {"b": (bool,), "U": (str,), "S": (bytes,)}
"""Of what items alone arrays of these kinds are made."""


def _check_items(given: Any, made: Any) -> None:
    """Raise Unfit unless each item is what was given: numpy makes texts of numbers if one is text.

    Args:
        given: The items as they came, in an array of objects.
        made: The array of them.
    """
    import numpy

    items = given.ravel().tolist()
    if (made.dtype.kind, *set(map(type, items))) in _SAFE:
        return
    for number, (before, after) in enumerate(zip(items, made.ravel().tolist(), strict=True)):
        if _is_lost(plain(before), after, made.dtype.kind):
            path = "".join(f"[{at}]" for at in numpy.unravel_index(number, given.shape))
            wanted = f"what an array of {made.dtype} holds exactly"
            raise Unfit(plain(before), wanted, "give it an array that is one", path)


def _is_lost(before: Any, after: Any, kind: str) -> bool:
    """Whether an item of an array isn't what was given any more."""
    if kind in _HELD or isinstance(before, (bool, str, bytes)):
        return not isinstance(before, _HELD.get(kind, ())) or before != after
    if kind == "O":  # numpy has no type for it
        return before is None or isinstance(before, (int, float, complex))
    if isinstance(before, int) or kind in "iu":
        return bool(before != after)
    if isinstance(before, (float, complex)):  # which are rounded to what the annotation says
        return cmath.isinf(after) and not cmath.isinf(before)
    return False


def is_numpy_scalar(kind: type) -> bool:
    """Whether it is a type of numpy's scalars, such as numpy.float32."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(kind, numpy.generic)


def numpy_scalar_fitter(kind: type) -> Fitter | None:
    """Of numpy.float32 and its like: its own, and what fits Python's type; that stays Python's."""
    import numpy

    found = [
        python
        for name, python in _SCALARS.items()
        if issubclass(kind, getattr(numpy, name, numpy.bool_))  # bool was called bool_ before
    ]
    if not found:
        return None
    usual = SCALARS[found[0]]
    return Fitter(usual.wanted, lambda value: value if isinstance(value, kind) else usual(value))

"""Fitters of numpy's arrays and scalars."""

from __future__ import annotations

import sys
import typing
from typing import Any

from workers.driver.fitter import Fitter, Unfit, is_array
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
            made = numpy.asarray(value, concrete)
        except (TypeError, ValueError) as error:
            raise Unfit(value, "an array (numpy.ndarray)", str(error)) from None
        if concrete is not None and made.dtype.kind in "fc":
            _check_whole(value, made)
        return made

    kind = getattr(sys.modules.get("numpy"), "ndarray", Array)
    return Fitter("an array (numpy.ndarray)", convert, frozenset([kind]))


def _check_whole(given: Any, made: Any) -> None:
    """Raise Unfit if whole numbers lost digits as they were made floats."""
    import numpy

    whole = numpy.asarray(given)
    if whole.dtype.kind not in "iuO":
        return
    # as Python's numbers: numpy would compare them as floats
    differ = numpy.argwhere(made.astype(object) != whole.astype(object))
    for index in differ[:1]:
        value = whole[tuple(index)]
        if isinstance(value, (int, numpy.integer)):
            path = "".join(f"[{at}]" for at in index)
            wanted = f"a number that {made.dtype} can hold"
            raise Unfit(int(value), wanted, "of so large ones only some are floats", path)


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

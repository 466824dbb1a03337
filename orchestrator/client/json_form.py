"""Any value in terms of JSON, for programs and for people: strict, and nothing is left out.

What JSON has no form for is told in the way that `docs/values.md` lists: not a number is the text
"NaN", a mapping with other keys than texts is a list of pairs. It isn't read back; who needs the
values as they are takes them from Python.
"""

from __future__ import annotations

import datetime as dt
import enum
import math
import sys
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from transports.serializers import is_array
from transports.values.records import EnumValue, Record

_BITS = 10_000
"""Of whole numbers that are written as digits; Python writes no endless ones."""


def plain(value: Any, *, brief: bool = False) -> Any:
    """A value as texts, numbers, lists and dictionaries of texts.

    Args:
        value: Any value that a rig gives.
        brief: Whether arrays and bytes are only told of, by type and size.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (enum.Enum, EnumValue)):
        return value.name if value.name is not None else plain(value.value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value) if value.bit_length() <= _BITS else hex(value)
    if isinstance(value, float):
        return _number(float(value))
    if isinstance(value, complex):
        return f"{value.real!r}{value.imag:+}j"
    if isinstance(value, (bytes, bytearray)):
        return f"{len(value)} bytes" if brief else b64encode(value).decode()
    package = type(value).__module__.partition(".")[0]
    described = _PACKAGES.get((package, type(value).__name__))
    if described is not None:
        return plain(described(value), brief=brief)
    if is_array(value):
        return f"{value.dtype} array {shape(value)}" if brief else _array(value)
    return _compound(value, brief)


def _compound(value: Any, brief: bool) -> Any:
    fields = _fields(value)
    if fields is not None:
        return {name: plain(each, brief=brief) for name, each in fields.items()}
    if isinstance(value, Mapping):
        if all(type(key) is str for key in value):
            return {plain(key): plain(each, brief=brief) for key, each in value.items()}
        return [[plain(key), plain(each, brief=brief)] for key, each in value.items()]
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return [plain(each, brief=brief) for each in value]
    if isinstance(value, BaseException):
        return {"type": type(value).__name__, "message": str(value)}
    if isinstance(value, memoryview) or type(value).__name__ == "array":
        return plain(value.tolist(), brief=brief)
    return _text(value)


def _text(value: Any) -> Any:
    """Times and what else stands for itself as text; numpy's scalars as Python's."""
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        if value.dtype.kind in "mM" or value.dtype.char in "gG":
            return str(value)
        return _array(numpy.asarray(value))
    return str(value)


def _fields(value: Any) -> Mapping[str, Any] | None:
    """The fields of a record or of what is one; None of anything else."""
    if isinstance(value, Record):
        left_out = {f"{name} (left out)": why for name, why in value._omitted.items()}
        return {**value._asdict(), **left_out}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return dict(zip(value._fields, value, strict=True))
    if hasattr(type(value), "__dataclass_fields__"):
        return {name: getattr(value, name) for name in type(value).__dataclass_fields__}
    return vars(value) if type(value).__name__ == "SimpleNamespace" else None


def _number(value: float) -> Any:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _array(array: Any) -> Any:
    import numpy as np

    kind = array.dtype.kind
    if isinstance(array, np.ma.MaskedArray):
        return plain(array.tolist())  # None where it is masked
    if kind in "mM":
        return array.astype(str).tolist()
    if kind in "biu" or (kind == "f" and array.dtype.itemsize <= 8 and np.isfinite(array).all()):
        return array.tolist()
    if array.dtype.names is not None:
        if array.shape:
            return [_array(row) for row in array]
        return {name: _array(np.asarray(array[name])) for name in array.dtype.names}
    return plain(array.tolist())


def shape(array: Any) -> str:
    """An array's shape for people, such as `1080x1920`."""
    return "x".join(str(length) for length in array.shape) or "scalar"


_PACKAGES: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("pandas", "DataFrame"): lambda frame: {
        "index": list(frame.index),
        "columns": [[name, list(frame.iloc[:, at])] for at, name in enumerate(frame.columns)],
    },
    ("pandas", "Series"): lambda series: {"index": list(series.index), "values": list(series)},
    ("pandas", "Categorical"): list,
    **{
        ("pandas", name): list
        for name in ("Index", "RangeIndex", "DatetimeIndex", "MultiIndex", "CategoricalIndex")
    },
    ("xarray", "DataArray"): lambda array: array.to_dict(data="array"),
    ("xarray", "Dataset"): lambda data: data.to_dict(data="array"),
    ("pint", "Quantity"): lambda value: {"value": value.magnitude, "unit": str(value.units)},
    ("quantities", "Quantity"): lambda value: {
        "value": value.magnitude,
        "unit": value.dimensionality.string,
    },
    ("astropy", "Quantity"): lambda value: {"value": value.value, "unit": str(value.unit)},
}

"""What is known of a parameter without asking its device: unit, label, limits, allowed values.

Only what is stored in the object is looked at, and the few properties of QCoDeS that give back what
was stored.
"""

from __future__ import annotations

import enum
import inspect
import numbers
from typing import Any

from transports import terms
from workers.driver.alternatives import Schema
from workers.driver.kinds import (
    attributes_of,
    getter_of,
    in_class,
    is_made_in,
    setter_of,
)
from workers.driver.schemas import default_of, value_schema
from workers.driver.sources import subscribes

_UNITS = ("unit", "units", "egu")
_CHOICES = ("allowed_values", "choices", "options", "enum_strs")
_SAFE = ("unit", "label", "vals", "limits", "min_value", "max_value")
"""Properties of QCoDeS' parameters and validators that give back what was stored."""


def parameter_schema(parameter: Any) -> Schema:
    """Describe an object with `get`, and `set` or `put`."""
    known = _Known(parameter)
    schema = value_schema(known.get("readback"))  # ophyd keeps the last one
    schema[terms.CALLABLE] = True
    validator = known.get("vals") or known.get("validator")
    schema |= _of_validator(validator) if validator is not None else {}
    low, high = _limits(known)
    if low is not None:
        schema["minimum"] = low
    if high is not None:
        schema["maximum"] = high
    if (low, high) != (None, None):
        schema.setdefault("type", "number")
    choices: Any = next((found for name in _CHOICES if (found := known.get(name))), None)
    if _is_listing(choices):
        schema |= _enum(list(choices))
    unit = next((found for name in _UNITS if (found := known.get(name))), None)
    if isinstance(unit, str):
        schema["unit"] = unit
    if isinstance(label := known.get("label"), str) and label:
        schema["title"] = label
    if text := _text(known):
        schema["description"] = text
    if setter_of(parameter) is None:
        schema["readOnly"] = True
    if getter_of(parameter) is None:
        schema["writeOnly"] = True
    if subscribes(parameter):
        schema["observable"] = True
    return schema


class _Known:
    """What is stored in an object under a name, with or without an underscore before it."""

    def __init__(self, value: Any) -> None:
        self.stored = attributes_of(value)
        self._value = value
        self._cls = type(value)
        metadata = self.stored.get("_metadata")  # of ophyd's signals
        self._metadata = metadata if isinstance(metadata, dict) else {}

    def get(self, name: str) -> Any:
        """The value; None if there is none that is known to be stored."""
        found = in_class(self._cls, name)
        if name in _SAFE and isinstance(found, property) and _is_of_qcodes(found.fget):
            return getattr(self._value, name)
        for each in (name, f"_{name}"):
            if each in self.stored:
                return self.stored[each]
        if name in self._metadata:
            return self._metadata[name]
        return None if hasattr(type(found), "__get__") else found

    @property
    def metadata(self) -> dict[str, Any]:
        """What ophyd was told of the signal by its device."""
        return self._metadata


def _is_of_qcodes(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).partition(".")[0] == "qcodes"


def _limits(known: _Known) -> tuple[Any, Any]:
    given = known.get("limits")
    if isinstance(given, (tuple, list)) and len(given) == 2:
        low, high = given
    elif {"lower_ctrl_limit", "upper_ctrl_limit"} <= known.metadata.keys():
        low, high = known.metadata["lower_ctrl_limit"], known.metadata["upper_ctrl_limit"]
    else:
        names = (("minimum", "maximum"), ("min_value", "max_value"), ("low_limit", "high_limit"))
        low, high = next(
            (pair for a, b in names if (pair := (known.get(a), known.get(b))) != (None, None)),
            (None, None),
        )
    low, high = _finite(low), _finite(high)
    return (None, None) if low == high else (low, high)  # EPICS says 0, 0 for none


def _finite(value: Any) -> Any:
    """A number that has a form in JSON, else None."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    plain = int(value) if isinstance(value, numbers.Integral) else float(value)
    return plain if default_of(plain) else None


def _of_validator(validator: Any) -> Schema:
    """The schema of what a validator of QCoDeS lets pass; `{}` for others."""
    known = _Known(validator)
    for name, kind in (("Ints", "integer"), ("Numbers", "number"), ("PermissiveInts", "integer")):
        if is_made_in(type(validator), "qcodes", name):
            bounds = {
                "minimum": _finite(known.get("min_value")),
                "maximum": _finite(known.get("max_value")),
            }
            # its own for "no bound" is the largest number that there is
            kept = {key: each for key, each in bounds.items() if each is not None}
            return {"type": kind} | {key: x for key, x in kept.items() if abs(x) < 2**62}
    for name, kind in (("Bool", "boolean"), ("Strings", "string"), ("Arrays", "array")):
        if is_made_in(type(validator), "qcodes", name):
            return {"type": kind}
    values = known.get("values") or known.get("valid_values")
    return _enum(list(values)) if _is_listing(values) else {}


def _is_listing(values: Any) -> bool:
    if isinstance(values, type) and issubclass(values, enum.Enum):
        return True
    return isinstance(values, (list, tuple, set, frozenset)) and len(values) > 0


def _enum(values: list[Any]) -> Schema:
    plain = [each.value if isinstance(each, enum.Enum) else each for each in values]
    if not all(type(each) in (str, int, float, bool) and default_of(each) for each in plain):
        return {}
    try:
        return {"enum": sorted(plain)}
    except TypeError:  # of several types
        return {"enum": plain}


def _text(known: _Known) -> str:
    for text in (*map(known.get, ("docstring", "doc", "description")), known.stored.get("__doc__")):
        if isinstance(text, str) and text:
            # what QCoDeS adds repeats unit, label and limits
            return inspect.cleandoc(text.partition("Parameter class:")[0])
    return ""

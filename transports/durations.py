"""The one rule for lengths of time, in arguments as in execution contexts."""

from __future__ import annotations

import math
import sys
from numbers import Number
from typing import Any


def duration(value: Any, name: str = "timeout", *, overdue: bool = False) -> float | None:
    """A length of time, in any unit; None, and infinity, for no end.

    A number is what Python calls one, a Decimal and numpy's too, but no bool and no text.

    Args:
        value: What was given.
        name: What it is called in errors.
        overdue: Whether less than 0 is taken, as 0: on the wire it means that time is up.

    Raises:
        TypeError: Not a number.
        ValueError: NaN, -inf, or less than 0 where that isn't taken.
    """
    if value is None:
        return None
    kind = type(value)
    if (kind is float or kind is int) and 0 <= value < sys.float_info.max:  # of nearly all requests
        return value  # type: ignore[no-any-return]  # an int or a float, as was asked
    number: Any = value
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        number = value.item()  # numpy's numbers, and arrays that are one
    # Decimal is a number that isn't said to be a real one.
    if not _is_number(number):
        raise TypeError(f"{name} must be a number or None, not {value!r:.80}")
    try:
        length = float(number)
    except OverflowError:  # an integer of more than 308 digits
        length = math.inf if number > 0 else -sys.float_info.max
    if length == math.inf:
        return None
    if length >= 0:
        return number if type(number) is int else length
    if overdue and length > -math.inf:  # nor is NaN
        return 0.0
    raise ValueError(f"{name} must be 0 or more, not {value!r:.80}")


def _is_number(value: object) -> bool:
    return isinstance(value, Number) and not isinstance(value, (bool, complex))

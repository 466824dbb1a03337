"""What callers give, checked at the call: a mistake must not turn into a wait without end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import msgspec

from transports.serializers import PreserializedData, SerializableData


def duration(value: Any, name: str = "timeout") -> float | None:
    """A length of time, in any unit; None, and infinity, for no end.

    Raises:
        TypeError: Not a number.
        ValueError: NaN, or less than 0.
    """
    if value is None:
        return None
    number: Any = value
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number or None, not {value!r:.80}")
    if not number >= 0:  # nor is NaN
        raise ValueError(f"{name} must be 0 or more, not {value!r:.80}")
    try:
        length = float(number)
    except OverflowError:  # an integer of more than 308 digits
        return None
    if length == math.inf:
        return None
    return number if isinstance(number, int) else length


def text(value: Any, name: str) -> None:
    """Raises TypeError if it isn't text."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {value!r:.80}")


def payloads(payload: Any, preserialized_payload: Any) -> None:
    """Raises TypeError if one isn't None or what carries a payload."""
    if payload is not None and not isinstance(payload, SerializableData):
        raise TypeError(f"payload must be a SerializableData or None, not {payload!r:.80}")
    if preserialized_payload is not None:
        if not isinstance(preserialized_payload, PreserializedData):
            raise TypeError(
                "preserialized_payload must be a PreserializedData or None, "
                f"not {preserialized_payload!r:.80}"
            )
        if not isinstance(preserialized_payload.value, (bytes, bytearray, memoryview)):
            raise TypeError(
                "the value of preserialized_payload must be bytes, "
                f"not {preserialized_payload.value!r:.80}"
            )


def context(value: Any, name: str) -> None:
    """Raises TypeError if it isn't an execution context."""
    if not (value is None or value is msgspec.UNSET or isinstance(value, Mapping)):
        raise TypeError(f"{name} must be a mapping or None, not {value!r:.80}")

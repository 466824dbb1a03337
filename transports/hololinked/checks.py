"""What callers give, checked at the call: a mistake must not turn into a wait without end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from transports.serializers import PreserializedData, SerializableData


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

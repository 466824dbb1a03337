"""What a record says of objects that aren't ours, whatever their own methods raise."""

from __future__ import annotations

from workers.output.pipes import safe_repr


def message_text(event: object) -> str:
    """`str(event)`, or what `safe_repr` gives where that raises."""
    try:
        return str(event)
    except Exception:  # noqa: BLE001  a stranger's __str__ may raise anything
        return safe_repr(event)

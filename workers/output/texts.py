"""What a record says of objects that aren't ours, whatever their own methods raise."""

from __future__ import annotations

import sys
import traceback

from workers.output.pipes import safe_repr


def message_text(event: object) -> str:
    """`str(event)`, or what `safe_repr` gives where that raises."""
    try:
        return str(event)
    except Exception:  # noqa: BLE001  a stranger's __str__ may raise anything
        return safe_repr(event)


def exception_text(exc_info: object) -> str | None:
    """The traceback of what loggers accept as `exc_info`: True, an exception, or a triple."""
    if not exc_info:
        return None
    if isinstance(exc_info, BaseException):
        error: BaseException | None = exc_info
    elif isinstance(exc_info, tuple):
        error = exc_info[1]
    else:
        error = sys.exception()
    if error is None:
        return None
    try:
        return "".join(traceback.format_exception(error)).rstrip("\n")
    except Exception as problem:  # noqa: BLE001  exceptions of drivers may break their own printing
        return f"{type(error).__name__} (its traceback can't be shown: {safe_repr(problem)})"

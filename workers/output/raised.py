"""An exception for a record: its traceback, and what was raised on one line."""

from __future__ import annotations

import sys
import traceback
from typing import NamedTuple

from workers.output.pipes import safe_repr

MAX_LINE = 1000
"""Characters of the one line; the traceback has it all."""
_MEMBERS = 3  # exceptions of a group that are named


class Raised(NamedTuple):
    """What is kept of an exception.

    Attributes:
        traceback: As Python prints it.
        line: Type and message. They can't be found in the traceback again: messages have several
            lines, notes and the members of groups follow them. None where only a text is known.
    """

    traceback: str
    line: str | None = None


def raised(exc_info: object) -> Raised | None:
    """What loggers accept as `exc_info`, which is True, an exception, or a triple; never raises."""
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
        text = "".join(traceback.format_exception(error)).rstrip("\n")
    except BaseException as problem:  # noqa: BLE001  exceptions of drivers may break their printing
        text = f"{type(error).__name__} (its traceback can't be shown: {safe_repr(problem)})"
    return Raised(text, one_line(error))


def as_text(text: str | None) -> Raised | None:
    """A traceback that somebody else has made."""
    return Raised(text) if text else None


def one_line(error: BaseException) -> str:
    """Type and message of an exception, white space folded; of a group, its first members too."""
    line = _one(error)
    if issubclass(type(error), BaseExceptionGroup):  # asks nothing of the object
        exceptions = vars(BaseExceptionGroup)["exceptions"].__get__(error)
        members = [_one(each) for each in exceptions[:_MEMBERS]]
        more = ["…"] if len(exceptions) > _MEMBERS else []
        line = f"{line}: {'; '.join(members + more)}"
    return line if len(line) <= MAX_LINE else f"{line[: MAX_LINE - 1]}…"


def _one(error: BaseException) -> str:
    name = type(error).__qualname__
    try:
        # cut first: a message may be huge
        message = " ".join(str(error)[: 4 * MAX_LINE].split())
    except BaseException as problem:  # noqa: BLE001  a driver's __str__ may raise anything
        message = f"(its text can't be shown: {type(problem).__name__})"
    return f"{name}: {message}" if message else name

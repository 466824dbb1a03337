"""What a worker's answer says of how its operation went.

Pure. Frames pass where they are answered, so they are read only as far as they must be.
"""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator.core.tally import shorten
from transports.exceptions import NOT_STARTED
from transports.headers import ERROR

LONGEST_ERROR = 1 << 16
"""Bytes of an error that is read."""
_RAISED = f'"{ERROR}"'.encode()
_REFUSED = f'"outcome":"{NOT_STARTED}"'.encode()  # which is the client's mistake
_BEGINNING = 64  # bytes of a header, in which its kind stands


def is_error(header: Any) -> bool:
    """Whether an answer with this header is an error."""
    return bytes(header).find(_RAISED, 0, _BEGINNING) >= 0


def is_refusal(payload: Any) -> bool:
    """Whether an error with this payload is of an operation that the driver never began."""
    return _REFUSED in bytes(payload)


class _Error(msgspec.Struct):
    type: str = "an error"
    message: str = ""


class _Answer(msgspec.Struct):
    exception: _Error


def first_line(payload: Any) -> str:
    """An error as a worker sent it: `ValueError: x is beyond the limits`."""
    try:
        if len(payload) > LONGEST_ERROR:
            return UNREAD
        found = msgspec.json.decode(bytes(payload), type=_Answer).exception
    except (msgspec.DecodeError, UnicodeDecodeError):
        return UNREAD
    lines = found.message.splitlines()
    return shorten(f"{found.type}: {lines[0]}" if lines else found.type)


UNREAD = "raised an error, which its log may tell"
"""Stands for an error that can't be read, or is too long."""

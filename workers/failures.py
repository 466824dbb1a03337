"""What a caller is told of an exception: the driver's part of it, whatever it is."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from types import FrameType

import msgspec

from transports.exceptions import (
    DONE,
    FAILED,
    INTERRUPT,
    NOT_STARTED,
    UNKNOWN,
    describe_exception,
)
from transports.exceptions import refusal_payload as _refusal
from transports.values.kinds import NoForm, name_of
from transports.values.raised import parts_of

_HERE = Path(__file__).parent
RUNTIME_FOLDERS = frozenset(
    [
        str(_HERE),
        *(str(_HERE / room) for room in ("driver", "serving", "process", "output")),
        str(_HERE.parent / "transports"),
    ]
)
"""Folders of the files that call a driver."""
_TRACEBACK = vars(BaseException)["__traceback__"]
"""Not by the name: an exception's class may have code of a driver's there."""
_CARRIERS = ("asyncio", "concurrent", "importlib")
"""Packages of the standard library by which the runtime calls a driver."""


class Refused(Exception):
    """A request that never reached the driver.

    Args:
        kind: Name of the builtin exception that the caller sees.
        message: What is wrong and how to mend it.

    Attributes:
        payload: The payload of the EXCEPTION.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.payload = _refusal(kind, message, NOT_STARTED)


def summary(error: BaseException) -> str:
    """Type and text of an exception on one line; never raises."""
    kind = error.kind if isinstance(error, Refused) else type(error).__name__
    try:
        return f"{kind}: {error}"
    except Exception:  # noqa: BLE001  a driver's exception may not be printable
        return kind


def strip(error: BaseException) -> None:
    """Take the runtime's own frames off the front of an exception's traceback."""
    trace = _TRACEBACK.__get__(error)
    while trace is not None and is_ours(trace.tb_frame):
        trace = trace.tb_next
    _TRACEBACK.__set__(error, trace)


def failure_body(error: BaseException, note: str = "") -> dict[str, object]:
    """The JSON object of a driver's exception; never raises.

    Args:
        error: What the driver raised.
        note: A line to add to its notes.
    """
    strip(error)
    try:
        body: dict[str, object] = describe_exception(error, FAILED)
    except BaseException as second:  # noqa: BLE001  its methods are the driver's code too
        line = _unprintable(error, second)
        body = {
            "message": line,
            "type": "RuntimeError",
            "traceback": [f"RuntimeError: {line}"],
            "notes": None,
            "outcome": FAILED,
        }
    if note:
        notes = body["notes"]
        body["notes"] = [*notes, note] if isinstance(notes, list) else [note]
    return body


def failure_payload(error: BaseException) -> bytes:
    """The payload of the EXCEPTION for what a driver raised; never raises."""
    body = failure_body(error)
    try:
        parts = parts_of(error, _briefly)
    except BaseException:  # noqa: BLE001  what can be told of it is told without them
        parts = {}
    return msgspec.json.encode({"exception": {**body, **parts}})


def _briefly(error: BaseException) -> dict[str, object]:
    """As an exception is told that another one holds, whose traceback shows this one's too."""
    return {key: value for key, value in failure_body(error).items() if key != "traceback"}


def import_place(error: BaseException, folder: str) -> str:
    """Where in the driver's code an import failed: ` (stage.py:3)`; empty if that isn't known.

    Args:
        error: What the import raised.
        folder: The config's folder: the last line of a file in it says more than one of a library.
    """
    if isinstance(error, SyntaxError):
        return ""  # its text has the place
    prefix = os.path.join(folder, "")
    places = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not is_ours(frame) and not frame.f_code.co_filename.startswith("<frozen ")
    ]
    near = [place for place in places if place[0].startswith(prefix)]
    if not places:
        return ""
    file, line = (near or places)[-1]
    return f" ({file.removeprefix(prefix)}:{line})"


def unsendable_text(done: str, value: object, error: BaseException, root: str = "result") -> str:
    """What is told of a result that can't be encoded.

    Args:
        done: What happened all the same, such as `move was done, but its result`.
        value: The result.
        error: Why it can't be encoded.
        root: What the value is, as the place in it is told.
    """
    if isinstance(error, NoForm):
        reason = error.told(root) if error.steps else error.reason
        return f"{done} can't be sent: {reason.encode('utf-8', 'backslashreplace').decode()}"
    name = name_of(type(value))
    try:
        reason = str(error)
    except BaseException as second:  # noqa: BLE001  raised by the value's own methods
        reason = type(second).__name__
    reason = reason.encode("utf-8", "backslashreplace").decode()
    return f"{done} of type {name} can't be sent: {reason}"


def unsendable_payload(text: str) -> bytes:
    """The payload of the EXCEPTION that says so: the operation was done all the same."""
    return _refusal("TypeError", text, DONE)


def interrupted_payload(name: str, error: BaseException | None) -> tuple[bytes, str]:
    """The payload of the EXCEPTION for an operation that was interrupted, and its text.

    Args:
        name: The operation, as `stage.move`.
        error: What came out of the driver's code, if it did.
    """
    lines = []
    if error is not None:
        strip(error)
        lines = [
            f"{os.path.basename(frame.f_code.co_filename)}:{line} {frame.f_code.co_name}"
            for frame, line in traceback.walk_tb(error.__traceback__)
            if not is_ours(frame)
        ]
    where = f" in {lines[-1]}" if lines else ""
    text = f"{name} was cancelled while it ran: interrupted{where}; what it did is not known"
    return _refusal("InterruptedError", text, UNKNOWN, step=INTERRUPT), text


def _unprintable(error: BaseException, second: BaseException) -> str:
    return f"{type(error).__name__} (it can't be shown: {type(second).__name__})"


def is_ours(frame: FrameType) -> bool:
    """Whether a frame is the runtime's, or of what it calls a driver by."""
    folder = str(Path(frame.f_code.co_filename).parent)
    if folder in RUNTIME_FOLDERS:
        return True
    module = str(frame.f_globals.get("__name__", ""))
    head = module.partition(".")[0]
    return head in _CARRIERS and head in sys.stdlib_module_names

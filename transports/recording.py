"""The form of a recording: what a rig's workers were asked, answered and emitted, and when.

JSON lines, each an object with its `type`; bytes are base64. Frames that are large stand one after
the other in a file of payloads beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

FORM: Final = 2
"""Of the form that is written; 1 had no events."""
READ: Final = (1, 2)
"""Of the forms that are read."""
BESIDE: Final = ".payloads"
"""End of the name of the file of payloads."""
LARGE: Final = 4096
"""Bytes of a frame that stands in that file."""
DIED: Final = "died"
KILLED: Final = 128 + 9
"""The exit status of a life of which none was recorded: killed by SIGKILL."""
"""In place of the kind of an answer: the worker's process ended in the operation."""


class Place(msgspec.Struct, frozen=True):
    """Where a frame stands in the file of payloads."""

    at: int
    size: int


class Head(msgspec.Struct, frozen=True, tag="recording"):
    """The first line.

    Attributes:
        form: `FORM`.
        rig: Id of the rig.
        started: Seconds since the epoch at which `at` of operations begins.
    """

    form: int
    rig: str
    started: float


class Offered(msgspec.Struct, frozen=True, tag="worker"):
    """What a worker offers, from here on."""

    worker: str
    description: dict[str, Any]


class Operation(msgspec.Struct, frozen=True, tag="operation"):
    """One operation, in the line of its end.

    Attributes:
        worker: Whose.
        life: In which of its lives, from 1.
        at: When it was asked for.
        waited: Seconds until it began.
        seconds: Seconds from then to its end.
        operation, member: What was asked for.
        asked_type: Content type of `asked`.
        asked, asked_raw: The arguments: the request's payload and raw frame.
        kind: Of the answer: REPLY, EXCEPTION, or `DIED`.
        answer_type: Content type of `answer`.
        answer, answer_raw: The answer's payload and raw frame.
        raw_type: Content type of `answer_raw`.
        status: The exit status of a life that `DIED`, as a shell tells it: 128 + N for a signal N.
    """

    worker: str
    life: int
    at: float
    waited: float
    seconds: float
    operation: str
    member: str
    asked_type: str | None
    asked: bytes | Place
    asked_raw: bytes | Place
    kind: str
    answer_type: str | None = None
    answer: bytes | Place = b""
    answer_raw: bytes | Place = b""
    raw_type: str | None = None
    status: int = KILLED


class Emitted(msgspec.Struct, frozen=True, tag="event"):
    """One event, or change of a property, when the rig got it.

    Attributes:
        worker: Whose.
        life: In which of its lives, from 1.
        at: When, as `at` of operations.
        since: Seconds since that life was begun.
        event: Its name, or that of the property.
        payload, raw: What came, as `transports.values.codec` writes it.
    """

    worker: str
    life: int
    at: float
    since: float
    event: str
    payload: bytes | Place
    raw: bytes | Place


class Lost(msgspec.Struct, frozen=True, tag="lost"):
    """What came faster than it could be written, and isn't in the recording.

    Attributes:
        count: Operations; without them there are no answers to give.
        events: Events.
    """

    count: int
    events: int = 0


Line = Head | Offered | Operation | Emitted | Lost


class NoRecording(ValueError):
    """A file isn't a recording that can be read; the text says why."""


def payloads_of(file: Path) -> Path:
    """The file of payloads of a recording."""
    return file.with_name(file.name + BESIDE)


def read_lines(file: Path) -> Iterator[Line]:
    """The lines of a recording; one that was cut short as it was written ends before that.

    Raises:
        NoRecording: It isn't one, or of another form.
        OSError: It can't be read.
    """
    decode = msgspec.json.Decoder(Line).decode
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            try:
                found = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise NoRecording(f"line {number} is none of a recording: {error}") from error
            if isinstance(found, Head) != (number == 1):
                raise NoRecording("it doesn't begin as recordings do")
            if isinstance(found, Head) and found.form not in READ:
                raise NoRecording(f"it has form {found.form}; this release reads {READ}")
            yield found

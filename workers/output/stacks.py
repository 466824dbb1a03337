"""What a thread is at, in one line: where in the driver it is, and who called that.

`in psu.py:56 _ask ← query` says of a stack what matters: the driver's innermost frame, and the
driver's frames around it. What the runtime does around those, and what the standard library and
other packages do within, is in the stack itself.
"""

from __future__ import annotations

import re
import sysconfig
import traceback
from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from workers.failures import RUNTIME_FOLDERS

_RUNTIME_PACKAGES = ("zmq", "structlog", "msgspec")  # where the runtime itself waits and works
_STANDARD = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib")})
_INSTALLED = re.compile(r"/(?:site|dist)-packages/([^/]+)")

_FRAME = re.compile(r'  File "(.*)", line (\d+|\?\?\?) in (.*)')
_FATAL = "Fatal Python error: "
_THREAD = r"(?:Current thread|Thread) 0x[0-9a-f]+ .*\(most recent call first\):"
_HEAD = re.compile(rf"{_FATAL}|{_THREAD}|Stack \(most recent call |Timeout \(\d+:\d\d:\d\d")
# What faulthandler writes beside heads and frames: other releases than ours have some more.
_REST = re.compile(
    r"  File \"|  <|  \.\.\.|  Garbage-coll|  Binary file \"|Extension modules: |"
    r"Python runtime state: |Current thread's C stack|<Cannot |$"
)
_MOST_THREADS = 3
_MOST_CALLERS = 4


class Frame(NamedTuple):
    """A call that isn't over."""

    file: str
    line: str
    name: str


def begins_dump(line: str) -> bool:
    """Whether faulthandler begins to write stacks with such a line."""
    return _HEAD.match(line) is not None


def continues_dump(line: str) -> bool:
    """Whether a line may be a further one of such stacks."""
    return _REST.match(line) is not None or begins_dump(line)


def is_dump(text: str) -> bool:
    """Whether a text is the stacks of a process or thread, as they are recorded."""
    return begins_dump(text) and "(most recent call " in text


def summary(dump: str) -> str:
    """What faulthandler has written about a process, in one line."""
    lines = dump.split("\n")
    cause = lines[0] if lines[0].startswith(_FATAL) else ""
    threads: list[tuple[bool, list[Frame]]] = []
    for line in lines:
        if re.match(_THREAD, line) or line.startswith("Stack ("):
            threads.append((line.startswith("Current"), []))
        elif threads and (match := _FRAME.match(line)) is not None:
            threads[-1][1].append(Frame(*match.groups()))
    # The main thread, which serves the queue, comes last.
    known = [frames for _, frames in reversed(threads)]
    if cause:
        known = [frames for current, frames in threads if current and frames] or known
    asked = [each for each in known if _has_runtime(each) and drivers_frames(each)]
    shown = asked or [each for each in known if drivers_frames(each)] or known[:1]
    where = "; ".join(filter(None, (place(each) for each in shown[:_MOST_THREADS])))
    return " ".join(filter(None, (cause, where))) or "stacks"


def place(frames: Sequence[Frame]) -> str:
    """Where a thread is: in the driver if there it is, else wherever it is.

    Args:
        frames: The innermost first.
    """
    found = drivers_frames(frames) or list(frames[:1])
    if not found:
        return ""
    innermost, *callers = found
    names = [innermost.name, *(frame.name for frame in callers)]
    if len(callers) > _MOST_CALLERS:
        names = [*names[:_MOST_CALLERS], "…", names[-1]]
    return f"in {Path(innermost.file).name}:{innermost.line} {' ← '.join(names)}"


def drivers_frames(frames: Sequence[Frame]) -> list[Frame]:
    """The frames of the driver, the innermost first; none where it isn't the driver's turn."""
    inner = [each for each in takewhile(_is_not_ours, frames) if not _is_standard(each)]
    if not inner:
        return []
    package = _package(inner[-1])  # of whom the runtime called, if it was installed
    if package in _RUNTIME_PACKAGES:
        return []
    return list(filter(partial(_is_of, package), inner))


def stack_of(frame: FrameType) -> tuple[str, str]:
    """Where a thread of this process is, in one line, and its stack."""
    walked = [
        Frame(each.f_code.co_filename, str(number), each.f_code.co_name)
        for each, number in traceback.walk_stack(frame)
    ]
    text = "".join(traceback.format_stack(frame)).rstrip("\n")
    return place(walked), f"Stack (most recent call last):\n{text}"


def _folder(frame: Frame) -> str:
    return frame.file.rpartition("/")[0]


def _is_not_ours(frame: Frame) -> bool:
    return _folder(frame) not in RUNTIME_FOLDERS


def _has_runtime(frames: Sequence[Frame]) -> bool:
    return not all(map(_is_not_ours, frames))


def _is_standard(frame: Frame) -> bool:
    if frame.file.startswith("<frozen "):
        return True
    return frame.file.startswith(_STANDARD) and _INSTALLED.search(frame.file) is None


def _package(frame: Frame) -> str | None:
    match = _INSTALLED.search(frame.file)
    return match[1] if match is not None else None


def _is_of(package: str | None, frame: Frame) -> bool:
    return _package(frame) in (None, package)

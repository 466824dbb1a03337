"""Bytes of a stream into lines, of bounded length."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_LINE = 64 * 1024
"""Bytes of a line that are kept. Workers cut their own records a little below it."""


class Line(NamedTuple):
    """A line without its newline.

    Attributes:
        data: The bytes that were kept.
        cut: The line was longer; what follows of it is dropped.
        torn: The stream ended without a newline.
        dropped: If not 0, this isn't a line but the count of bytes that a cut line lost.
    """

    data: bytes
    cut: bool = False
    torn: bool = False
    dropped: int = 0


_ERASURE = re.compile(rb"\x1b\[[0-2]?K")


def is_overwritten(line: bytes) -> bool:
    r"""Whether carriage returns make a line a progress bar.

    One alone, within the line, is no sign of it: devices answer so, and both parts are shown.
    """
    steps = line.rstrip(b"\r")
    return steps.startswith(b"\r") or steps.count(b"\r") > 1


def last_state(line: bytes) -> bytes:
    r"""What a terminal shows of a line whose carriage returns go back to its begin.

    That is what stands after the last ``\r`` with anything after it; orders to erase the line,
    which progress bars send along, are no text.
    """
    for part in reversed(line.split(b"\r")):
        text = _ERASURE.sub(b"", part)
        if text.strip():
            return text.rstrip(b" ")
    return b""


def _latest(line: bytes) -> bytes:
    """The end of a line, from the state on that `last_state` gives."""
    parts = line.split(b"\r")
    for place in range(len(parts) - 1, -1, -1):
        if _ERASURE.sub(b"", parts[place]).strip():
            return parts[place] if parts[place] is parts[-1] else parts[place] + b"\r" + parts[-1]
    return b""


class LineSplitter:
    """Splits what a stream brings into lines.

    What a carriage return has overwritten is forgotten: such lines, of progress bars, would grow
    without end. `begun` gives their present state.

    The head of a line that is too long is given as soon as it is, for some streams never end
    their line; the rest of it is counted, and the count given when the line ends.

    Args:
        limit: Bytes of a line that are kept.
        overwrites: Carriage returns overwrite what stands before them in their line.
    """

    def __init__(self, limit: int = MAX_LINE, *, overwrites: bool = False) -> None:
        self._limit = limit
        self._overwrites = overwrites
        self._rest = bytearray()
        self._cut = False
        self._dropped = 0

    def feed(self, data: bytes) -> list[Line]:
        """The lines that `data` completes."""
        lines: list[Line] = []
        if self._cut:
            end = data.find(b"\n")
            if end < 0:
                self._dropped += len(data)
                return lines
            self._dropped += end
            lines += self._end_cut()
            data = data[end + 1 :]
        first, newline, after = data.partition(b"\n")
        self._rest += first
        if newline:
            parts = [bytes(self._rest), *after.split(b"\n")]
            self._rest = bytearray(parts.pop())
            for part in parts:
                if self._overwrites and is_overwritten(part):
                    part = last_state(part)
                if len(part) > self._limit:
                    lines.append(self._begin_cut(part))
                    lines += self._end_cut()
                else:
                    lines.append(Line(part))
        if self._overwrites and self._rest.count(b"\r") > 1:
            # A carriage return in front tells that the line is one that is overwritten.
            self._rest = bytearray(b"\r" + _latest(bytes(self._rest)))
        if len(self._rest) > self._limit:
            lines.append(self._begin_cut(bytes(self._rest)))
            self._rest.clear()
        return lines

    def end(self) -> list[Line]:
        """What is left at the end of the stream."""
        if self._cut:
            return self._end_cut()
        rest = bytes(self._rest)
        self._rest.clear()
        if self._overwrites and is_overwritten(rest):
            rest = last_state(rest)
        return [Line(rest, torn=True)] if rest else []

    @property
    def is_empty(self) -> bool:
        """Whether the last line has ended."""
        return not self._rest and not self._cut

    @property
    def state(self) -> bytes:
        """The present state of a line that is overwritten and not yet ended; empty if none is."""
        is_bar = self._overwrites and self._rest.startswith(b"\r")
        return last_state(bytes(self._rest)) if is_bar else b""

    def _begin_cut(self, data: bytes) -> Line:
        keep = self._limit
        # Not in the middle of a UTF-8 character, which takes at most three bytes more than one.
        for back in range(4):
            if data[keep - back] & 0xC0 != 0x80:
                keep -= back
                break
        self._cut = True
        self._dropped = len(data) - keep
        return Line(data[:keep], cut=True)

    def _end_cut(self) -> list[Line]:
        dropped, self._dropped, self._cut = self._dropped, 0, False
        return [Line(b"", dropped=dropped)]

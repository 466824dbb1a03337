"""Bytes of a stream into lines, of bounded length."""

from __future__ import annotations

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


class LineSplitter:
    """Splits what a stream brings into lines.

    The head of a line that is too long is given as soon as it is, for some streams never end
    their line; the rest of it is counted, and the count given when the line ends.

    Args:
        limit: Bytes of a line that are kept.
    """

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
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
                if len(part) > self._limit:
                    lines.append(self._begin_cut(part))
                    lines += self._end_cut()
                else:
                    lines.append(Line(part))
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
        return [Line(rest, torn=True)] if rest else []

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

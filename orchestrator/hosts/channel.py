"""Messages that come once and in order, over connections that may break.

Pure: frames in, frames out. Each side numbers what it sends and keeps it until the other says that
it has it. What was sent twice is taken once; what came behind a gap is dropped, and comes again
(go-back-N, as in A. S. Tanenbaum, Computer Networks, 3.4.2). No time is guessed: one connection
keeps order, so what was sent before a question, and isn't taken in its answer, is lost.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

ROOM = 8 << 20
"""Bytes that are kept for who is away, or too slow; of output more is lost, and told."""
Frames = list[Any]
"""A message: number (0 for one that isn't kept), the last number taken, text, bytes."""


class _Kept(msgspec.Struct):
    number: int
    text: bytes
    data: Any
    size: int


class Channel:
    """One side.

    Attributes:
        held: Bytes of what the other side isn't known to have.
    """

    def __init__(self) -> None:
        self._sent = 0
        self._taken = 0
        self._kept: deque[_Kept] = deque()
        self._before: dict[int, int] = {}  # what was sent before a question
        self.held = 0

    def tell(self, text: bytes, data: Any = b"") -> Frames:
        """A message that is to come once and in order: its frames."""
        self._sent += 1
        kept = _Kept(self._sent, text, data, len(text) + len(data))
        self._kept.append(kept)
        self.held += kept.size
        return self._frames(kept)

    def say(self, text: bytes) -> Frames:
        """A message that may be lost: its frames."""
        return [b"0", str(self._taken).encode(), text, b""]

    def take(self, frames: Frames) -> tuple[bytes, Any] | None:
        """A message that has come: text and bytes; None if it was taken, or has to come again.

        Raises:
            ValueError: It has no such form.
        """
        number, taken, text, data = frames
        number, taken = _number(number), _number(taken)
        if taken > self._sent:
            raise ValueError(f"{taken} was taken, and {self._sent} sent")
        while self._kept and self._kept[0].number <= taken:
            self.held -= self._kept.popleft().size
        if number == 0:
            return bytes(text), data
        if number != self._taken + 1:
            return None
        self._taken = number
        return bytes(text), data

    def asked(self, question: int) -> None:
        """A question is sent now, behind all that was sent before."""
        self._before[question] = self._sent

    def answered(self, question: int) -> list[Frames]:
        """The answer to a question has come; what has to be sent once more, in order."""
        before = self._before.pop(question, None)
        if before is None:
            return []
        self._before = {each: sent for each, sent in self._before.items() if each > question}
        if not self._kept or self._kept[0].number > before:
            return []
        self._before.clear()  # those that are under way know nothing of what is sent now
        return [self._frames(each) for each in self._kept]

    def _frames(self, kept: _Kept) -> Frames:
        return [str(kept.number).encode(), str(self._taken).encode(), kept.text, kept.data]


def _number(frame: bytes) -> int:
    if not (frame.isdigit() and len(frame) <= 18):
        raise ValueError("a number was expected")
    return int(frame)

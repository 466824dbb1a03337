"""Output of which parts are lost for want of room: by whole lines."""

from __future__ import annotations


class WholeLines:
    """One stream: half a line tells nothing, half a record can't be read, two halves aren't one.

    Pure: bytes in, bytes out.
    """

    def __init__(self) -> None:
        self._is_cut = False  # what comes is the rest of a line that was lost in part
        self._is_open = False  # what was kept last has no end of line
        self._is_torn = False  # and the rest of that was lost

    def keep(self, data: bytes, *, has_room: bool) -> tuple[bytes, int]:
        """What is kept of what came, and how many bytes of it are lost."""
        if not data:
            return data, 0
        if not has_room:
            self._is_cut = not data.endswith(b"\n")
            self._is_torn = self._is_open
            return b"", len(data)
        kept = data
        if self._is_cut:
            _, newline, kept = data.partition(b"\n")
            self._is_cut = not newline
        lost = len(data) - len(kept)
        if kept:
            self._is_open = not kept.endswith(b"\n")
            if self._is_torn:  # the line before ends where it was torn
                self._is_torn, kept = False, b"\n" + kept
        return kept, lost

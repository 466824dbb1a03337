"""Marks in the standard streams: which request ran while something was printed.

What a driver's C code prints goes straight into a pipe, without a request on it. The thread of
the queued lane therefore writes a line into both pipes where a request begins and where it ends,
and whoever reads the logs takes these lines out again. A mark costs a third of a microsecond.

A mark is ``\\n\\x1eorch-KEY[time, request, member]\\n`` or, at the end,
``\\n\\x1eorch-KEY[time]\\n``. The newline before it ends what was printed without one; a reader
ignores it elsewhere. The key is the number of the pipe itself, which both of its ends know:
nothing is taken for a mark by chance, not even the marks of another stream, and a reader that
takes over in the middle knows it as well.
"""

from __future__ import annotations

import os
import stat
import threading
import time

import msgspec

_LONGEST = 2048
"""Bytes of a mark: up to PIPE_BUF, 4096, the kernel writes them as a whole or not at all."""

_encode = msgspec.json.Encoder().encode


def mark_begin(fd: int) -> bytes:
    """What each mark in a pipe begins with, after its newline; `fd` is either end of the pipe."""
    return b"\x1eorch-%x" % os.fstat(fd).st_ino


class RequestMarks:
    """Writes marks for the requests of the thread that made this object.

    Args:
        fds: The standard streams; those that are pipes get marks.
    """

    def __init__(self, fds: tuple[int, ...] = (1, 2)) -> None:
        self._thread = threading.get_ident()
        owned = [own for fd in fds if (own := _own(fd)) is not None]
        self._pipes = [(own, b"\n" + mark_begin(own)) for own in owned]

    def begin(self, request: str, member: str) -> None:
        """A request begins; does nothing in other threads."""
        if threading.get_ident() == self._thread:
            text = _encode((time.time(), request, member))
            if len(text) > _LONGEST:
                text = _encode((time.time(),))  # an id of that length is told by records alone
            self._write(text)

    def end(self) -> None:
        """The request has ended; does nothing in other threads."""
        if threading.get_ident() == self._thread:
            self._write(_encode((time.time(),)))

    def ends_lines(self, fd: int) -> bool:
        """Whether `end`, called in this thread, ends the line that `fd` was left in."""
        if threading.get_ident() != self._thread:
            return False
        try:
            begin = b"\n" + mark_begin(fd)
        except OSError:
            return False
        return any(begin == known for _, known in self._pipes)

    def close(self) -> None:
        """Write no more."""
        while self._pipes:
            os.close(self._pipes.pop()[0])

    def _write(self, text: bytes) -> None:
        for fd, begin in self._pipes:
            try:
                os.write(fd, begin + text + b"\n")
            except OSError:
                # Full or without a reader: what is printed now belongs to no request, or to the
                # one before. A request must not wait for that.
                continue


def _own(fd: int) -> int | None:
    """A descriptor for the same pipe that doesn't block, while the driver's still does."""
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, AttributeError):
        return None  # closed, or another system than Linux: records name their request all the same
    return None

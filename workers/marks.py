"""Marks in the standard streams: which request ran while something was printed.

What a driver's C code prints goes straight into a pipe, without a request on it. The thread of
the queued lane therefore writes a line into both pipes where a request begins and where it ends,
and whoever reads the logs takes these lines out again. A mark costs a third of a microsecond.

A stream tells the key of its marks first, so that nothing is taken for one by chance:
``\\n\\x1eorch-marks KEY\\n``, and then ``\\n\\x1eKEY[time, request, member]\\n`` or, at the end,
``\\n\\x1eKEY[time]\\n``. The newline before it ends what was printed without one; a reader ignores
it elsewhere.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from secrets import token_hex

import msgspec

HELLO = b"\n\x1eorch-marks "

_LONGEST = 2048
"""Bytes of a mark: up to PIPE_BUF, 4096, the kernel writes them as a whole or not at all."""

_encode = msgspec.json.Encoder().encode


class Marks:
    """Writes marks for the requests of the thread that made this object.

    Args:
        fds: The standard streams; those that are pipes get marks.
    """

    def __init__(self, fds: tuple[int, ...] = (1, 2)) -> None:
        self._thread = threading.get_ident()
        self._fds = [own for fd in fds if (own := _own(fd)) is not None]
        self._key = token_hex(8).encode()
        self._begin = b"\n\x1e" + self._key
        self._greeted = False

    def begin(self, request: str, member: str) -> None:
        """A request begins; does nothing in other threads."""
        if threading.get_ident() == self._thread:
            if not self._greeted:
                self._greeted = True
                self._write(HELLO + self._key + b"\n")
            self._mark(_encode((time.time(), request, member)))

    def end(self) -> None:
        """The request has ended; does nothing in other threads."""
        if threading.get_ident() == self._thread:
            self._mark(_encode((time.time(),)))

    def close(self) -> None:
        """Write no more."""
        while self._fds:
            os.close(self._fds.pop())

    def _mark(self, text: bytes) -> None:
        if len(text) > _LONGEST:
            text = _encode((time.time(),))  # an id of that length is told by records alone
        self._write(self._begin + text + b"\n")

    def _write(self, data: bytes) -> None:
        for fd in self._fds:
            try:
                os.write(fd, data)
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

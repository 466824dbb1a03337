"""The supervisor's own stdout and stderr, collected as a worker's are: of a rig in the background.

There, what a driver in a thread prints by C code, the dump of a crash and what a library says have
nobody who looks, and in a file of their own they would grow without end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress

from workers.output.pipes import Stream

_STREAMS: tuple[tuple[int, Stream], ...] = ((1, "stdout"), (2, "stderr"))


class OwnOutput:
    """Sends this process's standard streams elsewhere until `give_back`.

    Args:
        open_stream: Makes a stream; gives its write end, which belongs to this object.

    Attributes:
        stderr: File descriptor of the stderr that was there before.

    Raises:
        OSError: Too many open files; nothing was changed.
    """

    def __init__(self, open_stream: Callable[[Stream], int]) -> None:
        _flush()
        self._former = [(fd, os.dup(fd)) for fd, _ in _STREAMS]
        self.stderr = self._former[1][1]
        for fd, stream in _STREAMS:
            write_end = open_stream(stream)
            os.dup2(write_end, fd)
            os.close(write_end)

    def give_back(self) -> None:
        """Put the former streams back; the second time does nothing."""
        _flush()
        while self._former:
            fd, former = self._former.pop()
            os.dup2(former, fd)
            os.close(former)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # without a reader, or closed: nothing to be saved
            stream.flush()

"""A terminal on which commands show what users see, read by a test."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import struct
import termios
from typing import Self

WIDTH = 160
"""Columns of a terminal on which nothing is left out."""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A pseudo terminal.

    Args:
        columns: Its width.

    Attributes:
        end: The descriptor that a command gets as its output; read until all have closed it.
    """

    def __init__(self, columns: int = WIDTH) -> None:
        self._screen, self.end = pty.openpty()
        self._shown = b""
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def read_line(self) -> None:
        """Read until a line was shown, or the command has ended; `read` gives it too."""
        while b"\n" not in self._shown and self._read():
            pass

    def read(self) -> str:
        """Read to the end: all that was shown, without colours."""
        while self._read():
            pass
        return _ESCAPES.sub("", self._shown.decode(errors="replace").replace("\r\n", "\n"))

    def close(self) -> None:
        """Close it; once more does nothing."""
        for name in ("end", "_screen"):
            descriptor = getattr(self, name)
            if descriptor >= 0:
                os.close(descriptor)
                setattr(self, name, -1)

    def _read(self) -> bool:
        if self.end >= 0:  # ours, which would keep it from ever ending
            os.close(self.end)
            self.end = -1
        try:
            chunk = os.read(self._screen, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # EIO: the last writer has closed it
                raise
            return False
        self._shown += chunk
        return True

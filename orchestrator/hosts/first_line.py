"""The line that an agent is given first, by whatever starts it."""

from __future__ import annotations

import os

LONGEST_LINE = 65536
"""Bytes of it."""


def first_line(fd: int) -> bytes:
    """Read one line, and nothing of what follows; what isn't a whole line is cut off."""
    line = b""
    while not line.endswith(b"\n") and len(line) < LONGEST_LINE:
        if not (read := os.read(fd, 1)):
            break
        line += read
    return line

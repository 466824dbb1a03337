"""What the kernel tells: of pipes their room and what is in them, of a process how it ended."""

from __future__ import annotations

import signal
import sys


def enlarge(fd: int, size: int) -> None:
    """Give a pipe more room, where that can be had."""
    try:
        import fcntl

        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, size)
    except (ImportError, AttributeError, OSError):
        return  # another system, or the user's share of pipe memory is used up: the default will do


def unread(fd: int) -> int:
    """Bytes in a pipe."""
    import fcntl
    import termios

    size = fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0")
    return int.from_bytes(size, sys.byteorder)


def is_full(fd: int) -> bool:
    """Whether hardly more goes into a pipe. Small writes don't fill their pages to the end."""
    try:
        import fcntl

        size = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
    except (ImportError, AttributeError):
        size = 64 * 1024  # another system
    return unread(fd) >= size // 2


def ending(returncode: int) -> str:
    """How a process ended, in words; negative numbers are signals."""
    if returncode >= 0:
        return f"exited with status {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"

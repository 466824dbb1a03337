"""What a worker prints: whole lines, each with its worker.

A worker process has pipes for stdout and stderr. A worker that is a thread of a larger process
shares them with its host; there `ThreadOutput` sorts what is printed by the printing thread.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TextIO, cast

from workers import records

MAX_LINE = 16 * 1024
"""Characters of a line that are kept; the rest of it is dropped and counted."""


def flush_by_line() -> None:
    """Make this process's `sys.stdout` and `sys.stderr` hand over each line when it is complete.

    On a pipe Python would keep stdout in a buffer, and the lines before a crash would die with it.
    Characters that can't be encoded are written as escapes.
    """
    for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
        if isinstance(stream, io.TextIOWrapper):
            # A new one: what the old one knows of its file, such as a position, is of the file
            # that was there before.
            fresh = io.TextIOWrapper(
                io.BufferedWriter(io.FileIO(stream.fileno(), "w", closefd=False)),
                encoding=stream.encoding,
                errors="backslashreplace",
                line_buffering=True,
            )
            setattr(sys, name, fresh)


class _Lines:
    """What a thread printed of a line that isn't complete yet."""

    __slots__ = ("dropped", "text")

    def __init__(self) -> None:
        self.text = ""
        self.dropped = 0

    def add(self, text: str) -> None:
        room = MAX_LINE - len(self.text)
        self.text += text[:room]
        self.dropped += max(len(text) - room, 0)

    def take(self) -> tuple[str, dict[str, Any] | None]:
        text, fields = self.text, {"cut": self.dropped} if self.dropped else None
        self.text, self.dropped = "", 0
        return text, fields


class ThreadOutput(io.TextIOBase):
    """A text stream that turns what registered threads print into records of their worker.

    Threads are registered with `workers.records.register_thread`. What other threads print, and
    what goes to `buffer` or to the file descriptor itself, reaches the original stream.

    Args:
        original: The stream that this one stands for.
        stream: Which of the two it is.
    """

    def __init__(self, original: TextIO, stream: Literal["stdout", "stderr"]) -> None:
        self.original = original
        self.stream: Literal["stdout", "stderr"] = stream
        self._lines = threading.local()

    def write(self, text: str) -> int:
        """Print text: complete lines become records, the rest waits for its end of line."""
        if records.thread_worker() is None:
            return self.original.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        lines = self._pending()
        *whole, rest = text.split("\n")
        for part in whole:
            lines.add(part)
            self._hand_over(lines)
        lines.add(rest)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        """Print several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the original stream. A line of a worker stays until it is complete."""
        if records.thread_worker() is None:
            self.original.flush()

    def finish(self) -> None:
        """Hand over what this thread printed without an end of line."""
        lines = self._pending()
        if lines.text:
            self._hand_over(lines)

    def _pending(self) -> _Lines:
        lines = getattr(self._lines, "pending", None)
        if lines is None:
            lines = self._lines.pending = _Lines()
        return cast(_Lines, lines)

    def _hand_over(self, lines: _Lines) -> None:
        text, fields = lines.take()
        records.write_output(self.stream, text.removesuffix("\r"), fields=fields)

    @property
    def buffer(self) -> Any:
        """The original stream's binary buffer."""
        return self.original.buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The original stream's encoding."""
        return self.original.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """The original stream's handling of what can't be encoded."""
        return self.original.errors

    def fileno(self) -> int:
        """The original stream's file descriptor."""
        return self.original.fileno()

    def isatty(self) -> bool:
        """True when a registered thread isn't asking and the original stream is a terminal."""
        return records.thread_worker() is None and self.original.isatty()

    def readable(self) -> bool:
        """False."""
        return False

    def writable(self) -> bool:
        """True."""
        return True


def install_thread_output() -> Callable[[], None]:
    """Put a `ThreadOutput` in the place of `sys.stdout` and of `sys.stderr`.

    Returns:
        A function that puts the former streams back.
    """
    stdout, stderr = sys.stdout, sys.stderr
    sys.stdout = cast(TextIO, ThreadOutput(stdout, "stdout"))
    sys.stderr = cast(TextIO, ThreadOutput(stderr, "stderr"))

    def restore() -> None:
        sys.stdout, sys.stderr = stdout, stderr

    return restore


@contextmanager
def thread_output(worker: str, incarnation: int) -> Iterator[None]:
    """While the body runs, what this thread prints and logs belongs to a worker.

    Args:
        worker: The worker's name.
        incarnation: Number of its life.
    """
    records.register_thread(worker, incarnation)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, ThreadOutput):
                stream.finish()
        records.unregister_thread()

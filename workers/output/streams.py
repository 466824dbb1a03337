"""What a worker prints: whole lines, each with its worker and the request that printed it.

What Python code prints becomes records, by `sys.stdout` and `sys.stderr` of our own: in a worker
process `ProcessOutput`, in a larger process that hosts workers as threads `ThreadOutput`. What C
code prints goes to the process's file descriptors, where
`workers.output.request_marks` tells whose it is.
"""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal, TextIO, cast

from workers.output import records
from workers.output.pipes import STATES_EVERY
from workers.output.request_marks import RequestMarks

MAX_LINE = 16 * 1024
"""Characters of a line that are kept; the rest of it is dropped and counted."""

StreamName = Literal["stdout", "stderr"]


def flush_by_line() -> None:
    """Make this process's output, of Python and of C code, reach the logs line by line.

    On a pipe both would keep stdout in a buffer, and the lines before a crash would die with it.
    Characters that can't be encoded are written as escapes. Called by the thread that serves the
    queued lane.
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
            output = ProcessOutput(fresh, cast(StreamName, name))
            records.at_unbind(output.finish)
            setattr(sys, name, output)
            # What drivers put back after a redirection is to be recorded as well.
            setattr(sys, f"__{name}__", output)
    _buffer_c_by_line()
    records.mark_output(RequestMarks())


def _buffer_c_by_line() -> None:
    """The same for what C code prints by stdio."""
    import ctypes

    with suppress(OSError, AttributeError, ValueError):  # a C library of another kind
        libc = ctypes.CDLL(None)
        stdout = ctypes.c_void_p.in_dll(libc, "stdout")
        line_buffered = 1  # _IOLBF of glibc and musl
        libc.setvbuf(stdout, None, line_buffered, ctypes.c_size_t(0))


class _Lines:
    r"""What a thread printed of a line that isn't complete yet.

    Attributes:
        text: What was printed; of a line that is overwritten, its present state.
        dropped: Characters that had no room.
        is_bar: It is overwritten, as progress bars are: what was printed in one piece goes back to
            the line's begin. A ``\r`` within a piece is text like any other, of a device perhaps.
        shown_at: When a state was last shown, in seconds of the monotonic clock.
        shown: That state.
    """

    __slots__ = ("dropped", "is_bar", "shown", "shown_at", "text")

    def __init__(self) -> None:
        self.text = ""
        self.dropped = 0
        self.is_bar = False
        self.shown = ""
        self.shown_at = 0.0

    def add(self, text: str) -> None:
        goes_back = text.startswith("\r") or self.text.endswith("\r")
        if goes_back and text.strip("\r"):
            if not self.is_bar:
                self.is_bar, self.shown_at = True, time.monotonic()
            # Only a "\r" in front tells later on that there was something before.
            self.text, text = "\r", text.lstrip("\r")
        room = MAX_LINE - len(self.text)
        self.text += text[:room]
        self.dropped += max(len(text) - room, 0)

    def take(self) -> tuple[str, dict[str, Any] | None]:
        text, fields = self.text, {"cut": self.dropped} if self.dropped else None
        self.text, self.dropped, self.is_bar = "", 0, False
        return text, fields

    def take_state(self) -> str:
        """A state that is to be shown now; empty if none is."""
        state = self.text.strip("\r ")
        if not self.is_bar or state == self.shown:
            return ""
        if time.monotonic() - self.shown_at < STATES_EVERY:
            return ""
        self.shown, self.shown_at = state, time.monotonic()
        return state


_Place = tuple[int, object]
"""A thread, and the request that it works for: who began a line goes on with it."""


class _Recorded(io.TextIOBase):
    """A text stream that turns what is printed into records.

    What goes to `buffer` or to the file descriptor itself reaches the original stream.

    Args:
        original: The stream that this one stands for.
        stream: Which of the two it is.
    """

    def __init__(self, original: TextIO, stream: StreamName) -> None:
        self.original = original
        self.stream: StreamName = stream
        self._begun: dict[_Place, _Lines] = {}

    def claims(self) -> bool:
        """Whether what is printed now becomes records."""
        raise NotImplementedError

    def write(self, text: str) -> int:
        """Print text: complete lines become records, the rest waits for its end of line."""
        if not self.claims():
            return self.original.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        place = _place()
        lines = self._begun.pop(place, None) or _Lines()
        *whole, rest = text.split("\n")
        for part in whole:
            lines.add(part)
            self._hand_over(lines)
        lines.add(rest)
        if lines.text:
            self._begun[place] = lines
            if lines.is_bar:
                self._show_bar(lines)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        """Print several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the original stream. A line that becomes a record stays until it is complete."""
        if not self.claims():
            self.original.flush()

    def finish(self) -> None:
        """Hand over what was printed here without an end of line."""
        if not self._begun:
            return
        lines = self._begun.pop(_place(), None)
        if lines is not None:
            self._hand_over(lines, torn=True)

    def _show_bar(self, lines: _Lines) -> None:
        """Show the state of a line that is overwritten, unless one was shown a moment ago."""
        if state := lines.take_state():
            records.write_output(self.stream, state)

    def _hand_over(self, lines: _Lines, *, torn: bool = False) -> None:
        is_bar, shown = lines.is_bar, lines.shown
        text, fields = lines.take()
        lines.shown = ""
        text = text.strip("\r ") if is_bar else text.removesuffix("\r")
        if is_bar and text == shown and not fields:
            return
        if torn:
            fields = {**(fields or {}), "torn": True}
        records.write_output(self.stream, text, fields=fields)

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
        """Whether what is printed now goes to a terminal."""
        return not self.claims() and self.original.isatty()

    def readable(self) -> bool:
        """False."""
        return False

    def writable(self) -> bool:
        """True."""
        return True


class ThreadOutput(_Recorded):
    """Records of what the threads print that `workers.output.records.register_thread` knows."""

    def claims(self) -> bool:
        """Whether this thread is a worker's."""
        return records.thread_worker() is not None


class ProcessOutput(_Recorded):
    """Records of all that this process prints, once `workers.output.records` is configured.

    The begin of a line that is flushed, such as a prompt, goes to the original stream, and the
    rest of that line after it: it would be lost if the process were killed now. So does a line
    that is overwritten, a progress bar: whoever reads the stream shows its state also when
    nothing more comes.
    """

    def __init__(self, original: TextIO, stream: StreamName) -> None:
        super().__init__(original, stream)
        self._passed_on: set[_Place] = set()

    def claims(self) -> bool:
        """Whether records go anywhere."""
        return records.is_configured()

    def write(self, text: str) -> int:
        """Print text: complete lines become records, the rest waits for its end of line."""
        if not self._passed_on or _place() not in self._passed_on:
            return super().write(text)
        rest, newline, after = text.partition("\n")
        self.original.write(rest + newline)
        if newline:
            self._passed_on.discard(_place())
            super().write(after)
        return len(text)

    def _show_bar(self, lines: _Lines) -> None:
        self.flush()

    def flush(self) -> None:
        """Flush all, the begin of a line as well."""
        place = _place()
        lines = self._begun.pop(place, None)
        if lines is not None:
            self._passed_on.add(place)
            self.original.write(lines.take()[0])
        self.original.flush()

    def finish(self) -> None:
        """Hand over what was printed here without an end of line."""
        if self._passed_on and _place() in self._passed_on:
            if records.marks_end_lines(self.original.fileno()):
                self._passed_on.discard(_place())
            else:
                self.write("\n")
        super().finish()


def _place() -> _Place:
    return threading.get_ident(), records.bound_request()


def install_thread_output() -> Callable[[], None]:
    """Put a `ThreadOutput` in the place of `sys.stdout` and of `sys.stderr`.

    Returns:
        A function that puts the former streams back.
    """
    stdout, stderr = ThreadOutput(sys.stdout, "stdout"), ThreadOutput(sys.stderr, "stderr")
    # What drivers put back after a redirection is to be recorded as well.
    ours = {"stdout": stdout, "stderr": stderr, "__stdout__": stdout, "__stderr__": stderr}
    former = {name: getattr(sys, name) for name in ours}
    vars(sys).update(ours)
    forget = [records.at_unbind(stdout.finish), records.at_unbind(stderr.finish)]

    def restore() -> None:
        vars(sys).update(former)
        for call in forget:
            call()

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
        records.report_loss()

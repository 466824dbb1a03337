"""What other threads and signals ask of the loop: taken up between two turns."""

from __future__ import annotations

import signal
import socket
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from workers.stop_signals import STOP_SIGNALS

T = TypeVar("T")


class Mailbox:
    """Questions and signals for one thread, which waits for its file descriptor."""

    def __init__(self) -> None:
        self._questions: deque[tuple[Callable[[], Any], Future[Any] | None]] = deque()
        self._signals: deque[int] = deque()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)

    def fileno(self) -> int:
        """Readable when there is something to `answer`."""
        return self._woken.fileno()

    def ask(self, question: Callable[[], T]) -> Future[T]:
        """Have a function called in the loop's thread; from any thread."""
        future: Future[T] = Future()
        self._questions.append((question, future))
        self._wake()
        return future

    def tell(self, news: Callable[[], None]) -> None:
        """Have a function called in the loop's thread; from any thread."""
        self._questions.append((news, None))
        self._wake()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # full of wake-ups already
            self._waker.send(b"\0")

    @contextmanager
    def signals(self, on_signal: Callable[[int], None]) -> Iterator[None]:
        """Have SIGINT, SIGTERM, SIGHUP and SIGCHLD delivered as calls of `answer`.

        Afterwards the first three are ignored: the rig has ended, the process is about to, and its
        exit status is no longer theirs to change.
        """
        self._on_signal = on_signal
        numbers = list(STOP_SIGNALS)
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            numbers.remove(signal.SIGHUP)  # by nohup: the rig is to outlive the terminal
        for number in (*numbers, signal.SIGCHLD):
            signal.signal(number, lambda number, _: self._signals.append(number))
        fd = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(fd)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number in numbers:
                signal.signal(number, signal.SIG_IGN)

    def answer(self) -> None:
        """Take up what has come until now."""
        try:
            self._woken.recv(4096)
        except BlockingIOError:
            return
        for _ in range(len(self._signals)):
            self._on_signal(self._signals.popleft())
        for _ in range(len(self._questions)):
            question, future = self._questions.popleft()
            if future is None:
                try:
                    question()
                except Exception:
                    self._wake()  # the loop tells of it; the others are taken up all the same
                    raise
                continue
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(question())
            except Exception as error:  # noqa: BLE001  it belongs to whoever asked
                future.set_exception(error)

    def close(self) -> None:
        """Release the file descriptors."""
        self._woken.close()
        self._waker.close()

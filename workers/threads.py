"""Threads, locks and queues of the system's own, for what serves a driver.

A driver's libraries may put others in their places for the whole process, as gevent does with
greenlets. These were taken before.
"""

from __future__ import annotations

import _thread
import selectors
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

__all__ = ["Event", "Lock", "SimpleQueue", "Thread", "are_native", "get_ident", "new_event_loop"]

Lock = _thread.allocate_lock
get_ident = _thread.get_ident
_Selector = selectors.DefaultSelector
_start_new_thread = _thread.start_new_thread


def are_native() -> bool:
    """Whether threads are the system's for everybody in this process."""
    return _thread.start_new_thread is _start_new_thread


def new_event_loop() -> asyncio.AbstractEventLoop:
    """An asyncio loop that waits by the system's own means."""
    import asyncio

    return asyncio.new_event_loop() if are_native() else asyncio.SelectorEventLoop(_Selector())


class Event:
    """A mark that is set once, and can be waited for."""

    def __init__(self) -> None:
        self._gate = Lock()
        self._gate.acquire()
        self._setting = Lock()
        self._is_set = False

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it; setting it again does nothing."""
        with self._setting:
            if not self._is_set:
                self._is_set = True
                self._gate.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, for so many seconds at most; tells whether it is."""
        if not self._gate.acquire(timeout=-1 if timeout is None else timeout):
            return False
        self._gate.release()
        return True


class Thread:
    """A daemon thread.

    Args:
        target: What it runs.
        name: Its name.
        args: Arguments for the target.
    """

    def __init__(
        self, target: Callable[..., object], name: str, args: tuple[Any, ...] = ()
    ) -> None:
        self._target = target
        self._name = name
        self._args = args
        self._ended = Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start it.

        Raises:
            RuntimeError: The system gives no thread.
        """
        if are_native():
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        else:
            _start_new_thread(self._run, ())

    def join(self, timeout: float | None = None) -> bool:
        """Wait for its end, for so many seconds at most; tells whether it has ended."""
        if not self._ended.wait(timeout):
            return False
        if self._thread is not None:
            self._thread.join()  # it isn't listed any more then
        return True

    def _run(self) -> None:
        try:
            self._target(*self._args)
        finally:
            self._ended.set()

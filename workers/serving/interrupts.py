"""Interrupts what a worker runs, where that is the driver's Python code, and nothing else.

A coroutine's task is cancelled, as asyncio does. In the main thread of a process a signal cuts
short what it waits for, such as a `sleep` or a read, and its handler raises `Interrupted` in the
driver's code. In any other thread the interpreter is asked to raise it, which it does before the
next line of Python code. What waits in C can't be interrupted in such a thread, nor what computes
there in any.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
from types import FrameType
from typing import Any

from transports.link import Interrupt, pack_number
from transports.serializers import Buffer
from workers import threads
from workers.driver.settle import settled
from workers.errors import Interrupted
from workers.failures import RUNTIME_FOLDERS
from workers.serving.dispatch import Answer, Dispatcher
from workers.serving.executor import EventLoop
from workers.spec import WorkerSpec

LOOK_UP: int | None = signal.SIGRTMIN + 9 if hasattr(signal, "SIGRTMIN") else None
"""Signal by which a process has its own main thread look up from what it waits for. It comes after
those by which the supervisor reaches it."""
AGAIN = 0.01
"""Seconds until another try, if what runs was not in the driver's own code."""

_DRIVER_ROOM = os.path.join(os.path.dirname(os.path.dirname(__file__)), "driver")
"""Code of ours that calls a driver's in the midst of it, such as that of properties."""


class _Run:
    """An operation, and the thread that performs it."""

    __slots__ = ("is_over", "is_struck", "lock", "over", "thread")

    def __init__(self) -> None:
        self.thread = threads.get_ident()
        self.lock = threads.Lock()
        self.is_over = False
        self.is_struck = False
        self.over: threads.Event | None = None  # of whoever waits for its end


class Interrupts:
    """Performs operations so that they can be interrupted.

    Args:
        dispatcher: Performs them.
        loop: Runs their coroutines.
        spec: Of the worker: whether any is ever to be interrupted.
        by_signal: Whether this is the main thread of a process, which signals interrupt.
    """

    def __init__(
        self, dispatcher: Dispatcher, loop: EventLoop, spec: WorkerSpec, by_signal: bool
    ) -> None:
        self._dispatcher = dispatcher
        self._loop = loop
        self._enabled = spec.interrupts
        self._name = spec.worker
        self._runs: dict[bytes, _Run] = {}
        self._awaited: dict[bytes, float] = {}  # until when what may not have begun is wanted
        self._main: int | None = None
        self._aimed: tuple[_Run, float] | None = None  # whom the signal is for, and until when
        if self._enabled and by_signal and LOOK_UP is not None:
            self._main = threads.get_ident()
            signal.signal(LOOK_UP, self._strike)

    def perform(self, number: bytes, header: Buffer, payload: Buffer, raw: Buffer) -> Answer:
        """Perform a request, of this dispatch: see `Dispatcher.respond`."""
        respond = self._dispatcher.respond
        if not self._enabled:
            return respond(header, payload, raw)
        run = self._runs[number] = _Run()
        if self._awaited:
            self._start(number)
        answer: Answer | None = None
        try:
            answer = respond(header, payload, raw)
        except Interrupted:
            answer = None  # it struck when the driver's code had just ended
        finally:
            self._end(number, run)
        return answer or self._dispatcher.interrupted(header)

    def _end(self, number: bytes, run: _Run) -> None:
        """From here on nothing of it can be interrupted."""
        try:
            with run.lock:
                run.is_over = True
            _look_up()  # what was aimed at this thread by now strikes it here
        except Interrupted:
            run.is_over = True
        del self._runs[number]
        if run.over is not None:
            run.over.set()

    # -- from other threads ---------------------------------------------------------------

    def begin(self, wish: Interrupt) -> None:
        """Have an operation interrupted if it runs, or as soon as it does; without waiting.

        Its ticket may have been claimed just now. Called in one thread.
        """
        now = time.monotonic()
        for late in [each for each, until in self._awaited.items() if until < now]:
            self._awaited.pop(late, None)
        number = pack_number(wish.number)
        self._awaited[number] = now + wish.seconds
        if number in self._runs:
            self._start(number)

    def _start(self, number: bytes) -> None:
        """Whoever takes the wish out has it carried out: who expressed it, or who performs."""
        until, run = self._awaited.pop(number, None), self._runs.get(number)
        if until is not None and run is not None:
            name = f"{self._name}-interrupt"
            threads.Thread(self._insist, name, (run, until)).start()

    def _insist(self, run: _Run, until: float) -> None:
        """Try until the operation has ended, or the time is over; it is struck once at most.

        It may be in code of ours that the driver calls.
        """
        run.over = run.over or threads.Event()
        while (left := until - time.monotonic()) > 0:
            if run.is_over:
                return
            if not run.is_struck:
                self._try(run, until)
            if run.over.wait(left if run.is_struck else min(left, AGAIN)):
                return
        self._leave_alone(run)

    def _leave_alone(self, run: _Run) -> None:
        """Its time is over, so that it is told to go on: then it mustn't be struck any more."""
        with run.lock:
            if not run.is_over and run.is_struck and run.thread != self._main:
                _take_back(run.thread)
            run.is_struck = False  # another wish may try again

    def _try(self, run: _Run, until: float) -> None:
        if self._loop.cancel(run.thread, lambda: self._take(run)):
            return
        if run.thread == self._main:
            self._aimed = run, until
            assert LOOK_UP is not None
            signal.pthread_kill(run.thread, LOOK_UP)
            return
        with run.lock:
            if not run.is_over and in_driver(sys._current_frames().get(run.thread)):
                run.is_struck = True
                _raise_in(run.thread, Interrupted)

    def _take(self, run: _Run) -> bool:
        """Whether its task may be cancelled now."""
        with run.lock:
            if run.is_over or run.is_struck:
                return False
            run.is_struck = True
            return True

    # -- in the main thread ---------------------------------------------------------------

    def _strike(self, number: int, frame: FrameType | None) -> None:
        """The signal has come: raise in the driver's code, if it still runs."""
        if self._aimed is None:
            return
        run, until = self._aimed
        if run.is_over or run.is_struck or time.monotonic() > until or not in_driver(frame):
            return
        run.is_struck = True
        raise Interrupted


def in_driver(frame: FrameType | None) -> bool:
    """Whether a stack's innermost code is the driver's, or of what the driver calls but ours.

    From outside inwards: ours that performs a request, the driver's; among the latter only ours
    that calls the driver in turn. A future that the driver gave is waited for by ours: to cut that
    short would end nothing.
    """
    performs = Dispatcher._perform.__code__
    outside = False
    for count, (each, _) in enumerate(traceback.walk_stack(frame)):
        if each.f_code is performs:
            return count > 0
        if each.f_code is settled.__code__:
            return False
        folder = os.path.dirname(each.f_code.co_filename)
        is_ours = folder in RUNTIME_FOLDERS
        if (is_ours and count == 0) or (outside and not is_ours):
            return False
        outside = outside or (is_ours and folder != _DRIVER_ROOM)
    return False


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Have the interpreter raise in a thread; None takes back what it hasn't raised yet."""
    raised: Any = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)


def _take_back(thread: int) -> None:
    """Take back what the interpreter was to raise in another thread, if it hasn't yet.

    CPython looks on for what isn't there any more: at each step, and in a traced thread without end
    at the first one. It stops that when it has raised something in any thread, so in this one.
    """
    _raise_in(thread, None)
    try:
        _raise_in(threads.get_ident(), Interrupted)
        _look_up()
    except Interrupted:
        return


def _look_up() -> None:
    """Nothing; the interpreter raises at a call what it is to raise in this thread."""

"""Tells the rig what the start of a driver is at, if it takes a while."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import zmq

from transports.link import Failed, LaneOpen, Starting
from workers import threads
from workers.errors import BootError
from workers.failures import failure_body, import_place, is_ours
from workers.limits import explained
from workers.serving.links import Link, send_control
from workers.spec import WorkerSpec

log = logging.getLogger("workers")

FIRST = 0.25
"""Seconds after which the start is looked at: who can't wait for it any longer is told of it."""
EVERY = 1.0
"""... and after which it is looked at again; what hasn't changed isn't told again."""


class Progress:
    """While it is entered, another thread looks at this one, and has the link.

    Args:
        link: The queued lane's, which this thread leaves alone meanwhile.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._over = threads.Event()
        self._watched = threads.get_ident()
        self._thread = threads.Thread(self._tell, "progress")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()  # the link isn't in use any more, and stacks don't show it

    def _tell(self) -> None:
        told, pause = "", FIRST
        while not self._over.wait(pause):
            pause = EVERY
            doing = at(sys._current_frames().get(self._watched))
            if doing and doing != told:
                told = doing
                try:
                    send_control(self._link, Starting(doing))
                except zmq.ZMQError as error:
                    log.debug("what the start is at can't be told: %s", error)


@contextlib.contextmanager
def alarms(tell: Callable[[FrameType | None], None]) -> Iterator[None]:
    """Have this thread, the main one, interrupt itself now and then to tell where it is.

    While a driver is imported there are no other threads that could look at it. A driver that uses
    SIGALRM itself takes it over.

    Args:
        tell: Told the frame that was interrupted.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        tell(frame)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, EVERY, EVERY)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGALRM) is ring:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def at(frame: FrameType | None) -> str:
    """The driver's innermost function in a stack, as `Chiller.__init__ (chiller.py:14)`.

    What it calls in the standard library or in installed packages says less than the driver does.
    Empty if nothing of it is there.
    """
    innermost = ""
    while frame is not None and not is_ours(frame):
        file = frame.f_code.co_filename
        text = f"{frame.f_code.co_qualname} ({Path(file).name}:{frame.f_lineno})"
        if not file.startswith((_LIBRARY, "<")) and "-packages" not in file:
            return text
        innermost = innermost or text
        frame = frame.f_back
    return innermost


_LIBRARY = str(Path(logging.__file__).parent.parent)


def report(link: Link, failure: BootError, spec: WorkerSpec) -> None:
    """Tell the log and the rig that the driver can't be built, and why."""
    log.error("the driver failed at its %s", failure.stage, exc_info=failure.error)
    body = explained(failure_body(failure.error), failure.error, spec.limits)
    if failure.stage == "import":
        body["message"] = f"{body['message']}{import_place(failure.error, spec.folder)}"
    send_control(link, LaneOpen())
    send_control(link, Failed(stage=failure.stage, exception=body))

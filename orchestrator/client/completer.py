"""The thread that completes futures, and does the I/O for them while nobody else does."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable

from orchestrator.client.exchange import Exchange, Leader, release

WATCH = 1.0
"""Seconds at most between two looks at everything, should a wake-up be lost to an interrupt."""
_STOP_PATIENCE = 5.0  # seconds for a callback of a future to return when the connection closes


class Completer:
    """A daemon thread, started with the first future.

    While it has nothing to do it doesn't keep the connection alive, so that one which was dropped
    can be collected.

    Args:
        take_role: Makes the completer lead if that is wanted; returns whether it does.
        lead: Does the I/O until there is a future to complete, and gives the role back. Both are
            methods of the connection.
        outstanding: Whether any request is; knows nothing of the connection.

    Attributes:
        leader: The completer as a leader; never settled.
        ready: Futures that can be completed.
    """

    def __init__(
        self,
        take_role: Callable[[Leader], bool],
        lead: Callable[[Leader], None],
        outstanding: Callable[[], bool],
    ) -> None:
        self._take_role = weakref.WeakMethod(take_role)
        self._lead = weakref.WeakMethod(lead)
        self._outstanding = outstanding
        self.leader = Leader()
        self.ready: deque[Exchange] = deque()
        self._gate = threading.Lock()
        self._gate.acquire()
        self._running = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        """Start the thread if it doesn't run."""
        if self._thread is None:
            threading.Thread(target=self._run, name="orch-client", daemon=True).start()

    def wake(self) -> None:
        """Have the completer look at what there is to do."""
        release(self._gate)

    def complete(self, exchange: Exchange) -> None:
        """Have the completer complete a future."""
        self.ready.append(exchange)
        release(self._gate)

    def end(self) -> None:
        """Have the thread complete what is ready and end; doesn't wait for that."""
        self._stopping = True
        self.wake()

    def stop(self) -> None:
        """Complete what is ready and end the thread; from a callback, end it afterwards."""
        self.end()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_STOP_PATIENCE)

    def _run(self) -> None:
        if not self._running.acquire(blocking=False):
            return  # two callers started it
        self._thread = threading.current_thread()
        try:
            while not self._stopping or self.ready:
                while self.ready:
                    _complete(self.ready.popleft())
                if self._led():
                    continue
                if not self.ready and not self._stopping:
                    # An interrupt can strike a leader that is just about to wake the completer.
                    self._gate.acquire(timeout=WATCH if self._outstanding() else -1)
        finally:
            self._thread = None  # a callback may end the thread; the next future starts another
            self._running.release()

    def _led(self) -> bool:
        """Do the I/O if nobody else does; whether it was done."""
        take_role, lead = self._take_role(), self._lead()
        if take_role is None or lead is None:
            self._stopping = True
            return False
        if not take_role(self.leader):
            return False
        lead(self.leader)
        return True


def _complete(exchange: Exchange) -> None:
    future = exchange.future
    assert future is not None
    if not future.claim():
        future.tell_cancelled()
        return
    if future.done():
        return  # taken twice after an interrupt
    try:
        value = exchange.result()
    except Exception as error:  # noqa: BLE001  it is raised where the future's result is taken
        future.set_exception(error)
    else:
        future.set_result(value)

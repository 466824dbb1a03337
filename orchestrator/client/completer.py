"""The thread that completes futures, and does the I/O for them while nobody else does.

A future that is only waited for needs neither: whoever waits does the I/O. It is woken for those
that are looked at in another way, and looks from time to time for those that nobody waits for.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable

from orchestrator.client.exchange import Awaited, Exchange, Leader, release

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
        queued: Whether any is still to be sent; neither does this.

    Attributes:
        leader: The completer as a leader; never settled.
        ready: Futures that can be completed.
        watched: Futures that are to be completed as soon as they can be.
    """

    def __init__(
        self,
        take_role: Callable[[Leader], bool],
        lead: Callable[[Leader], None],
        outstanding: Callable[[], bool],
        queued: Callable[[], bool],
    ) -> None:
        self._take_role = weakref.WeakMethod(take_role)
        self._lead = weakref.WeakMethod(lead)
        self._outstanding = outstanding
        self._queued = queued
        self.leader = Leader()
        self.ready: deque[Awaited] = deque()
        self.watched: dict[Awaited, None] = {}
        self._looks = False  # within WATCH seconds, without being woken
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

    def need(self) -> None:
        """Somebody has to do the I/O: at once if a future is watched or something is queued."""
        if self.watched or self._queued() or not self._looks:
            release(self._gate)

    def watch(self, future: Awaited) -> None:
        """Complete a future as soon as it is settled, now if it is."""
        exchange = future.exchange
        if exchange is None or exchange.settled:
            self.watched.pop(future, None)
            future.complete()
        else:
            self.watched[future] = None
            self.start()
            self.wake()

    def notify(self, exchange: Exchange) -> None:
        """Tell whoever waits for a request that it is settled."""
        future = exchange.future
        if future is None:
            exchange.rouse()
            return
        if future.settle():
            self.ready.append(future)
            self.wake()
        exchange.future = None  # nothing holds an answer that is no longer wanted

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
        late = False
        try:
            while not self._stopping or self.ready:
                while self.ready:
                    future = self.ready.popleft()
                    future.complete()
                    self.watched.pop(future, None)
                    del future  # it may be the last reference to the connection
                if (late or self.watched or self._queued()) and self._led():
                    continue
                if not self.ready and not self._stopping:
                    # An interrupt can strike a leader that is just about to wake the completer.
                    self._looks = self._outstanding()
                    late = not self._gate.acquire(timeout=WATCH if self._looks else -1)
                    self._looks = False
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

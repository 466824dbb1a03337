"""Subscriptions that give the latest event only, to consumers slower than their events."""

from __future__ import annotations

import threading
import weakref
from time import monotonic

from orchestrator.client.events import Event, Subscription
from orchestrator.errors import OrchError
from transports.durations import duration


class _Slot:
    """Holds the newest event, until it is taken or the events end."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.event: Event | None = None
        self.error: OrchError | None = None
        self.ended = False
        self.skipped = 0

    def put(self, event: Event) -> None:
        with self.changed:
            self.skipped += self.event is not None
            self.event = event
            self.changed.notify()

    def end(self, error: OrchError | None) -> None:
        with self.changed:
            self.ended = True
            self.error = error
            self.changed.notify_all()


class LatestSubscription:
    """An iterator over the events of one name that gives the newest, and each at most once.

    A thread takes events as they come, so that none waits behind older ones. One thread at a
    time can iterate; `close()` may come from any.

    Args:
        subscription: Where the events come from; this object owns it.

    Attributes:
        topic: The topic.
    """

    def __init__(self, subscription: Subscription) -> None:
        self.topic = subscription.topic
        self.timeout = subscription.timeout
        self._subscription = subscription
        self._slot = _Slot()
        # A loop that is left by `break` drops its subscription without closing it; the thread
        # knows nothing of this object, or it would keep it alive.
        self._release = weakref.finalize(self, subscription.close)
        self._release.atexit = False
        threading.Thread(
            target=_take_all,
            args=(subscription, self._slot),
            name=f"orch-latest-{self.topic}",
            daemon=True,
        ).start()

    @property
    def missed(self) -> int:
        """How many events were lost on the way; those that newer ones replaced don't count."""
        return self._subscription.missed

    @property
    def skipped(self) -> int:
        """How many events were replaced by newer ones before they were asked for."""
        return self._slot.skipped

    @property
    def restarts(self) -> int:
        """How often the worker was restarted in between."""
        return self._subscription.restarts

    def __enter__(self) -> LatestSubscription:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __iter__(self) -> LatestSubscription:
        return self

    def __next__(self) -> Event:
        """The newest event. Raises as `Subscription.__next__` does."""
        event = self.next(self.timeout)
        if event is None:
            raise StopIteration
        return event

    def next(self, timeout: float | None = None) -> Event | None:
        """The newest event that wasn't given yet; None once the subscription is closed.

        Args:
            timeout: Seconds to wait; None waits for as long as the rig is there.

        Raises:
            TimeoutError: No event came within `timeout`.
            RigLost: The rig went away.
        """
        slot = self._slot
        timeout = duration(timeout)
        deadline = None if timeout is None else monotonic() + timeout
        with slot.changed:
            while slot.event is None and not slot.ended:
                left = None if deadline is None else deadline - monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError(f"no event {self.topic} within {timeout:g} s")
                slot.changed.wait(left)
            event, slot.event = slot.event, None
            if event is None and slot.error is not None:
                raise slot.error
            return event

    def close(self) -> None:
        """End the subscription, and the iteration over it."""
        self._release()


def _take_all(subscription: Subscription, slot: _Slot) -> None:
    error: OrchError | None = None
    try:
        while (event := subscription.next()) is not None:
            slot.put(event)
    except OrchError as lost:
        error = lost
    finally:
        subscription.close()
        slot.end(error)

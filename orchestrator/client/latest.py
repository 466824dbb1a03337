"""Subscriptions that give the latest event only, to consumers slower than their events."""

from __future__ import annotations

from orchestrator.client.events import Event, Subscription


class LatestSubscription:
    """An iterator over events that gives the newest, and each at most once.

    One thread at a time can iterate; `close()` may come from any.

    Args:
        subscription: Where the events come from, one that keeps a single event; this object owns
            it.

    Attributes:
        topic: The topic.
        timeout: Seconds without an event after which iterating raises TimeoutError.
    """

    def __init__(self, subscription: Subscription) -> None:
        self.topic = subscription.topic
        self.timeout = subscription.timeout
        self._subscription = subscription

    @property
    def missed(self) -> int:
        """How many events were lost on the way; those that newer ones replaced don't count."""
        return self._subscription.lost

    @property
    def skipped(self) -> int:
        """How many events were replaced by newer ones before they were asked for."""
        return self._subscription.dropped

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
        return next(self._subscription)

    def next(self, timeout: float | None = None) -> Event | None:
        """The newest event that wasn't given yet; None once the subscription is closed.

        Args:
            timeout: Seconds to wait; None waits without end.

        Raises:
            TimeoutError: No event came within `timeout`.
            RigLost: As `Subscription.next`.
        """
        return self._subscription.next(timeout)

    def close(self) -> None:
        """End the subscription, and the iteration over it."""
        self._subscription.close()

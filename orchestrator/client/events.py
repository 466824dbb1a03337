"""Subscriptions: a worker's events as an iterator."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal

import zmq

from orchestrator.access.keys import ClientKey
from orchestrator.client.connection import CONNECT_TIMEOUT
from orchestrator.client.exchange import value_of
from orchestrator.client.feed import HELD, Feed, Received
from orchestrator.client.framing import own_memory
from orchestrator.client.plug import FORKED
from orchestrator.errors import RigLost, RigNotReachable
from transports.durations import duration
from transports.errors import SerializationError
from transports.headers import FAITHFUL

OnLoss = Literal["reconnect", "raise"]
"""What a subscription does when its rig is gone: wait until it is back, or raise RigLost."""
_PATIENCE = 5.0  # seconds for the thread to close its socket


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        value: What was emitted; arrays as writable numpy arrays.
        time: When it was emitted, in seconds since the epoch.
        sequence: Its number among the worker's events of this name, plus one for each.
        name: The event's name, as it is subscribed to.
    """

    value: Any
    time: float
    sequence: int
    name: str = ""


class Subscription:
    """An iterator over events, from the moment on at which it was made.

    A thread takes them as they come and keeps the newest 10,000, or 64 MiB of them. One thread at
    a time can iterate; `close()` may come from any.

    Args:
        address: Where the rig publishes.
        topics: `@<worker>/<event>`, one or several.
        timeout: Seconds without an event after which iterating raises TimeoutError; None waits.
        connect_timeout: Seconds for the subscription to be known to be live.
        context: Where the socket is made; the process's own if left out.
        held: How many events are kept; the newest one is never among those that are dropped.
        on_loss: What to do when the rig is gone: `reconnect` waits until it is back, `raise`
            raises RigLost, once each time; iterating may go on after that.
        key: By which the rig knows this client.

    Attributes:
        topic: The topics, as text.

    Raises:
        RigNotReachable: The rig doesn't confirm the subscription in time.
        TypeError, ValueError: A timeout isn't one, or `on_loss` neither of the two.
    """

    def __init__(
        self,
        address: str,
        topics: str | Sequence[str],
        *,
        timeout: float | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        context: zmq.Context[Any] | None = None,
        held: int = HELD,
        on_loss: OnLoss = "reconnect",
        key: ClientKey | None = None,
    ) -> None:
        if on_loss not in ("reconnect", "raise"):
            raise ValueError(f"on_loss is 'reconnect' or 'raise', not {on_loss!r:.80}")
        names = (topics,) if isinstance(topics, str) else tuple(topics)
        self.topic = ", ".join(name.removeprefix(FAITHFUL) for name in names)
        self.timeout = duration(timeout)
        self._missed = 0
        self._restarts = 0
        self._unreadable = 0
        self._using = threading.RLock()  # an interrupt may leave it taken by its own thread
        self._process = os.getpid()
        self._feed = Feed(
            address,
            names,
            held=held,
            raises=on_loss == "raise",
            context=context or zmq.Context.instance(),
            key=key,
        )
        # A loop that is left by `break` drops its subscription without closing it.
        self._release = weakref.finalize(self, self._feed.stop)
        self._release.atexit = False
        self._feed.start()
        try:
            self._await_confirmation(address, duration(connect_timeout, "connect_timeout"))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __iter__(self) -> Subscription:
        return self

    @property
    def missed(self) -> int:
        """How many events were lost until the one given last: on the way, as told by gaps in
        the sequence, or here, because they weren't taken in time."""
        return self.lost + self.dropped

    @property
    def lost(self) -> int:
        """How many of those that were missed were lost on the way."""
        return self._missed + self._unreadable

    @property
    def dropped(self) -> int:
        """How many were pushed out by newer ones because they weren't taken in time."""
        return self._feed.dropped

    @property
    def restarts(self) -> int:
        """How often the worker was restarted in between, by itself or with the rig; the last
        events of the life before may be missing then, which `missed` can't count."""
        return self._restarts

    def __next__(self) -> Event:
        """The next event.

        Raises:
            StopIteration: The subscription was closed.
            TimeoutError: No event came within `timeout`.
            RigLost: The rig went away, and `on_loss` is `raise`.
        """
        event = self.next(self.timeout)
        if event is None:
            raise StopIteration
        return event

    def next(self, timeout: float | None = None) -> Event | None:
        """The next event; None once the subscription is closed.

        Args:
            timeout: Seconds to wait; None waits without end.

        Raises:
            TimeoutError: No event came within `timeout`.
            RigLost: The rig went away, and `on_loss` is `raise`; or this is a fork.
            RuntimeError: Another thread is waiting already.
        """
        timeout = duration(timeout)
        if self._process != os.getpid():
            raise RigLost(FORKED.format(self._process))
        if not self._using.acquire(blocking=False):
            raise RuntimeError(f"another thread is waiting for events of {self.topic}")
        try:
            return self._await_event(timeout)
        finally:
            self._using.release()

    def close(self) -> None:
        """End the subscription, and the iteration over it."""
        if self._process != os.getpid():
            return  # the thread is the parent's
        self.end()
        self._feed.join(_PATIENCE)

    def end(self) -> None:
        """As `close`, without waiting until its thread and socket are gone."""
        self._release()
        self._feed.notify()

    def _await_confirmation(self, address: str, seconds: float | None) -> None:
        feed = self._feed
        deadline = None if seconds is None else monotonic() + seconds
        while not feed.is_live and not feed.ended:
            left = None if deadline is None else deadline - monotonic()
            if left is not None and left <= 0:
                raise RigNotReachable(f"events at {address}: no rig confirms the subscription")
            feed.wait(left)

    def _await_event(self, timeout: float | None) -> Event | None:
        feed = self._feed
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            while self._release.alive and not feed.items and not feed.ended:
                left = None if deadline is None else deadline - monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError(f"no event {self.topic} within {timeout:g} s")
                feed.wait(left)
            with feed.lock:
                item = feed.take() if self._release.alive else None
            if item is None:
                return None
            if isinstance(item, RigLost):
                raise item
            event = self._read(item)
            if event is not None:
                return event

    def _read(self, item: Received) -> Event | None:
        self._missed, self._restarts = item.missed, item.restarts
        try:
            raw = own_memory(item.raw)
            value = value_of(item.payload, item.header.payloadContentType, raw)
        except SerializationError:
            self._unreadable += 1
            return None
        return Event(value, item.time, item.sequence, item.topic.partition("/")[2])

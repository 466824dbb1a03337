"""Subscriptions: a worker's events as an iterator."""

from __future__ import annotations

import os
import threading
import weakref
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import uuid4

import msgspec
import zmq
from zmq.backend import zmq_poll

from orchestrator.client.connection import CONNECT_TIMEOUT, FORKED
from orchestrator.client.framing import FramedReader, own_memory
from orchestrator.client.liveness import INTERVAL, UNANSWERED
from orchestrator.client.wakeup import Wakeup
from orchestrator.errors import RigLost, RigNotReachable
from transports.durations import duration
from transports.errors import SerializationError
from transports.headers import EVENTS_PER_LIFE, FRAMES, PROBE, decode_event_header, read_event_id
from transports.serializers import Buffer, join_result

_IN = int(zmq.POLLIN)


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        value: What was emitted; arrays as writable numpy arrays.
        time: When it was emitted, in seconds since the epoch.
        sequence: Its number among the worker's events of this name, plus one for each.
    """

    value: Any
    time: float
    sequence: int


class Subscription:
    """An iterator over the events of one name, from the moment on at which it was made.

    A subscriber that lags behind misses events; `missed` counts them. One thread at a time can
    iterate; `close()` may come from any.

    Args:
        address: Where the rig publishes.
        topic: `<worker>/<event>`.
        timeout: Seconds without an event after which iterating raises TimeoutError; None waits
            for as long as the rig is there.
        connect_timeout: Seconds for the subscription to be known to be live.
        context: Where the socket is made; the process's own if left out.

    Attributes:
        missed: How many events were lost on the way, as told by gaps in the sequence.
        restarts: How often the worker was restarted in between; the last events of the life
            before may be missing then, which `missed` can't count.
        topic: The topic.

    Raises:
        RigNotReachable: The rig doesn't confirm the subscription in time.
    """

    def __init__(
        self,
        address: str,
        topic: str,
        *,
        timeout: float | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        context: zmq.Context[Any] | None = None,
    ) -> None:
        self.topic = topic
        self.timeout = duration(timeout)
        self.missed = 0
        self.restarts = 0
        self._address = address
        self._topic = topic.encode()
        self._last: int | None = None
        self._probe: bytes | None = None
        self._unanswered = 0
        self._using = threading.RLock()  # an interrupt may leave it taken by its own thread
        self._closing = False
        self._process = os.getpid()
        self._early: list[Event] = []
        self._wakeup = Wakeup()
        self._socket: zmq.Socket[Any] = (context or zmq.Context.instance()).socket(zmq.SUB)
        # A loop that is left by `break` drops its subscription without closing it.
        self._release = weakref.finalize(self, _release, self._socket, self._wakeup)
        self._release.atexit = False
        try:
            self._open(address, connect_timeout)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __iter__(self) -> Subscription:
        return self

    def __next__(self) -> Event:
        """The next event.

        Raises:
            StopIteration: The subscription was closed.
            TimeoutError: No event came within `timeout`.
            RigLost: The rig went away.
        """
        event = self.next(self.timeout)
        if event is None:
            raise StopIteration
        return event

    def next(self, timeout: float | None = None) -> Event | None:
        """The next event; None once the subscription is closed.

        Args:
            timeout: Seconds to wait; None waits for as long as the rig is there.

        Raises:
            TimeoutError: No event came within `timeout`.
            RigLost: The rig went away.
            RuntimeError: Another thread is waiting already.
        """
        timeout = duration(timeout)
        if self._process != os.getpid():
            raise RigLost(FORKED.format(self._process))
        if not self._using.acquire(blocking=False):
            raise RuntimeError(f"another thread is waiting for events of {self.topic}")
        try:
            if self._closing:
                return None
            if self._early:
                return self._early.pop(0)
            return self._await_event(timeout)
        finally:
            self._using.release()
            if self._closing:
                self.close()

    def close(self) -> None:
        """End the subscription, and the iteration over it."""
        self._closing = True
        self._wakeup.wake()
        if self._using.acquire(blocking=False):
            try:
                self._release()
            finally:
                self._using.release()

    def _open(self, address: str, timeout: float) -> None:
        socket = self._socket
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.RECONNECT_IVL, 50)
        socket.set(zmq.RECONNECT_IVL_MAX, 500)
        if address.startswith("tcp://"):
            socket.set(zmq.IPV6, 1)
        self._reader = FramedReader(socket, FRAMES)
        self._items: list[Any] = [(socket, _IN), (self._wakeup.fd, _IN)]
        try:
            socket.connect(address)
        except zmq.ZMQError as error:
            raise RigNotReachable(f"events at {address}: {error.strerror}") from error
        socket.subscribe(self._topic)
        self._ask()
        deadline = monotonic() + timeout
        while self._probe is not None:
            left = deadline - monotonic()
            if left <= 0:
                raise RigNotReachable(f"events at {address}: no rig confirms the subscription")
            self._poll(left)
            event = self._take()
            if event is not None:
                self._early.append(event)

    def _await_event(self, timeout: float | None) -> Event | None:
        start = monotonic()
        deadline = None if timeout is None else start + timeout
        asked = start
        while True:
            event = self._take()
            if event is not None:
                return event
            if self._closing:
                return None
            now = monotonic()
            if deadline is not None and now >= deadline:
                raise TimeoutError(f"no event {self.topic} within {timeout:g} s")
            if now >= asked + INTERVAL:
                if self._unanswered >= UNANSWERED:
                    self._unanswered = 0
                    raise RigLost(f"the rig that publishes {self.topic} went away")
                self._ask()
                asked = now
            due = asked + INTERVAL if deadline is None else min(asked + INTERVAL, deadline)
            self._poll(due - now)

    def _poll(self, seconds: float) -> None:
        for item, _ in zmq_poll(self._items, int(seconds * 1000) + 1):
            if item is not self._socket:
                self._wakeup.clear()

    def _ask(self) -> None:
        """Subscribe to a topic that nobody has; the rig echoes it to show that it took it."""
        self._forget_probe()
        self._probe = PROBE + str(uuid4()).encode()
        self._unanswered += 1
        self._socket.subscribe(self._probe)

    def _forget_probe(self) -> None:
        probe, self._probe = self._probe, None
        if probe is not None:
            self._socket.unsubscribe(probe)

    def _take(self) -> Event | None:
        """The next event that is there; None if there is none."""
        while (frames := self._reader.next()) is not None:
            self._reader.done()
            self._unanswered = 0
            topic = frames[0]
            if topic == self._probe:
                self._forget_probe()
            elif topic == self._topic:  # ZeroMQ matches prefixes, so others come as well
                event = self._read(frames)
                if event is not None:
                    return event
        return None

    def _count(self, sequence: int) -> None:
        """Notice a gap; how far the life before this one had come isn't known."""
        last, self._last = self._last, sequence
        if last is None:
            return
        restarts = sequence // EVENTS_PER_LIFE - last // EVENTS_PER_LIFE
        if sequence <= last:  # they never go back but with a new rig, which counts from the start
            restarts = max(1, sequence // EVENTS_PER_LIFE)
        if restarts > 0:
            self.restarts += restarts
            last = sequence // EVENTS_PER_LIFE * EVENTS_PER_LIFE
        self.missed += max(sequence - last - 1, 0)

    def _read(self, frames: list[Buffer]) -> Event | None:
        try:
            header = decode_event_header(frames[2])
            sequence, time = read_event_id(header.messageID)
            value = join_result(
                frames[3],
                header.payloadContentType,
                own_memory(frames[4]),
                header.preencodedPayloadContentType,
            )
        except (msgspec.DecodeError, SerializationError, ValueError):
            return None
        self._count(sequence)
        return Event(value, time, sequence)


def _release(socket: zmq.Socket[Any], wakeup: Wakeup) -> None:
    socket.close(0)
    wakeup.close()

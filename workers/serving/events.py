"""Events on their way out: one XPUB socket, a sequence for each name, changes of properties."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import msgspec
import zmq

from transports import frames
from transports.headers import (
    CHANGE,
    EVENT,
    EVENT_PUBLISHER,
    EventHeader,
    encode_header,
    event_id,
    new_tag,
)
from transports.link import PRESENCE
from transports.serializers import Buffer, split_result
from workers import threads

_decode = msgspec.json.Decoder().decode
_INTRODUCTION = b"\x01" + PRESENCE

Encoded = tuple[Buffer, str, Buffer, str]
"""Payload, its content type, raw frame, its content type."""


class EventPublisher:
    """Publishes a worker's events from any thread; never blocks.

    Without subscribers an event goes nowhere. The queue to the rig is bounded: of what finds no
    room the newest event of each name is kept until there is some, and a gap in the sequence shows
    what was dropped.

    Args:
        context: The process's ZeroMQ context.
        address: Where the rig takes events.
        rig: Id of the rig.
        worker: Name of the worker.
        base: Sequence number before the first event's, for every name.
        token: Secret of this incarnation: by it the rig knows whose events these are.

    Attributes:
        fd: Readable when subscriptions may have come, or room for events.
        subscribed: Called when subscriptions have begun or ended, in any thread; it must not block.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        address: str,
        *,
        rig: str,
        worker: str,
        base: int,
        token: str,
    ) -> None:
        self._sender = f"{rig}/{EVENT_PUBLISHER}"
        self._worker = worker
        self._base = base
        self._token = token.encode()
        self._tag = new_tag()
        self._sequences: dict[str, int] = {}
        self._late: dict[str, list[Any]] = {}  # the newest of each topic that found no room
        self._is_introduced = False
        self._wanted: frozenset[bytes] = frozenset()  # replaced, never changed
        self.subscribed: Callable[[], None] = _do_nothing
        # a socket belongs to one thread at a time: this lock hands it over
        self._lock = threads.Lock()
        self._socket: zmq.Socket[Any] | None = context.socket(zmq.XPUB)
        self._socket.set(zmq.RCVHWM, 0)  # what it receives is subscriptions
        self._socket.set(zmq.XPUB_NODROP, 1)  # says so when there is no room; it never blocks here
        self._socket.connect(address)
        self.fd = int(self._socket.get(zmq.FD))

    def publish(self, name: str, value: Any) -> None:
        """Publish a value as an event.

        Raises:
            TypeError, SerializationError: The value can't be encoded.
        """
        self.publish_encoded(name, split_result(value))

    def publish_encoded(self, name: str, encoded: Encoded) -> None:
        """Publish what `split_result` gave."""
        payload, content_type, raw, raw_type = encoded
        topic = f"{self._worker}/{name}"
        with self._lock:
            if self._socket is None:
                return
            sequence = self._sequences.get(name, self._base) + 1
            self._sequences[name] = sequence
            header = EventHeader(
                messageType=EVENT,
                messageID=event_id(sequence, tag=self._tag),
                senderID=self._sender,
                eventID=topic,
                payloadContentType=content_type,
                preencodedPayloadContentType=raw_type,
            )
            # A send looks for new subscriptions only now and then (libzmq: max_command_delay); this
            # looks at once, so that who subscribed before a request sees what the request causes.
            self._take_subscriptions(self._socket)
            self._late.pop(topic, None)  # older than this one, which shows that it was missed
            self._late[topic] = [topic.encode(), self._token, encode_header(header), payload, raw]
            self._send(self._socket)

    def await_subscriptions(self, seconds: float) -> bool:
        """Wait until the rig's subscriptions have come; tells whether they have.

        So that a new life's first events reach those who subscribed in the life before. What
        threads of the driver publish meanwhile waits along, for the same reason.
        """
        deadline = time.monotonic() + seconds
        with self._lock:
            while self._socket is not None and not self._is_introduced:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                # That the socket wakes up is no sign: it does so for the connection as well.
                zmq.zmq_poll([(self._socket, zmq.POLLIN)], math.ceil(left * 1000))
                self._take_subscriptions(self._socket)
        return True

    def take_subscriptions(self) -> None:
        """Take what subscribers asked for, and send what is late; for when `fd` is readable.

        The socket does so only when it is used, and a driver may emit nothing for months.
        """
        with self._lock:
            if self._socket is not None:
                self._take_subscriptions(self._socket)
                self._send(self._socket)

    def _send(self, socket: zmq.Socket[Any]) -> None:
        while self._late:
            topic = next(iter(self._late))
            try:
                frames.send(socket, self._late[topic])
            except zmq.Again:
                return  # the socket's file descriptor tells when there is room again
            del self._late[topic]

    def _take_subscriptions(self, socket: zmq.Socket[Any]) -> None:
        wanted = self._wanted
        while int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            message = socket.recv(zmq.NOBLOCK)
            topic = frozenset((message[1:],))
            if message == _INTRODUCTION:
                self._is_introduced = True
            elif message[:1] == b"\1":
                wanted |= topic
            else:
                wanted -= topic
        if wanted is not self._wanted:
            self._wanted = wanted
            self.subscribed()

    def is_wanted(self, name: str) -> bool:
        """Whether somebody is subscribed to an event; as of the last look, from any thread."""
        topic, wanted = f"{self._worker}/{name}".encode(), self._wanted
        return topic in wanted or any(topic.startswith(each) for each in wanted)

    def close(self, linger: int) -> None:
        """Close the socket; later events are dropped.

        Args:
            linger: Milliseconds that the last events may take to leave.
        """
        with self._lock:
            if self._socket is not None:
                self._send(self._socket)
                self._socket.close(linger=linger)
                self._socket = None


def _do_nothing() -> None:
    pass


class ChangeWatcher:
    """Publishes an observable property's value when a read or write shows that it changed.

    Values are compared as they travel, so that arrays, NaN and objects that change in place
    need no care.
    """

    def __init__(self, publisher: EventPublisher) -> None:
        self._publisher = publisher
        self._last: dict[str, Encoded] = {}
        self._lock = threads.Lock()

    def seen(self, name: str, value: Any) -> None:
        """Take note of a value; publish `<name>_change_event` if it isn't the last one seen.

        Raises:
            TypeError, SerializationError: The value can't be encoded.
        """
        encoded = split_result(value)
        with self._lock:
            last = self._last.get(name)
            if last is not None and _same(last, encoded):
                return
            self._last[name] = encoded
            # inside the lock, so that changes are published in the order in which they were seen
            self._publisher.publish_encoded(f"{name}{CHANGE}", encoded)


def _same(one: Encoded, other: Encoded) -> bool:
    if one[2:] != other[2:]:  # the label tells nothing from empty bytes
        return False
    # 1 and 1.0 are written differently
    return one[0] == other[0] or bool(_decode(one[0]) == _decode(other[0]))

"""Events on their way out: one XPUB socket, a sequence for each name, changes of properties."""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import zmq

from transports import frames
from transports.errors import SerializationError
from transports.headers import (
    CHANGE,
    EVENT,
    EVENT_PUBLISHER,
    FAITHFUL,
    ID_MARK,
    EventHeader,
    around_id,
    encode_header,
    event_id,
    tag_of,
)
from transports.link import PRESENCE, unpack_number
from transports.serializers import OCTETS, TEXT, XORCH, Buffer, split_result
from transports.values import codec
from transports.values.kinds import NoForm
from workers import threads
from workers.driver.markers import BoundEvent
from workers.serving.keys import show_key
from workers.spec import Curve

log = logging.getLogger("workers")

SUBSCRIPTIONS_WITHIN = 5.0
"""Seconds for the rig's subscriptions to come: milliseconds, unless its machine is overloaded."""

_INTRODUCTION = b"\x01" + PRESENCE

Encoded = tuple[Buffer, Buffer]
"""Payload and raw frame of a value as our own clients have it."""


class EventPublisher:
    """Publishes a worker's events from any thread; never blocks.

    Without subscribers an event goes nowhere, and isn't encoded: it is for each form, ours and that
    of hololinked's clients, that somebody is subscribed to. The queue to the rig is bounded: of
    what finds no room the newest event of each name is kept until there is some, and a gap in the
    sequence shows what was dropped.

    Args:
        context: The process's ZeroMQ context.
        address: Where the rig takes events.
        rig: Id of the rig.
        worker: Name of the worker.
        base: Sequence number before the first event's, for every name.
        token: Secret of this incarnation: by it the rig knows whose events these are.
        curve: Keys by which it comes in; None for the token.

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
        curve: Curve | None = None,
    ) -> None:
        self._sender = f"{rig}/{EVENT_PUBLISHER}"
        self._worker = worker
        self._base = base
        self._token = token.encode()
        self._tag = tag_of(self._token)
        self._topics: dict[str, _Topic] = {}  # by the events' names
        self._foreign: set[str] = set()  # events of which it was told that JSON has no form
        self._late: dict[bytes, list[Any]] = {}  # the newest of each topic that found no room
        self._is_introduced = False
        self._barrier = 0
        # As subscribed to: prefixes of topics. Replaced, never changed: other threads look, too.
        self._wanted: frozenset[bytes] = frozenset()
        self.subscribed: Callable[[], None] = _do_nothing
        # a socket belongs to one thread at a time: this lock hands it over
        self._lock = threads.Lock()
        self._socket: zmq.Socket[Any] | None = context.socket(zmq.XPUB)
        self._socket.set(zmq.RCVHWM, 0)  # what it receives is subscriptions
        self._socket.set(zmq.XPUB_NODROP, 1)  # says so when there is no room; it never blocks here
        # The rig lets nobody in who doesn't show it.
        if curve is None:
            self._socket.setsockopt_string(zmq.PLAIN_USERNAME, worker)
            self._socket.setsockopt_string(zmq.PLAIN_PASSWORD, token)
        show_key(self._socket, curve)
        self._socket.connect(address)
        self.fd = int(self._socket.get(zmq.FD))

    def publish(self, name: str, value: Any, encoded: Encoded | None = None) -> None:
        """Publish a value as an event.

        Args:
            name: The event.
            value: Of any kind in `docs/values.md`.
            encoded: The same as our own clients have it, if that is at hand.

        Raises:
            TypeError: Our own clients are subscribed to it, and the value can't travel.
        """
        with self._lock:
            if self._socket is None:
                return
            topic = self._topics.get(name)
            if topic is None:
                topic = self._topics[name] = _Topic(self._worker, name, self._base)
            topic.sequence += 1
            # A send looks for new subscriptions only now and then (libzmq: max_command_delay); this
            # looks at once, so that who subscribed before a request sees what the request causes.
            self._take_subscriptions(self._socket)
            if topic.looked_in is not self._wanted:
                topic.look(self._wanted)
            if topic.is_plain or topic.is_faithful:
                self._publish(topic, name, value, encoded)
            self._send(self._socket)

    def _publish(self, topic: _Topic, name: str, value: Any, encoded: Encoded | None) -> None:
        message_id = event_id(topic.sequence, tag=self._tag)
        if topic.is_faithful:
            payload, raw = _encoded(name, value) if encoded is None else encoded
            parts = payload, XORCH, raw, OCTETS if len(raw) else TEXT
            self._keep(topic.faithful, topic.text, message_id, parts)
        if topic.is_plain:
            self._publish_json(topic, name, message_id, value)

    def _publish_json(self, topic: _Topic, name: str, id: str, value: Any) -> None:
        """Publish for hololinked's clients; that JSON has no form is no fault of the driver."""
        try:
            parts = split_result(value)
        except (TypeError, SerializationError) as error:
            if name not in self._foreign:
                self._foreign.add(name)
                log.warning("hololinked's clients can't have event %s: %s", name, error)
            return
        self._keep(topic.plain, topic.text, id, parts)

    def _keep(
        self, topic: bytes, event: str, id: str, parts: tuple[Buffer, str, Buffer, str]
    ) -> None:
        payload, content_type, raw, raw_type = parts
        before, after = _around(self._sender, event, content_type, raw_type)
        self._late.pop(topic, None)  # older than this one, which shows that it was missed
        self._late[topic] = [topic, self._token, before + id.encode() + after, payload, raw]

    def await_subscriptions(self, seconds: float = SUBSCRIPTIONS_WITHIN) -> bool:
        """Wait until the rig's subscriptions have come; tells whether they have.

        So that a new life's first events reach those who subscribed in the life before. What
        threads of the driver publish meanwhile waits along, for the same reason.
        """
        deadline = time.monotonic() + seconds
        with self._lock:
            while self._socket is not None and not self._is_introduced:
                left = deadline - time.monotonic()
                if left <= 0:
                    log.warning(
                        "the rig didn't tell its subscriptions within %g s: "
                        "first events may be missed",
                        seconds,
                    )
                    return False
                # That the socket wakes up is no sign: it does so for the connection as well.
                zmq.zmq_poll([(self._socket, zmq.POLLIN)], math.ceil(left * 1000))
                self._take_subscriptions(self._socket)
        return True

    def await_barrier(self, number: int, seconds: float = SUBSCRIPTIONS_WITHIN) -> None:
        """Wait until the subscriptions have come that the rig passed on before a barrier."""
        deadline = time.monotonic() + seconds
        with self._lock:
            while self._socket is not None:
                self._take_subscriptions(self._socket)
                left = deadline - time.monotonic()
                if self._barrier >= number or left <= 0:
                    return
                zmq.zmq_poll([(self._socket, zmq.POLLIN)], math.ceil(left * 1000))

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
        while frames.has_more(socket):
            message = socket.recv(zmq.NOBLOCK)
            topic = frozenset((message[1:],))
            if message == _INTRODUCTION:
                self._is_introduced = True
            elif message[1:2] == PRESENCE:
                self._barrier = max(self._barrier, unpack_number(message[2:]))
            elif message[:1] == b"\1":
                wanted |= topic
            else:
                wanted -= topic
        if wanted is not self._wanted:
            self._wanted = wanted
            self.subscribed()

    def is_wanted(self, name: str) -> bool:
        """Whether somebody is subscribed to an event; as of the last look, from any thread."""
        topic = _Topic(self._worker, name, 0)
        topic.look(self._wanted)
        return topic.is_plain or topic.is_faithful

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


class _Topic:
    """What an event is published under, in either form; its sequence; and whether it is wanted.

    Args:
        worker: Name of the worker.
        name: The event.
        base: Its sequence number before the first event.
    """

    __slots__ = ("faithful", "is_faithful", "is_plain", "looked_in", "plain", "sequence", "text")

    def __init__(self, worker: str, name: str, base: int) -> None:
        self.text = f"{worker}/{name}"
        self.plain = self.text.encode()
        self.faithful = f"{FAITHFUL}{self.text}".encode()
        self.sequence = base
        self.looked_in: frozenset[bytes] | None = None
        self.is_plain = self.is_faithful = False

    def look(self, wanted: frozenset[bytes]) -> None:
        """See what of it is wanted, by the prefixes that are subscribed to."""
        self.looked_in = wanted
        self.is_plain = any(map(self.plain.startswith, wanted))
        self.is_faithful = any(map(self.faithful.startswith, wanted))


@functools.lru_cache(maxsize=1024)
def _around(sender: str, event: str, content_type: str, raw_type: str) -> tuple[bytes, bytes]:
    """What stands in an event's header before and after its id."""
    header = EventHeader(
        messageType=EVENT,
        messageID=ID_MARK,
        senderID=sender,
        eventID=event,
        payloadContentType=content_type,
        preencodedPayloadContentType=raw_type,
    )
    return around_id(encode_header(header))


def _do_nothing() -> None:
    pass


def _encoded(name: str, value: Any) -> Encoded:
    try:
        return codec.encode(value)
    except NoForm as refusal:
        raise TypeError(refusal.told(f"event {name}")) from None


class AttachedEvents:
    """The events of a driver and its parts that are published at present.

    Args:
        publish: Publishes a value under the path of an event.
    """

    def __init__(self, publish: Callable[[str, Any], None]) -> None:
        self._publish = publish
        self._attached: list[BoundEvent] = []

    def replace(self, events: Mapping[str, BoundEvent]) -> None:
        """Publish these by path; one that has several paths at each, and no others any more."""
        paths: dict[int, tuple[BoundEvent, list[str]]] = {}
        for path, event in events.items():
            paths.setdefault(id(event), (event, []))[1].append(path)
        before, self._attached = self._attached, []
        for event, its in paths.values():
            event.attach(self._publisher_of(its))
            self._attached.append(event)
        for event in before:
            if id(event) not in paths:
                event.attach(None)

    def _publisher_of(self, paths: list[str]) -> Callable[[Any], None]:
        publish = self._publish

        def publish_all(value: Any) -> None:
            for path in paths:
                publish(path, value)

        return publish_all


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
            NoForm: The value can't travel; it is a TypeError.
        """
        encoded = codec.encode(value)
        with self._lock:
            last = self._last.get(name)
            if last is not None and _same(last, encoded):
                return
            self._last[name] = encoded
            # inside the lock, so that changes are published in the order in which they were seen
            self._publisher.publish(f"{name}{CHANGE}", value, encoded)


def _same(one: Encoded, other: Encoded) -> bool:
    if one[1] != other[1]:
        return False
    # 1 and 1.0 are written differently, and equal sets in any order
    return one[0] == other[0] or (not len(one[1]) and _equal(one[0], other[0]))


def _equal(one: Buffer, other: Buffer) -> bool:
    try:
        return bool(codec.decode(one) == codec.decode(other))
    except Exception:  # noqa: BLE001  values of packages compare as they like
        return False

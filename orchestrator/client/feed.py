"""What takes events off the wire: a thread that always listens, and a bounded store of them.

A consumer may sleep for as long as it likes. What finds no room pushes out what is oldest, a rig
that comes back finds its subscriptions renewed, and once a second the rig is asked for its newest
event, so that one which was lost on the way shows though none follows it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any
from uuid import uuid4

import msgspec
import zmq
from zmq.backend import zmq_poll

from orchestrator.access.keys import ClientKey
from orchestrator.client.completer import WATCH
from orchestrator.client.framing import FramedReader
from orchestrator.client.handshakes import use_key
from orchestrator.client.liveness import INTERVAL, UNANSWERED
from orchestrator.client.wakeup import Wakeup
from orchestrator.errors import RigLost, RigNotReachable
from transports.headers import (
    EVENTS_PER_LIFE,
    FAITHFUL,
    FRAMES,
    PROBE,
    EventHeader,
    decode_event_header,
    event_tag,
    is_of_nothing,
    read_event_id,
)
from transports.serializers import Buffer

HELD = 10_000
"""Events that are kept for a consumer that lags behind."""
HELD_BYTES = 64 * 1024 * 1024
"""Bytes that they may take together; the newest one is kept whatever its size."""
LOT, LOT_BYTES = 64, 1 << 20
"""Events, and their bytes, after which consumers are told though more have come."""
_IN = int(zmq.POLLIN)


class Received(msgspec.Struct, frozen=True, gc=False):
    """An event as it came, with what was counted until then.

    Attributes:
        topic: `<worker>/<event>`.
        header, payload, raw: The event.
        sequence: Its number.
        time: When it was emitted, in seconds since the epoch.
        missed: How many were lost on the way so far.
        restarts: How often workers were restarted so far.
    """

    topic: str
    header: EventHeader
    payload: Buffer
    raw: Buffer
    sequence: int
    time: float
    missed: int
    restarts: int

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return len(self.payload) + len(self.raw)


@dataclass
class _Topic:
    """One topic: its newest event so far, and the question about it that is open."""

    name: bytes
    shown: str
    id: str = ""
    sequence: int | None = None
    probe: bytes | None = None
    confirmed: bool = field(default=False)


class Feed:
    """Events of some topics, from a thread that lives from `start` to `stop`.

    It knows nothing of its consumer, which can so be collected while the thread runs. One thread
    at a time waits for news, by `wait`; an interrupt may strike it at any place there, which a
    condition variable doesn't survive.

    Args:
        address: Where the rig publishes.
        topics: `@<worker>/<event>` each.
        held: How many events are kept.
        raises: Whether the loss of the rig is told, as a `RigLost` among the events.
        context: Where sockets are made.

    Attributes:
        lock: Held while `items` and `dropped` are changed.
        items: What was received and not taken yet.
        dropped: How many events were pushed out by newer ones.
        ended: Nothing comes any more.

    Raises:
        RigNotReachable: The address can't be connected to at all.
    """

    def __init__(
        self,
        address: str,
        topics: Sequence[str],
        *,
        held: int,
        raises: bool,
        context: zmq.Context[Any],
        key: ClientKey | None = None,
    ) -> None:
        self._key = key
        self.lock = threading.Lock()
        self._news: SimpleQueue[None] = SimpleQueue()
        self.items: deque[Received | RigLost] = deque()
        self.dropped = 0
        self.ended = False
        shown = [topic.removeprefix(FAITHFUL) for topic in topics]
        self._name = ", ".join(shown)
        self._address = address
        self._context = context
        self._topics = {
            topic.encode(): _Topic(topic.encode(), name)
            for topic, name in zip(topics, shown, strict=True)
        }
        self._held = held
        self._raises = raises
        self._bytes = 0
        self._missed = 0
        self._restarts = 0
        self._unanswered = 0
        self._stopping = False
        self._wakeup = Wakeup()
        try:
            self._socket = self._connect()
        except BaseException:
            self._wakeup.close()
            raise
        self._thread = threading.Thread(
            target=self._run, name=f"orch-feed-{self._name:.40}", daemon=True
        )

    def start(self) -> None:
        """Listen."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, soon; nothing is waited for."""
        self._stopping = True
        self._wakeup.wake()

    def join(self, seconds: float) -> None:
        """Wait until the thread has closed the socket."""
        if self._thread is not threading.current_thread():
            self._thread.join(seconds)

    def wait(self, seconds: float | None) -> None:
        """Wait until something has changed since the last look, or may have.

        Not for longer than `WATCH`: an interrupt may have come just before the wait.
        """
        with suppress(Empty):
            self._news.get(timeout=WATCH if seconds is None else min(seconds, WATCH))

    def notify(self) -> None:
        """Let who waits look again; from any thread."""
        if self._news.empty():
            self._news.put(None)

    @property
    def is_live(self) -> bool:
        """Whether the rig has confirmed all topics."""
        return all(topic.confirmed for topic in self._topics.values())

    def take(self) -> Received | RigLost | None:
        """The oldest that is there; `lock` is held."""
        if not self.items:
            return None
        item = self.items.popleft()
        if isinstance(item, Received):
            self._bytes -= item.size
        return item

    # -- the thread -----------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._ask()
            due = monotonic() + INTERVAL
            while not self._stopping:
                self._read()
                now = monotonic()
                if now >= due:
                    if self._unanswered >= UNANSWERED:
                        self._lose()
                    self._ask()
                    due = now + INTERVAL
                self._poll(due - now)
        except zmq.ZMQError as error:  # its context was terminated
            self._tell([RigLost(f"events of {self._name}: {error.strerror}")])
        finally:
            self._socket.close(0)
            self._wakeup.close()
            self.ended = True
            self.notify()

    def _connect(self) -> zmq.Socket[Any]:
        socket: zmq.Socket[Any] = self._context.socket(zmq.SUB)
        try:
            socket.set(zmq.LINGER, 0)
            socket.set(zmq.RCVHWM, 0)  # this thread always reads; what it keeps is bounded
            socket.set(zmq.RECONNECT_IVL, 50)
            socket.set(zmq.RECONNECT_IVL_MAX, 500)
            if self._address.startswith("tcp://"):
                socket.set(zmq.IPV6, 1)
                use_key(socket, self._key)
            socket.connect(self._address)
        except zmq.ZMQError as error:
            socket.close(0)
            raise RigNotReachable(f"events at {self._address}: {error.strerror}") from error
        for topic in self._topics:
            socket.subscribe(topic)
        self._reader = FramedReader(socket, FRAMES)
        self._items: list[Any] = [(socket, _IN), (self._wakeup.fd, _IN)]
        return socket

    def _poll(self, seconds: float) -> None:
        for item, _ in zmq_poll(self._items, int(seconds * 1000) + 1):
            if item is not self._socket:
                self._wakeup.clear()

    def _ask(self) -> None:
        """Ask the rig for what is newer than the newest that came, by subscribing to a topic that
        nobody has; that it echoes it shows as well that it took what was subscribed before."""
        self._unanswered += 1
        for topic in self._topics.values():
            self._forget(topic)
            topic.probe = PROBE + f"{uuid4()} {topic.id} ".encode() + topic.name
            self._socket.subscribe(topic.probe)

    def _forget(self, topic: _Topic) -> None:
        if topic.probe is not None:
            self._socket.unsubscribe(topic.probe)
            topic.probe = None

    def _lose(self) -> None:
        """The rig doesn't answer: tell if that is asked for, and connect anew.

        A connection whose other end was cut off somewhere on the way is never closed by itself.
        """
        if self._raises:
            self._tell([RigLost(f"the rig that publishes {self._name} went away")])
        self._socket.close(0)
        for topic in self._topics.values():
            topic.probe = None
        self._unanswered = 0
        self._socket = self._connect()

    def _read(self) -> None:
        """Take what has come. Consumers are told by lots: each waking of one costs more than
        reading an event does."""
        lot: list[Received] = []
        size = 0
        while not self._stopping and (frames := self._reader.next()) is not None:
            self._reader.done()
            self._unanswered = 0
            name = bytes(frames[0])
            received = None
            if name.startswith(PROBE):
                received = self._answered(name, frames)
            elif (topic := self._topics.get(name)) is not None:
                received = self._received(topic, frames)  # ZeroMQ matches prefixes: others come too
            if received is not None:
                lot.append(received)
                size += received.size
                if len(lot) >= LOT or size >= LOT_BYTES:
                    self._tell(lot)
                    lot, size = [], 0
        self._tell(lot)

    def _answered(self, probe: bytes, frames: list[Buffer]) -> Received | None:
        topic = next((each for each in self._topics.values() if each.probe == probe), None)
        if topic is None:
            return None
        self._forget(topic)
        newest = _id_of(frames[2])
        sequence = _sequence_of(newest)
        is_event = sequence is not None and not is_of_nothing(sequence)
        if topic.confirmed and is_event:
            return self._received(topic, frames)
        if not topic.id:  # what was the newest before this subscription isn't of it
            topic.id, topic.sequence = newest, sequence
        topic.confirmed = True
        self.notify()
        return None

    def _received(self, topic: _Topic, frames: list[Buffer]) -> Received | None:
        _, _, head, payload, raw = frames
        try:
            header = decode_event_header(head)
            sequence, time = read_event_id(header.messageID)
        except (msgspec.DecodeError, ValueError):
            return None
        if header.messageID == topic.id:
            return None
        self._count(topic, header.messageID, sequence)
        counts = self._missed, self._restarts
        return Received(topic.shown, header, payload, raw, sequence, time, *counts)

    def _count(self, topic: _Topic, id: str, sequence: int) -> None:
        """Notice a gap; how far the life before this one had come isn't known."""
        last, before = topic.sequence, topic.id
        topic.sequence, topic.id = sequence, id
        if last is None:
            return
        life = sequence // EVENTS_PER_LIFE
        restarts = life - last // EVENTS_PER_LIFE
        if restarts <= 0 and (sequence <= last or event_tag(id) != event_tag(before)):
            restarts = life + 1  # of another rig, whose workers count from the start
        if restarts > 0:
            self._restarts += restarts
            last = life * EVENTS_PER_LIFE
        elif is_of_nothing(last):
            return  # what was before the first one that came isn't of this subscription
        self._missed += max(sequence - last - 1, 0)

    def _tell(self, lot: Sequence[Received | RigLost]) -> None:
        if not lot:
            return
        with self.lock:
            self.items.extend(lot)
            self._bytes += sum(each.size for each in lot if isinstance(each, Received))
            while len(self.items) > self._held or (
                self._bytes > HELD_BYTES and len(self.items) > 1
            ):
                self.dropped += isinstance(self.take(), Received)
        self.notify()


def _id_of(head: Buffer) -> str:
    try:
        return decode_event_header(head).messageID
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _sequence_of(id: str) -> int | None:
    try:
        return read_event_id(id)[0] if id else None
    except ValueError:
        return None

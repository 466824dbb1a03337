"""Events on their way from workers to subscribers, and subscriptions on theirs back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from orchestrator.core.peers import Formers, Peer
from orchestrator.core.tally import Tally
from orchestrator.rig.connections import Connection, Connections
from orchestrator.rig.gate import user_of
from orchestrator.rig.newest import Newest
from orchestrator.rig.sockets import Sockets
from transports.frames import TooManyFrames, has_more, receive, receive_frame, send
from transports.headers import EVENTS_PER_LIFE, FAITHFUL, FRAMES, PROBE, tag_of
from transports.link import barrier_topic

_FAITHFUL = FAITHFUL.encode()
SUBSCRIPTIONS = 2000
"""Topics that one connection may be subscribed to; libzmq takes kilobytes for each."""


class EventRelay:
    """Passes messages between the rig's XSUB and XPUB.

    Args:
        sockets: The rig's sockets.
        connections: Closes those of subscribers that ask for too much.
        publishers: Who may publish: the worker, by its incarnation's token.
        formers: Who could, until it ended.
        peers: The workers, by name.
        tally: Tells what was dropped.
        counts: Counts it.

    Attributes:
        barrier: How often workers were told of subscriptions.
    """

    def __init__(
        self,
        sockets: Sockets,
        connections: Connections,
        *,
        publishers: dict[bytes, bytes],
        formers: Formers,
        peers: dict[str, Peer],
        tally: Tally,
        counts: Counter[str],
    ) -> None:
        self._sockets = sockets
        self._connections = connections
        self._publishers = publishers
        self._formers = formers
        self._peers = peers
        self._tally = tally
        self._counts = counts
        self.barrier = 0
        self._is_passed = False  # subscriptions were, and the barrier behind them wasn't
        self._wanted: Counter[bytes] = Counter()  # by how many connections
        self._record: Callable[[list[Any], float], None] | None = None
        connections.left = self.forget
        self._newest = Newest(self._life_of)

    def forward_events(self, most: int, now: float) -> None:
        """Pass on what workers have published, so many messages at most."""
        collector, publishers = self._sockets.collector, self._publishers
        for _ in range(most):
            frames = receive(collector, FRAMES)
            if isinstance(frames, TooManyFrames) or len(frames) != FRAMES:
                if not frames:
                    return
                self._drop_event("malformed event dropped", now)
            else:
                # Its place on the wire is empty; on the way here it holds the publisher's token.
                prefix = publishers.get(frames[1].bytes)
                if prefix is None:
                    self._drop_of(self._formers.get(frames[1].bytes), now)
                elif not frames[0].bytes.removeprefix(_FAITHFUL).startswith(prefix):
                    self._drop_event("event in another worker's name dropped", now)
                else:
                    send(self._sockets.publisher, [frames[0], b"", *frames[2:]])
                    self._newest.keep(frames)
                    if self._record is not None:
                        self._record(frames, now)
            if not has_more(collector):
                return

    def record(self, keep: Callable[[list[Any], float], None]) -> None:
        """Have all events of workers come, in our own form, and be kept by this too."""
        self._record = keep
        send(self._sockets.collector, [b"\1" + _FAITHFUL])

    def turned_away(self, left: bool) -> None:
        """Tell of a publisher that wasn't let in; a worker that fails at once may leave first."""
        now = time.monotonic()
        if left:
            self._tally.tell("debug", "publisher of events left before it was let in", now)
        else:
            self._drop_event("publisher of events refused: it is no worker of this rig", now)

    def publish(self, frames: list[Any]) -> None:
        """Publish an event of the rig itself; to be called in the loop's thread."""
        send(self._sockets.publisher, frames)
        self._newest.keep(frames)

    def forward_subscriptions(self, most: int, now: float) -> None:
        """Pass on what subscribers want to hear, so many frames at most.

        Frame by frame: libzmq takes out what it has dealt with itself, wherever in a message that
        stood, and leaves the rest of the message torn. What begins with 0 or 1 is its own word.
        """
        self._forward_subscriptions(most, now)
        if self._is_passed:
            self._is_passed = False
            self._raise_barrier()

    def _forward_subscriptions(self, most: int, now: float) -> None:
        publisher = self._sockets.publisher
        for _ in range(most):
            frame = receive_frame(publisher)
            if frame is None:
                return
            message = frame.bytes
            if message[:1] not in (b"\0", b"\1"):
                self._counts["strangers"] += 1
                text = "message of a subscriber that is no subscription dropped"
                self._tally.tell("warning", text, now)
            else:
                self._take_subscription(frame, message, now)
            if not has_more(publisher):
                return

    def _take_subscription(self, frame: Any, message: bytes, now: float) -> None:
        """Keep who wants what: anybody may end a subscription that isn't his, and libzmq tells."""
        topic, begins = message[1:], message[0] == 1
        connection = self._connections.of(self._sockets.publisher, frame)
        if connection is None:
            return  # it is gone, or going, and so are its subscriptions
        connection.user = connection.user or user_of(frame)
        if not self._connections.gate.knows(connection.user):
            self._connections.cut(self._sockets.publisher, frame)
            return
        if not begins:
            if topic in connection.topics:
                connection.topics.remove(topic)
                self._end(topic)
        elif len(connection.topics) >= SUBSCRIPTIONS:
            if self._connections.cut(self._sockets.publisher, frame):
                text = f"it has subscribed to more than {SUBSCRIPTIONS} topics"
                self._counts["cut off"] += 1
                self._tally.tell("warning", "subscriber cut off", now, reason=text)
        elif topic not in connection.topics:
            connection.topics.add(topic)
            self._begin(topic)

    def forget(self, connection: Connection) -> None:
        """End the subscriptions of a connection that is gone."""
        for topic in connection.topics:
            self._end(topic)
        connection.topics.clear()

    def _begin(self, topic: bytes) -> None:
        if topic.startswith(PROBE):
            send(self._sockets.publisher, self._newest.answer(topic))
        elif self._is_of_a_worker(topic):
            self._wanted[topic] += 1
            if self._wanted[topic] == 1:
                send(self._sockets.collector, [b"\1" + topic])
                self._is_passed = True

    def _raise_barrier(self) -> None:
        """Tell workers that what was passed on before has come: see `transports.link.Barrier`."""
        before, self.barrier = self.barrier, self.barrier + 1
        send(self._sockets.collector, [b"\1" + barrier_topic(self.barrier)])
        if before:
            send(self._sockets.collector, [b"\0" + barrier_topic(before)])

    def _end(self, topic: bytes) -> None:
        if topic in self._wanted:
            self._wanted[topic] -= 1
            if not self._wanted[topic]:
                del self._wanted[topic]
                self._newest.forget(topic)
                send(self._sockets.collector, [b"\0" + topic])

    def _is_of_a_worker(self, topic: bytes) -> bool:
        """Whether some worker could publish under it; workers needn't know of others."""
        topic = topic.removeprefix(_FAITHFUL)
        name, slash, _ = topic.partition(b"/")
        if slash:
            return name.decode("utf-8", "replace") in self._peers
        return any(worker.encode().startswith(topic) for worker in self._peers)

    def _life_of(self, topic: bytes) -> tuple[int, int] | None:
        """The number before the first event of the life that may publish a topic, and its tag."""
        prefix = topic.removeprefix(_FAITHFUL).partition(b"/")[0] + b"/"
        token = next((each for each, own in self._publishers.items() if own == prefix), None)
        peer = self._peers.get(prefix[:-1].decode("utf-8", "replace"))
        if token is None or peer is None:
            return None
        return (peer.incarnation - 1) * EVENTS_PER_LIFE, tag_of(token)

    def _drop_of(self, former: str | None, now: float) -> None:
        """Drop an event of who isn't a worker; a thread that was left behind was one."""
        if former is None:
            self._drop_event("event dropped: its publisher is no worker of this rig", now)
        else:
            text = "event dropped: its worker has ended, and a thread runs on"
            self._drop_event(text, now, former=former)

    def _drop_event(self, text: str, now: float, **fields: str) -> None:
        self._counts["events dropped"] += 1
        self._tally.tell("warning", text, now, **fields)

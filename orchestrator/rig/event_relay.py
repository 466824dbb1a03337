"""Events on their way from workers to subscribers, and subscriptions on theirs back."""

from __future__ import annotations

from collections import Counter
from typing import Any

from orchestrator.core.peers import Peer
from orchestrator.core.tally import Tally
from orchestrator.rig.connections import Connections
from orchestrator.rig.sockets import Sockets
from transports.frames import TooManyFrames, has_more, receive, receive_frame, send
from transports.headers import FRAMES, PROBE

SUBSCRIPTIONS = 2000
"""Topics that one connection may be the first to subscribe to; libzmq takes kilobytes for each."""

WITHHELD = 1.0
"""Seconds in which the subscriptions of a connection that was cut off are told as ended."""


class EventRelay:
    """Passes messages between the rig's XSUB and XPUB.

    Args:
        sockets: The rig's sockets.
        connections: Closes those of subscribers that ask for too much.
        publishers: Who may publish: the worker, by its incarnation's token.
        peers: The workers, by name.
        tally: Tells what was dropped.
        counts: Counts it.
    """

    def __init__(
        self,
        sockets: Sockets,
        connections: Connections,
        *,
        publishers: dict[bytes, bytes],
        peers: dict[str, Peer],
        tally: Tally,
        counts: Counter[str],
    ) -> None:
        self._sockets = sockets
        self._connections = connections
        self._publishers = publishers
        self._peers = peers
        self._tally = tally
        self._counts = counts
        self._withheld: set[bytes] = set()
        self._withheld_until = 0.0

    def forward_events(self, most: int, now: float) -> None:
        """Pass on what workers have published, so many messages at most."""
        collector, publishers = self._sockets.collector, self._publishers
        for _ in range(most):
            frames = receive(collector, FRAMES)
            if isinstance(frames, TooManyFrames) or len(frames) != FRAMES:
                if not frames:
                    return
                self._drop("malformed event dropped", now)
            else:
                # Its place on the wire is empty; on the way here it holds the publisher's token.
                prefix = publishers.get(frames[1].bytes)
                if prefix is None:
                    self._drop("event of an unknown or ended incarnation dropped", now)
                elif not frames[0].bytes.startswith(prefix):
                    self._drop("event in another worker's name dropped", now)
                else:
                    send(self._sockets.publisher, [frames[0], b"", *frames[2:]])
            if not has_more(collector):
                return

    def forward_subscriptions(self, most: int, now: float) -> None:
        """Pass on what subscribers want to hear, so many frames at most.

        Frame by frame: libzmq takes out what it has dealt with itself, wherever in a message that
        stood, and leaves the rest of the message torn. What begins with 0 or 1 is its own word.
        """
        publisher = self._sockets.publisher
        for _ in range(most):
            frame = receive_frame(publisher)
            if frame is None:
                return
            message = frame.bytes
            if message[:1] not in (b"\0", b"\1"):
                self._drop("message of a subscriber that is no subscription dropped", now)
            else:
                self._take_subscription(frame, message, now)
            if not has_more(publisher):
                return

    def _take_subscription(self, frame: Any, message: bytes, now: float) -> None:
        topic, begins = message[1:], message[0] == 1
        if topic.startswith(PROBE):
            if begins:
                send(self._sockets.publisher, [topic, b"", b"", b"", b""])
            return
        if self._withheld and now > self._withheld_until:
            self._pass_on_withheld()
        publisher = self._sockets.publisher
        count = self._connections.count_topic(publisher, frame, 1 if begins else -1)
        if begins and count > SUBSCRIPTIONS:
            self._withhold(topic, now)
            if self._connections.cut(publisher, frame):
                text = f"it has subscribed to more than {SUBSCRIPTIONS} topics"
                self._counts["cut off"] += 1
                self._tally.tell("warning", "subscriber cut off", now, reason=text)
        elif self._is_of_a_worker(topic):
            if topic not in self._withheld:
                send(self._sockets.collector, [message])
            elif not begins:
                self._withheld.remove(topic)

    def _withhold(self, topic: bytes, now: float) -> None:
        """Don't pass on a subscription of one that is cut off: it is told as ended presently.

        If it isn't, another subscriber has come to the same topic meanwhile.
        """
        if self._is_of_a_worker(topic):
            self._withheld.add(topic)
            self._withheld_until = now + WITHHELD

    def _pass_on_withheld(self) -> None:
        for topic in self._withheld:
            send(self._sockets.collector, [b"\1" + topic])
        self._withheld.clear()

    def _is_of_a_worker(self, topic: bytes) -> bool:
        """Whether some worker could publish under it; workers needn't know of others."""
        name, slash, _ = topic.partition(b"/")
        if slash:
            return name.decode("utf-8", "replace") in self._peers
        return any(worker.encode().startswith(topic) for worker in self._peers)

    def _drop(self, text: str, now: float) -> None:
        self._counts["events dropped" if "event" in text else "strangers"] += 1
        self._tally.tell("warning", text, now)

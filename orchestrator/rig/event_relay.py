"""Events on their way from workers to subscribers, and subscriptions on theirs back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.rig.newest import Newest
from orchestrator.rig.sockets import Sockets
from transports.frames import TooManyFrames, has_more, receive, send
from transports.headers import FRAMES, PROBE

_BEGIN, _END = b"\x01", b"\x00"
"""First byte of a subscription, and of its end."""


class EventRelay:
    """Passes messages between the rig's XSUB and XPUB.

    Args:
        sockets: The rig's sockets.
        record: Writes a record: level, text, fields.
    """

    def __init__(
        self, sockets: Sockets, record: Callable[[str, str, dict[str, Any]], None]
    ) -> None:
        self._sockets = sockets
        self._record = record
        self._newest = Newest()

    def forward_events(self, most: int) -> None:
        """Pass on what workers have published, so many messages at most."""
        collector = self._sockets.collector
        for _ in range(most):
            frames = receive(collector, FRAMES)
            if isinstance(frames, TooManyFrames) or len(frames) != FRAMES:
                self._record("error", "malformed event of a worker dropped", {})
            else:
                send(self._sockets.publisher, frames)
                self._newest.keep(frames)
            if not has_more(collector):
                return

    def publish(self, frames: list[Any]) -> None:
        """Publish an event of the rig itself; to be called in the loop's thread."""
        send(self._sockets.publisher, frames)
        self._newest.keep(frames)

    def forward_subscriptions(self, most: int) -> None:
        """Pass on what subscribers want to hear, so many messages at most."""
        publisher = self._sockets.publisher
        for _ in range(most):
            frames = receive(publisher, 1)
            if not isinstance(frames, TooManyFrames):
                self._subscribe(frames[0].bytes)
            if not has_more(publisher):
                return

    def _subscribe(self, message: bytes) -> None:
        what, topic = message[:1], message[1:]
        if what not in (_BEGIN, _END):
            return  # an XPUB hands through whatever else a peer sends; workers needn't hear it
        if not topic.startswith(PROBE):
            send(self._sockets.collector, [message])
            if what == _END:
                self._newest.forget(topic)
        elif what == _BEGIN:
            send(self._sockets.publisher, self._newest.answer(topic))

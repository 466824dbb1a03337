"""Events on their way from workers to subscribers, and subscriptions on theirs back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.rig.sockets import Sockets
from transports.frames import TooManyFrames, has_more, receive, send
from transports.headers import FRAMES, PROBE


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

    def forward_events(self, most: int) -> None:
        """Pass on what workers have published, so many messages at most."""
        collector = self._sockets.collector
        for _ in range(most):
            frames = receive(collector, FRAMES)
            if isinstance(frames, TooManyFrames) or len(frames) != FRAMES:
                self._record("error", "malformed event of a worker dropped", {})
            else:
                send(self._sockets.publisher, frames)
            if not has_more(collector):
                return

    def forward_subscriptions(self, most: int) -> None:
        """Pass on what subscribers want to hear, so many messages at most."""
        publisher = self._sockets.publisher
        for _ in range(most):
            frames = receive(publisher, 1)
            if not isinstance(frames, TooManyFrames):
                message = frames[0].bytes
                topic = message[1:]
                if not topic.startswith(PROBE):
                    send(self._sockets.collector, [message])
                elif message[0] == 1:
                    send(publisher, [topic, b"", b"", b"", b""])
            if not has_more(publisher):
                return

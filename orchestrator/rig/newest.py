"""The newest event of each topic, for subscribers who ask whether they have it."""

from __future__ import annotations

from typing import Any

import msgspec

from transports.headers import FRAMES, PROBE, decode_event_header

_EMPTY = b""


class Newest:
    """Keeps one event of each topic that somebody is subscribed to."""

    def __init__(self) -> None:
        self._events: dict[bytes, list[Any]] = {}

    def keep(self, frames: list[Any]) -> None:
        """Take note of an event that is passed on."""
        self._events[frames[0].bytes] = frames

    def forget(self, topic: bytes) -> None:
        """The last subscription to a topic, or to all that begin alike, has ended."""
        for each in [each for each in self._events if each.startswith(topic)]:
            del self._events[each]

    def answer(self, probe: bytes) -> list[Any]:
        """The message that answers a probe.

        Args:
            probe: `?` and anything, then, if it is a question: a space, the id of the newest event
                that the subscriber has, another space, and the topic.

        Returns:
            The event under the probe's name if there is a newer one, else empty frames.
        """
        asked = probe.removeprefix(PROBE).split(b" ", 2)
        frames = self._events.get(asked[2]) if len(asked) == 3 else None
        if frames is None or _id_of(frames) == asked[1]:
            return [probe, *[_EMPTY] * (FRAMES - 1)]
        return [probe, _EMPTY, *frames[2:]]


def _id_of(frames: list[Any]) -> bytes:
    try:
        return decode_event_header(frames[2].bytes).messageID.encode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _EMPTY  # whoever publishes that isn't ours; its subscribers pass it over

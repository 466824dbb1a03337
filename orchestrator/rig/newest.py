"""The newest event of each topic, for subscribers who ask whether they have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from transports.headers import (
    EVENT,
    FRAMES,
    PROBE,
    EventHeader,
    decode_event_header,
    encode_header,
    event_id,
)

_EMPTY = b""

LifeOf = Callable[[bytes], "tuple[int, int] | None"]
"""Of a topic: the number before the first event of the life that publishes it, and that life's tag;
None if it isn't known."""


class Newest:
    """Keeps one event of each topic that somebody is subscribed to.

    Args:
        life_of: Tells the life of which a topic's events would be.
    """

    def __init__(self, life_of: LifeOf) -> None:
        self._life_of = life_of
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
            The event under the probe's name if there is a newer one, else empty frames. Who has
            none is given a header with the number before the first one of the present life: so he
            notices that life's end, though he had nothing of it.
        """
        asked = probe.removeprefix(PROBE).split(b" ", 2)
        frames = self._events.get(asked[2]) if len(asked) == 3 else None
        if frames is None and len(asked) == 3 and not asked[1]:
            if (life := self._life_of(asked[2])) is not None:
                return [probe, _EMPTY, _nothing_yet(asked[2], *life), _EMPTY, _EMPTY]
        elif frames is not None and _id_of(frames) != asked[1]:
            return [probe, _EMPTY, *frames[2:]]
        return [probe, *[_EMPTY] * (FRAMES - 1)]


def _nothing_yet(topic: bytes, before: int, tag: int) -> bytes:
    name = topic.decode("utf-8", "replace")
    id_ = event_id(before, tag=tag)
    return encode_header(EventHeader(messageType=EVENT, messageID=id_, senderID="", eventID=name))


def _id_of(frames: list[Any]) -> bytes:
    try:
        return decode_event_header(frames[2].bytes).messageID.encode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _EMPTY  # whoever publishes that isn't ours; its subscribers pass it over

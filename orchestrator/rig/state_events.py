"""Changes of workers' states as events of the rig's own worker.

They are published by the loop, not by that worker's thread: a change must neither wait for the
other thread nor be told before one that came earlier.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import zmq

from orchestrator.core.effects import Moved
from transports.headers import (
    EVENT,
    EVENT_PUBLISHER,
    FAITHFUL,
    EventHeader,
    encode_header,
    event_id,
    new_tag,
)
from transports.serializers import JSON, TEXT, XORCH, Buffer, encode
from transports.values import codec

WORKER_STATE = "worker-state"
"""Name of the event, which no attribute of a driver's class could have."""
AFFORDANCES = {
    WORKER_STATE: {
        "description": "A worker's state has changed.",
        "data": {
            "type": "object",
            "properties": {
                "worker": {"type": "string"},
                "incarnation": {"type": "integer"},
                "was": {"type": "string"},
                "state": {"type": "string"},
                "reason": {"type": "string"},
            },
        },
    }
}
"""The event as a Thing Description has it."""


class StateEvents:
    """Numbers and encodes the changes.

    Args:
        rig: Id of the rig.
        publish: Sends an event's frames to the subscribers.
    """

    def __init__(self, rig: str, publish: Callable[[list[Any]], None]) -> None:
        self._rig = rig
        self._topic = f"{rig}/{WORKER_STATE}"
        self._publish = publish
        self._sequence = 0
        self._tag = new_tag()

    def publish(self, change: Moved) -> None:
        """Publish a change of a worker's state."""
        self._sequence += 1
        told = msgspec.structs.asdict(change)
        message_id = event_id(self._sequence, tag=self._tag)
        self._send(self._topic, message_id, encode(told), JSON)
        self._send(f"{FAITHFUL}{self._topic}", message_id, codec.encode(told)[0], XORCH)

    def _send(self, topic: str, id: str, payload: Buffer, content_type: str) -> None:
        header = EventHeader(
            messageType=EVENT,
            messageID=id,
            senderID=f"{self._rig}/{EVENT_PUBLISHER}",
            eventID=self._topic,
            payloadContentType=content_type,
            preencodedPayloadContentType=TEXT,
        )
        frames = (topic.encode(), b"", encode_header(header), payload, b"")
        self._publish([zmq.Frame(bytes(frame)) for frame in frames])

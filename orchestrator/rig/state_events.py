"""Changes of workers' states, and alarms, as events of the rig's own worker.

They are published by the loop, not by that worker's thread: a change must neither wait for the
other thread nor be told before one that came earlier.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import zmq

from orchestrator.core.effects import Alarmed, Moved
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
WORKER_ALARM = "worker-alarm"
"""That of alarms."""
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
    },
    WORKER_ALARM: {
        "description": "An alarm has begun or ended, or isn't known any more.",
        "data": {
            "type": "object",
            "properties": {
                "worker": {"type": "string"},
                "member": {"type": "string"},
                "was": {"enum": ["ok", "pending", "raised", "stale"]},
                "state": {"enum": ["ok", "pending", "raised", "stale"]},
                "raised": {"type": "boolean"},
                "value": {"oneOf": [{"type": "number"}, {"type": "null"}]},
                "reason": {"type": "string"},
            },
        },
    },
}
"""The events as a Thing Description has them."""


class StateEvents:
    """Numbers and encodes the changes.

    Args:
        rig: Id of the rig.
        publish: Sends an event's frames to the subscribers.
    """

    def __init__(self, rig: str, publish: Callable[[list[Any]], None]) -> None:
        self._rig = rig
        self._publish = publish
        self._sequences = dict.fromkeys(AFFORDANCES, 0)
        self._tag = new_tag()

    def publish(self, change: Moved) -> None:
        """Publish a change of a worker's state."""
        self._tell(WORKER_STATE, msgspec.structs.asdict(change))

    def alarmed(self, change: Alarmed) -> None:
        """Publish a change of an alarm."""
        told = msgspec.structs.asdict(change)
        del told["is_new"]  # which `was` and `raised` of the event before tell too
        self._tell(WORKER_ALARM, told)

    def _tell(self, name: str, told: dict[str, Any]) -> None:
        self._sequences[name] += 1
        message_id = event_id(self._sequences[name], tag=self._tag)
        topic = f"{self._rig}/{name}"
        self._send(topic, topic, message_id, encode(told), JSON)
        self._send(f"{FAITHFUL}{topic}", topic, message_id, codec.encode(told)[0], XORCH)

    def _send(self, topic: str, event: str, id: str, payload: Buffer, content_type: str) -> None:
        header = EventHeader(
            messageType=EVENT,
            messageID=id,
            senderID=f"{self._rig}/{EVENT_PUBLISHER}",
            eventID=event,
            payloadContentType=content_type,
            preencodedPayloadContentType=TEXT,
        )
        frames = (topic.encode(), b"", encode_header(header), payload, b"")
        self._publish([zmq.Frame(bytes(frame)) for frame in frames])

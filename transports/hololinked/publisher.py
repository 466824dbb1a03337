"""Events, the sending side: one publisher for any number of consumers.

A subscription needs a moment until it reaches the publisher; events before that are not seen.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from typing import Any

import zmq

from transports.frames import send
from transports.headers import ZMQ_TRANSPORTS, event_id
from transports.hololinked.base_server import BaseZMQServer
from transports.hololinked.messages import EventMessage
from transports.hololinked.sockets import BaseSyncZMQ
from transports.serializers import (
    NPY,
    OCTETS,
    Buffer,
    PreserializedData,
    SerializableData,
    encode_array,
    is_array,
)


class EventPublisher(BaseZMQServer, BaseSyncZMQ):
    """Publishes events to whoever has subscribed, from any thread.

    A consumer that falls 1000 events behind misses some; nobody waits for it. The message id of
    an event carries its sequence number, from 1 on for each event, and its time: see
    `transports.hololinked.messages.read_event_id`.

    Args:
        id: Id of the publisher; by custom `<server id>/event-publisher`.
        transport: `IPC`, `TCP`, `INPROC`, or a full address.
        context: A plain context; one is made, and ended by `exit`, if none is given.
        **kwargs: `socket_address` or `access_point`: where to listen. `logger`.

    Attributes:
        events: What is registered, by its topic.

    Example:
        >>> context = zmq.Context()
        >>> publisher = EventPublisher("bench/event-publisher", "INPROC", context)
        >>> publisher.publish("stage/moved", {"x": 1.5})
        >>> publisher.exit()
        >>> context.term()
    """

    def __init__(
        self,
        id: str,
        transport: ZMQ_TRANSPORTS | str = ZMQ_TRANSPORTS.IPC,
        context: zmq.Context[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(id, logger=kwargs.pop("logger", None))
        self.events: dict[str, Hashable] = {}
        self._sequences: dict[str, int] = {}
        self._lock = threading.Lock()
        self.create_socket(
            id=id, context=context, transport=transport, socket_type=zmq.PUB, **kwargs
        )

    @property
    def event_ids(self) -> set[str]:
        """Topics that are registered."""
        return set(self.events)

    def register(self, event: Any) -> None:
        """Claim a topic for an event. Publishing needs no registration.

        Args:
            event: The topic, or an object that has it as `unique_identifier`.

        Raises:
            AttributeError: Another event has claimed it.
        """
        topic = topic_of(event)
        if self.events.setdefault(topic, event) is not event and self.events[topic] != event:
            raise AttributeError(f"another event is registered as {topic!r}; choose another name")

    def unregister(self, event: Any) -> None:
        """Give a topic back.

        Raises:
            KeyError: It isn't registered.
        """
        del self.events[topic_of(event)]

    def publish(self, event: Any, data: Any) -> None:
        """Send an event to its subscribers, without waiting for any.

        Args:
            event: The topic, or an object that has it as `unique_identifier`.
            data: The value. Bytes travel raw, numpy arrays raw as .npy, a SerializableData or
                PreserializedData as it says, anything else as JSON.

        Raises:
            SerializationError, TypeError: The value can't be encoded.
            ConnectionAbortedError: The publisher has exited.
        """
        topic = topic_of(event)
        payload, raw = _parts(data)
        with self._lock:
            if self._exited:
                raise ConnectionAbortedError(f"publisher {self.id!r} has exited")
            sequence = self._sequences.get(topic, 0) + 1
            message = EventMessage.craft_from_arguments(
                topic,
                self.id,
                payload=payload,
                preserialized_payload=raw,
                message_id=event_id(sequence, time.time_ns()),
            )
            self._sequences[topic] = sequence
            send(self.socket, message.byte_array)

    def exit(self) -> None:
        """Close the socket, once nobody publishes."""
        with self._lock:
            super().exit()


def topic_of(event: Any) -> str:
    """The topic of an event: itself if it is text, else its `unique_identifier`.

    Raises:
        TypeError: It has none.
    """
    if isinstance(event, str):
        return event
    for name in ("unique_identifier", "_unique_identifier"):
        topic = getattr(event, name, None)
        if isinstance(topic, bytes):
            return topic.decode()
        if isinstance(topic, str):
            return topic
    raise TypeError(f"an event is a topic or has a unique_identifier; {event!r} hasn't")


def _parts(data: Any) -> tuple[SerializableData | None, PreserializedData | None]:
    if isinstance(data, SerializableData):
        return data, None
    if isinstance(data, PreserializedData):
        return None, data
    if isinstance(data, Buffer):
        return None, PreserializedData(bytes(data), OCTETS)
    if is_array(data):
        return None, PreserializedData(encode_array(data), NPY)
    return SerializableData(data), None

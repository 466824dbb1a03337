"""ZeroMQ servers and clients of hololinked's wire format, and the building blocks of a broker.

Everything named here is loaded when it is first asked for: a worker that needs messages alone
doesn't pay for asyncio.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transports.async_client import AsyncZMQClient
    from transports.base_server import BaseZMQServer
    from transports.client import BaseZMQClient, SyncZMQClient
    from transports.headers import ZMQ_TRANSPORTS
    from transports.messages import EventMessage, RequestMessage, ResponseMessage
    from transports.pool import MessageMappedZMQClientPool
    from transports.pubsub import AsyncEventConsumer, EventConsumer, EventPublisher
    from transports.serializers import PreserializedData, SerializableData
    from transports.server import AsyncZMQServer
    from transports.server_pool import ZMQServerPool
    from transports.sockets import BaseAsyncZMQ, BaseSyncZMQ, BaseZMQ

__all__ = [
    "ZMQ_TRANSPORTS",
    "AsyncEventConsumer",
    "AsyncZMQClient",
    "AsyncZMQServer",
    "BaseAsyncZMQ",
    "BaseSyncZMQ",
    "BaseZMQ",
    "BaseZMQClient",
    "BaseZMQServer",
    "EventConsumer",
    "EventMessage",
    "EventPublisher",
    "MessageMappedZMQClientPool",
    "PreserializedData",
    "RequestMessage",
    "ResponseMessage",
    "SerializableData",
    "SyncZMQClient",
    "ZMQServerPool",
]

_HOMES = {
    "async_client": ("AsyncZMQClient",),
    "base_server": ("BaseZMQServer",),
    "client": ("BaseZMQClient", "SyncZMQClient"),
    "headers": ("ZMQ_TRANSPORTS",),
    "messages": ("EventMessage", "RequestMessage", "ResponseMessage"),
    "pool": ("MessageMappedZMQClientPool",),
    "pubsub": ("AsyncEventConsumer", "EventConsumer", "EventPublisher"),
    "serializers": ("PreserializedData", "SerializableData"),
    "server": ("AsyncZMQServer",),
    "server_pool": ("ZMQServerPool",),
    "sockets": ("BaseAsyncZMQ", "BaseSyncZMQ", "BaseZMQ"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

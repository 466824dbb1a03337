"""ZeroMQ servers and clients of hololinked's wire format, and the building blocks of a broker.

Everything named here is loaded when it is first asked for: a worker that needs messages alone
doesn't pay for asyncio.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transports.headers import ZMQ_TRANSPORTS
    from transports.hololinked.async_client import AsyncZMQClient
    from transports.hololinked.base_server import BaseZMQServer
    from transports.hololinked.client import BaseZMQClient, SyncZMQClient
    from transports.hololinked.consumers import AsyncEventConsumer, EventConsumer
    from transports.hololinked.messages import EventMessage, RequestMessage, ResponseMessage
    from transports.hololinked.pool import MessageMappedZMQClientPool
    from transports.hololinked.publisher import EventPublisher
    from transports.hololinked.server import AsyncZMQServer
    from transports.hololinked.server_pool import ZMQServerPool
    from transports.hololinked.sockets import BaseAsyncZMQ, BaseSyncZMQ, BaseZMQ
    from transports.serializers import PreserializedData, SerializableData

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
    "hololinked.async_client": ("AsyncZMQClient",),
    "hololinked.base_server": ("BaseZMQServer",),
    "hololinked.client": ("BaseZMQClient", "SyncZMQClient"),
    "headers": ("ZMQ_TRANSPORTS",),
    "hololinked.messages": ("EventMessage", "RequestMessage", "ResponseMessage"),
    "hololinked.pool": ("MessageMappedZMQClientPool",),
    "hololinked.consumers": ("AsyncEventConsumer", "EventConsumer"),
    "hololinked.publisher": ("EventPublisher",),
    "serializers": ("PreserializedData", "SerializableData"),
    "hololinked.server": ("AsyncZMQServer",),
    "hololinked.server_pool": ("ZMQServerPool",),
    "hololinked.sockets": ("BaseAsyncZMQ", "BaseSyncZMQ", "BaseZMQ"),
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

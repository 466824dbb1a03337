"""What `connect()` and `aconnect()` return, and how it talks to a rig."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from orchestrator.client.cached import Cached
from orchestrator.client.connection import Connection
from orchestrator.client.events import Event, Subscription
from orchestrator.client.futures import RequestFuture
from orchestrator.client.latest import LatestSubscription
from orchestrator.client.rig import Rig, connect
from orchestrator.client.worker import Worker

if TYPE_CHECKING:
    from orchestrator.client.aio import AsyncRig, aconnect
    from orchestrator.client.aio_events import AsyncSubscription
    from orchestrator.client.aio_worker import AsyncWorker

__all__ = [
    "AsyncRig",
    "AsyncSubscription",
    "AsyncWorker",
    "Cached",
    "Connection",
    "Event",
    "LatestSubscription",
    "RequestFuture",
    "Rig",
    "Subscription",
    "Worker",
    "aconnect",
    "connect",
]

_ASYNC = {
    "AsyncRig": "orchestrator.client.aio",
    "AsyncSubscription": "orchestrator.client.aio_events",
    "AsyncWorker": "orchestrator.client.aio_worker",
    "aconnect": "orchestrator.client.aio",
}


def __getattr__(name: str) -> Any:
    """Import the asyncio face when it is asked for: asyncio takes longer than all the rest."""
    if name in _ASYNC:
        return getattr(importlib.import_module(_ASYNC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

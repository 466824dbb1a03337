"""Workers: each hosts one driver object and serves its members.

Driver authors may use the markers `action`, `prop` and `Event`; they work in any program and
import nothing beyond the standard library. The runtime is loaded when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.changes import members_changed
from workers.driver.markers import BoundEvent, Event, action, prop

if TYPE_CHECKING:
    from workers.process.thread import WorkerThread
    from workers.spec import WorkerSpec

__all__ = [
    "BoundEvent",
    "Event",
    "WorkerSpec",
    "WorkerThread",
    "action",
    "members_changed",
    "prop",
]

_LAZY = {"WorkerSpec": "spec", "WorkerThread": "process.thread"}


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'workers' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"workers.{module}"), name)

"""orch: supervise a rig of devices, and talk to it. All that users need is here.

::

    from orch import connect, errors

    with connect("bench") as rig:          # or "tcp://host:5570", or nothing
        rig.stage.move(x=1.0)              # an action
        rig.stage.position                 # a property; assigning writes it
        for event in rig.stage.subscribe("moved", timeout=5):
            print(event.value, event.time, event.sequence)

`orch.read(rig.stage, "position")` and its like do what the handle `rig["stage"]` does, also where
the driver has a `read` of its own. `aconnect` is the same for asyncio; what a call can raise is in
`orch.errors`. `Event`, `action` and `prop` are optional markers for authors of drivers, who tell by
`members_changed` that a driver has got other members. Nothing is loaded until it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orch import errors
    from orchestrator import aconnect, connect
    from orchestrator.client.functions import (
        cached,
        call,
        close,
        describe,
        logs,
        oneway,
        read,
        snapshot,
        status,
        submit,
        subscribe,
        write,
    )
    from workers import Event, action, members_changed, prop

    __version__: str

__all__ = [
    "Event",
    "__version__",
    "aconnect",
    "action",
    "cached",
    "call",
    "close",
    "connect",
    "describe",
    "errors",
    "logs",
    "members_changed",
    "oneway",
    "prop",
    "read",
    "snapshot",
    "status",
    "submit",
    "subscribe",
    "write",
]

_HOMES = {
    "Event": "workers",
    "__version__": "orchestrator",
    "aconnect": "orchestrator",
    "action": "workers",
    "connect": "orchestrator",
    "members_changed": "workers",
    "prop": "workers",
    **dict.fromkeys(
        (
            "cached",
            "call",
            "close",
            "describe",
            "logs",
            "oneway",
            "read",
            "snapshot",
            "status",
            "submit",
            "subscribe",
            "write",
        ),
        "orchestrator.client.functions",
    ),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for.

    Raises:
        ImportError: The interpreter is a worker's own, which is given the drivers' part alone.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        if name == "errors":
            return import_module("orch.errors")
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name != "orchestrator":
            raise
        import sys

        raise ImportError(
            f"orch.{name} can't be had in {sys.executable}: install orch into it, "
            "a worker's interpreter needs it for more than hosting a driver",
            name="orchestrator",
        ) from None


def __dir__() -> list[str]:
    return sorted(__all__)

"""orch: supervise a rig of devices, and talk to it.

::

    from orchestrator import connect

    with connect("bench") as rig:          # or "tcp://host:5570", or nothing
        rig.stage.move(x=1.0)              # an action
        rig.stage.position                 # a property; assigning writes it
        future = rig.stage.submit("move", x=2.0)
        for event in rig.stage.subscribe("moved", timeout=5):
            print(event.value, event.time, event.sequence)

What a call can raise is in `orchestrator.errors`.
"""

from __future__ import annotations

TYPE_CHECKING = False
# Commands start with this file: it imports nothing, and Ctrl-C finds them prepared the sooner.
if TYPE_CHECKING:
    from typing import Any

    from orchestrator import errors
    from orchestrator.client.aio import aconnect
    from orchestrator.client.rig import connect

    __version__: str

__all__ = ["__version__", "aconnect", "connect", "errors"]

_HOMES = {"connect": "orchestrator.client.rig", "aconnect": "orchestrator.client.aio"}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: the commands need little of it."""
    import importlib

    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name == "errors":
        return importlib.import_module("orchestrator.errors")
    if name == "__version__":
        from orchestrator.version import version

        return version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

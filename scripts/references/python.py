"""The Python surface, from signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import orch
from orch import testing
from orch.testing import plugin
from orchestrator import client
from orchestrator.client.snapshot import Snapshot
from orchestrator.client.streams import Stream
from orchestrator.client.told import told
from references.text import prose

HEAD = """# All of Python's surface
Written by `scripts/reference` from signatures and docstrings. [Calling a rig](../calling.md) and
[Python clients](../python.md) tell how it is used.
"""
FUNCTIONS = ("call", "read", "cached", "write", "submit", "oneway", "subscribe", "describe")
OF_RIGS = ("status", "logs", "snapshot", "close")
CLASSES: tuple[type, ...] = (
    *(client.Rig, client.Worker, client.Event, client.Subscription, client.LatestSubscription),
    *(client.RequestFuture, client.Cached, Stream, Snapshot),
)
OURS = ("end", "settle", "outcome", "complete", "claim", "tell_cancelled")
"""Methods without underscore that only our own code calls."""
ASYNC: tuple[type, ...] = (client.AsyncRig, client.AsyncWorker, client.AsyncSubscription)


def page() -> str:
    """The page."""
    parts = [HEAD.strip(), "## Connecting", _function(orch.connect), _function(orch.aconnect)]
    parts += [_class(each) for each in CLASSES]
    parts += [
        "## Functions for workers and rigs",
        "Each takes a worker, a component of one, or a rig, as its first argument.",
        *(_function(getattr(orch, name)) for name in (*FUNCTIONS, *OF_RIGS)),
        "## asyncio",
        *(_class(each, level="###", members=False) for each in ASYNC),
        "## For authors of drivers",
        _function(orch.action),
        _class(orch.prop, level="###", members=False),
        _class(orch.Event, level="###", members=False),
        _function(orch.members_changed),
        "## For tests",
        _fixture(plugin.rig),
        _fixture(plugin.faults),
        _function(testing.running),
        _class(testing.Faults, level="###"),
        _class(testing.RunningRig, level="###"),
    ]
    return "\n\n".join(parts) + "\n"


def _class(found: type, level: str = "##", *, members: bool = True) -> str:
    parts = [f"{level} {found.__name__}\n{prose(found.__doc__)}"]
    if members:
        for name, each in vars(found).items():
            if name.startswith("_") or name in OURS or not inspect.getdoc(each):
                continue
            if isinstance(each, property | told):
                parts.append(f"{level}# {name}\n{prose(each.__doc__)}")
            elif inspect.isfunction(each):  # class methods are how we make them
                parts.append(_function(each, f"{level}#"))
    return "\n\n".join(parts)


def _function(function: Callable[..., Any], level: str = "###") -> str:
    name = function.__name__
    signature = _signature(function)
    return f"{level} {name}\n```python\n{signature}\n```\n\n{prose(function.__doc__)}"


def _fixture(fixture: Any) -> str:
    function = getattr(fixture, "__wrapped__", fixture)
    return f"### {function.__name__}\nA fixture of pytest.\n\n{prose(function.__doc__)}"


def _signature(function: Callable[..., Any]) -> str:
    """As it is written, but for what isn't given by the caller."""
    found = inspect.signature(function)
    own = [each for name, each in found.parameters.items() if name != "self"]
    if inspect.isclass(function):
        found = found.replace(return_annotation=found.empty)
    text = str(found.replace(parameters=own)).replace("'", "").replace("Ellipsis", "...")
    text = re.sub(r"\b(?:\w+\.)+(?=[A-Z])", "", text)
    return f"{function.__name__}{text}"

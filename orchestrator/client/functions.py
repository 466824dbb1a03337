"""Functions for what a worker's or rig's proxy has no name of ours for: `orch.read(rig.port, "x")`.

Each takes a worker (`rig.port`, or its handle `rig["port"]`) or a component of one
(`rig.psu.ch1`), and does what the handle's method of the same name does. On a worker of
`aconnect`, what they return is awaited, as that method's result is.
"""

from __future__ import annotations

from typing import Any

from orchestrator.client.handle import Handle
from orchestrator.client.proxy import Part, handle_of, path_of
from orchestrator.client.surface import surface


def _method(worker: Any, name: str) -> Any:
    handle = handle_of(worker)
    if not isinstance(handle, Handle):
        raise TypeError(f"this takes a worker, such as rig.stage, not {worker!r:.80}")
    return getattr(handle, name)


def _path(worker: Any, member: str) -> str:
    within = path_of(worker)
    return f"{within}.{member}" if within else member


@surface
def call(worker: Any, action: str, /, *args: Any, **kwargs: Any) -> Any:
    """Invoke an action, as `rig["stage"].call` does."""
    return _method(worker, "call")(_path(worker, action), *args, **kwargs)


@surface
def read(worker: Any, name: str, /, **timeouts: Any) -> Any:
    """Read a property, as `rig["stage"].read` does."""
    return _method(worker, "read")(_path(worker, name), **timeouts)


@surface
def cached(worker: Any, name: str, /, **timeouts: Any) -> Any:
    """The last value of a polled property, as `rig["stage"].cached` gives it."""
    return _method(worker, "cached")(_path(worker, name), **timeouts)


@surface
def write(worker: Any, name: str, value: Any, /, **timeouts: Any) -> Any:
    """Write a property, as `rig["stage"].write` does."""
    return _method(worker, "write")(_path(worker, name), value, **timeouts)


@surface
def submit(worker: Any, action: str, /, *args: Any, **kwargs: Any) -> Any:
    """Invoke an action without waiting, as `rig["stage"].submit` does."""
    return _method(worker, "submit")(_path(worker, action), *args, **kwargs)


@surface
def oneway(worker: Any, action: str, /, *args: Any, **kwargs: Any) -> Any:
    """Invoke an action and never learn what came of it, as `rig["stage"].oneway` does."""
    return _method(worker, "oneway")(_path(worker, action), *args, **kwargs)


@surface
def subscribe(worker: Any, event: str | None = None, /, *args: Any, **options: Any) -> Any:
    """Subscribe to an event, as `rig["stage"].subscribe` does; of a rig too."""
    if not isinstance(worker, (Part, Handle)):
        return _of_rig(worker, "subscribe")(event, *args, **options)
    path = None if event is None else _path(worker, event)
    return _method(worker, "subscribe")(path, *args, **options)


@surface
def describe(worker: Any, /, **options: Any) -> Any:
    """A worker's Thing Description, as `rig["stage"].describe` gives it."""
    return _method(worker, "describe")(**options)


@surface
def status(rig: Any, /) -> Any:
    """A rig's state, as `rig.status` gives it."""
    return _of_rig(rig, "status")()


@surface
def snapshot(rig: Any, /, *workers: str, **options: Any) -> Any:
    """All properties of workers, as `rig.snapshot` reads them."""
    return _of_rig(rig, "snapshot")(*workers, **options)


@surface
def logs(rig: Any, /, **asked: Any) -> Any:
    """A rig's log, as `rig.logs` gives it."""
    return _of_rig(rig, "logs")(**asked)


@surface
def close(rig: Any, /) -> Any:
    """Disconnect from a rig, as `rig.close` does."""
    return _of_rig(rig, "close")()


def _of_rig(rig: Any, name: str) -> Any:
    """A method of a rig of either face, which a worker of the same name may hide."""
    method = None if isinstance(rig, (Part, Handle)) else getattr(type(rig), name, None)
    if method is None:
        raise TypeError(f"this takes a rig, as connect() returns it, not {rig!r:.80}")
    return method.__get__(rig)

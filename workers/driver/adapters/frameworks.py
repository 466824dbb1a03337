"""Which framework a driver is of, and that framework's adapter.

An adapter is asked only once the driver's module has imported its framework; nothing here imports
one by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from workers.driver.adapters.adapted import Adapted
from workers.spec import WorkerSpec


def adapt(driver: object, spec: WorkerSpec) -> Adapted | None:
    """Adapt a driver; None for a plain one.

    Raises:
        SpecError: A name in the spec's `concurrent` is none of its members.
    """
    if _is_thing(type(driver)):
        from workers.driver.adapters.hololinked import adapt_thing

        return adapt_thing(driver, spec)
    return None


def complete(target: Callable[..., Any], spec: WorkerSpec) -> dict[str, Any]:
    """The keyword arguments to build a driver with: the spec's, and what its framework demands."""
    if isinstance(target, type) and _is_thing(target):
        return {"id": spec.worker} | spec.kwargs
    return spec.kwargs


def _is_thing(kind: type) -> bool:
    thing = getattr(sys.modules.get("hololinked.core.thing"), "Thing", None)
    return isinstance(thing, type) and issubclass(kind, thing)

"""Drivers of other frameworks, hosted as they are.

A framework's adapter is asked only once the driver's module has imported that framework; nothing
here imports one by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workers.driver.describe import Description
from workers.spec import WorkerSpec

Publish = Callable[[str, Any], None]
"""Publishes a value as the event of that name."""


class Members:
    """Base of what has an adapted driver's members as its attributes.

    What is wrong with a use of them is found and told by the driver's framework, in errors of its
    own, as its clients know them.
    """


@dataclass(frozen=True)
class Adapted:
    """A driver of another framework in the terms of a plain one.

    Attributes:
        driver: Its members are the attributes of this object.
        description: Its members, as `workers.driver.describe.describe` would give them.
        attach: Connects its events, changes of its properties included, to a publisher, or takes
            that away.
        inert: Methods that the framework gave it, which close nothing.
    """

    driver: object
    description: Description
    attach: Callable[[Publish | None], None]
    inert: tuple[str, ...]


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

"""Which framework a driver is of, and that framework's adapter.

An adapter is asked only once the driver's module has imported its framework; nothing here imports
one by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from workers.driver.adapters.adapted import Adapted, Described
from workers.errors import SpecError
from workers.releases import other_release
from workers.spec import WorkerSpec


def adapt(driver: object, spec: WorkerSpec) -> Adapted | None:
    """Adapt a driver; None for a plain one.

    Raises:
        SpecError: A name in the spec's `concurrent` is none of its members; or it is of another
            release of its framework than is hosted.
    """
    if isinstance(driver, Described):
        return Adapted(driver, driver.description, driver.attach, ())
    if _is_thing(type(driver), spec):
        from workers.driver.adapters.hololinked import adapt_thing

        return adapt_thing(driver, spec)
    return None


def complete(target: Callable[..., Any], spec: WorkerSpec) -> dict[str, Any]:
    """The keyword arguments to build a driver with: the spec's, and what its framework demands.

    Raises:
        SpecError: It is of another release of its framework than is hosted.
    """
    if isinstance(target, type) and _is_thing(target, spec):
        return {"id": spec.worker} | spec.kwargs
    if isinstance(target, type) and issubclass(target, Described):
        return {"life": spec.incarnation} | spec.kwargs
    return spec.kwargs


def _is_thing(kind: type, spec: WorkerSpec) -> bool:
    """Whether a class is a Thing's. Raises SpecError if it is of another release."""
    if not any(
        base.__name__ == "Thing" and base.__module__.partition(".")[0] == "hololinked"
        for base in kind.__mro__
    ):
        return False
    found = getattr(sys.modules.get("hololinked"), "__version__", "")
    wrong = other_release(found if isinstance(found, str) else "")
    if wrong:
        at = f"{spec.place}: " if spec.place else ""
        raise SpecError(f"{at}driver: {kind.__name__} {wrong}")
    return True

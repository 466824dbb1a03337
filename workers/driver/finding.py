"""Members that show at their use: of a part that only a property gives, or made by `__getattr__`.

Describing evaluates neither. Who asks for a path that isn't described has them evaluated: just
those that lie on this path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transports import paths, terms
from workers.driver.describe import ACTION, EVENT, PROPERTY
from workers.driver.kinds import is_made_in, makes_members, static
from workers.driver.offer import Offer
from workers.driver.shapes import NOTHING

MOST_FOUND = 1000
"""Members that are kept of what was found so."""


def look_along(
    path: str,
    found: dict[str, Any],
    offer: Callable[[], Offer | None],
    get: Callable[[Callable[[], Any]], Any],
    describe: Callable[[], None],
) -> None:
    """Look for what isn't described along a path.

    Args:
        path: A path.
        found: What was found before, by path; what is found now is added.
        offer: Gives what is described by now.
        get: Calls a function where the driver's code is to run, and waits for its outcome.
        describe: Describes the driver with what was found.

    Raises:
        Exception: Whatever the driver raises.
    """
    for step in paths.prefixes(path):
        described = offer()
        if step in found or described is None or len(found) >= MOST_FOUND:
            continue
        value = look_at(described, step, get)
        if value is not NOTHING:
            found[step] = value
            describe()


def look_at(offer: Offer, path: str, get: Callable[[Callable[[], Any]], Any]) -> Any:
    """What stands at a path, if that can't be known without evaluating it; else `NOTHING`.

    Args:
        offer: What is described so far.
        path: A path. What is before its last step was looked at before.
        get: Calls a function where the driver's code is to run, and waits for its outcome.

    Raises:
        Exception: Whatever the driver raises, but the AttributeError of `__getattr__`.
    """
    schema = offer.description[PROPERTY].get(path)
    if schema is not None:
        if is_telling(schema):
            return NOTHING
        value = get(offer.targets[path].get)
        return value if offer.holds_parts(value) else NOTHING
    if path in offer.description[ACTION] or path in offer.description[EVENT]:
        return NOTHING
    owner_path, name = paths.split(path)
    place = offer.places.get(owner_path)
    if place is None or paths.is_private(path) or not name.isidentifier():
        return NOTHING
    owner = place.resolve()
    there = static(owner, name)
    is_lazy = is_made_in(type(there), "ophyd", "Component")
    if not makes_members(type(owner)) or not (there is None or is_lazy):
        return NOTHING  # what is there all the same isn't described for a reason
    try:
        return get(lambda: getattr(owner, name))
    except AttributeError:
        return NOTHING


def is_telling(schema: dict[str, Any]) -> bool:
    """Whether what is said of a property excludes that its value is a part."""
    return "type" in schema or bool(schema.get(terms.CALLABLE) or schema.get("writeOnly"))

"""Which properties the configuration has read at a pace."""

from __future__ import annotations

from collections.abc import Mapping

from transports import terms
from workers.driver.describe import PROPERTY, Description, nearest
from workers.errors import SpecError


def mark_polled(description: Description, poll: Mapping[str, float], place: str) -> None:
    """Have properties polled: their changes can be observed then.

    Args:
        description: What they are members of; it is changed.
        poll: Seconds between two reads, by name.
        place: Where they stand in the configuration, for the error.

    Raises:
        SpecError: One is no property that can be read.
    """
    properties = description[PROPERTY]
    for name, seconds in poll.items():
        at = f"{place}: " if place else ""
        if name not in properties:
            raise SpecError(
                f"{at}poll: {name!r} is no property of "
                f"{description['title']}{nearest(name, properties)}"
            )
        if properties[name].get("writeOnly"):
            raise SpecError(f"{at}poll: {name!r} can only be written")
        properties[name] |= {terms.POLL: seconds, "observable": True}

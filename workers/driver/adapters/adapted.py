"""A driver of another framework in the terms of a plain one: what every adapter gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workers.driver.describe import Description

Publish = Callable[[str, Any], None]
"""Publishes a value as the event of that name."""


class Members:
    """Base of what has an adapted driver's members as its attributes.

    What is wrong with a use of them is found and told by the driver's framework, in errors of its
    own, as its clients know them.
    """


class Described(Members):
    """Base of what stands in for a driver and says itself what it has.

    It is built with the number of its worker's life, `life`, beside its arguments.

    Attributes:
        description: Its members, as `workers.driver.describe.describe` would give them.
    """

    description: Description

    def attach(self, publish: Publish | None) -> None:
        """As `Adapted.attach`; here for what has no events."""


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

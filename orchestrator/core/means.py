"""How operations of a worker can be ended once they have started, as its config says."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from transports.exceptions import INTERRUPT


class Means(msgspec.Struct, frozen=True):
    """How a worker's operations can be ended.

    Attributes:
        usual: For its members: the actions that stop them, and `INTERRUPT`, in order.
        by_member: For members that have their own.
        grace: Seconds that each of these may take.
        on_timeout: Whether an operation is ended so when its execution times out.
    """

    usual: tuple[str, ...] = ()
    by_member: Mapping[str, tuple[str, ...]] = {}
    grace: float = 2.0
    on_timeout: bool = False

    def of(self, member: str) -> tuple[str, ...]:
        """What ends a member; never itself."""
        found = self.by_member.get(member, self.usual)
        return tuple(name for name in found if name != member or name == INTERRUPT)


NO_MEANS = Means()

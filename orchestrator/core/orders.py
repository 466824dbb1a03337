"""Orders: workers that somebody wants started, stopped or restarted, and waits for.

Pure: that an order is done is left as an effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Literal

import msgspec

from orchestrator.core.children import Child
from orchestrator.core.effects import Effects, OrderDone
from orchestrator.core.states import SERVING, UP

Verb = Literal["start", "stop", "restart"]


class Order(msgspec.Struct, frozen=True):
    """An order that isn't done.

    Attributes:
        number: By which it is known.
        names: The workers.
        replaced: Those of them that are to have another life, with the one that they had.
    """

    number: int
    names: tuple[str, ...]
    replaced: dict[str, int]


class Orders:
    """The orders that aren't done.

    Args:
        children: The workers, by name.
        effects: Where it is left that one is done.
    """

    def __init__(self, children: Mapping[str, Child], effects: Effects) -> None:
        self._children = children
        self._effects = effects
        self._orders: list[Order] = []
        self._number = 0

    def place(self, verb: Verb, names: Sequence[str], others: Sequence[str] = ()) -> int:
        """Note an order, before it is carried out; `others` only have to settle too.

        Returns:
            Its number.
        """
        lives = {name: self._children[name] for name in names}
        replaced = {
            name: child.incarnation
            for name, child in lives.items()
            if verb == "restart" and child.status in UP
        }
        self._number += 1
        self._orders.append(Order(self._number, (*names, *others), replaced))
        return self._number

    def are_about(self, names: Set[str]) -> bool:
        """Whether somebody waits for one of these workers."""
        return any(not names.isdisjoint(each.names) for each in self._orders)

    def settle(self) -> None:
        """Tell of the orders that are done by now."""
        for order in [each for each in self._orders if self._is_done(each)]:
            self._orders.remove(order)
            states = {name: str(self._children[name].status) for name in order.names}
            self._effects.append(OrderDone(order.number, states))

    def _is_done(self, order: Order) -> bool:
        return all(
            child.has_outcome
            and (
                name not in order.replaced
                or child.incarnation > order.replaced[name]
                or child.status not in SERVING
            )
            for name in order.names
            for child in (self._children[name],)
        )

"""The order in which workers start, from what each is to start after."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

__all__ = ["find_cycles", "sort_after"]

Graph = Mapping[str, Sequence[str]]
"""For each name the names that come before it; each of them is a key too."""


def sort_after(after: Graph) -> tuple[str, ...]:
    """All names, each after those it needs; where that leaves a choice, in the given order.

    Names that wait for each other in a circle, and those after them, are left out.
    """
    position = {name: index for index, name in enumerate(after)}
    waiting = {name: len(set(needs)) for name, needs in after.items()}
    followers: dict[str, list[str]] = {name: [] for name in after}
    for name, needs in after.items():
        for need in set(needs):
            followers[need].append(name)
    names = list(after)
    ready = [position[name] for name in names if not waiting[name]]  # in order, so a heap
    order: list[str] = []
    while ready:
        name = names[heapq.heappop(ready)]
        order.append(name)
        for follower in followers[name]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(ready, position[follower])
    return tuple(order)


def find_cycles(after: Graph) -> list[tuple[str, ...]]:
    """Circles of names that wait for each other: one for each knot of names, not every one.

    Returns:
        Circles such as ``("a", "b", "a")``: a is after b, b is after a. Each begins with the
        name that comes first in the given order. No name is in two of them.
    """
    position = {name: index for index, name in enumerate(after)}
    left: dict[str, list[str]] = {name: list(needs) for name, needs in after.items()}
    cycles: list[tuple[str, ...]] = []
    while True:
        # Those that can be sorted are in no circle; of the others, each needs one of the others.
        for name in sort_after(left):
            del left[name]
        left = {name: [need for need in needs if need in left] for name, needs in left.items()}
        if not left:
            return cycles
        trail: dict[str, int] = {}
        name = next(iter(left))
        while name not in trail:
            trail[name] = len(trail)
            name = left[name][0]
        circle = list(trail)[trail[name] :]
        start = min(range(len(circle)), key=lambda index: position[circle[index]])
        circle = circle[start:] + circle[:start]
        cycles.append((*circle, circle[0]))
        # What only waited for this circle is not in one.
        left = {
            name: [need for need in needs if need not in circle]
            for name, needs in left.items()
            if name not in circle
        }

"""Bytes of requests: what is summed up, and that nothing of it stays."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from orchestrator.core.held import SMALL, HeldBytes


@dataclass(eq=False)
class Large:
    """A request of some size."""

    client: bytes
    size: int


def test_each_client_has_its_share_of_the_sum() -> None:
    """Of what is in the table just now."""
    held = HeldBytes()
    one, two, other = Large(b"a", 5000), Large(b"a", 7000), Large(b"b", 9000)
    for request in (one, two, other):
        held.add(request)
    assert (held.total, held.of(b"a"), held.of(b"b"), held.of(b"c")) == (21_000, 12_000, 9000, 0)
    held.remove(one)
    assert (held.total, held.of(b"a")) == (16_000, 7000)


@pytest.mark.parametrize("size", [0, SMALL])
def test_small_ones_are_bounded_by_their_number(size: int) -> None:
    """To sum them up would cost more than it bounds."""
    held = HeldBytes()
    held.add(Large(b"a", size))
    assert (held.total, held.by_client) == (0, {})
    held.remove(Large(b"a", size))
    assert (held.total, held.by_client) == (0, {})


def test_who_has_none_left_is_forgotten() -> None:
    """Clients' names are theirs to choose, and so is how many."""
    held = HeldBytes()
    request = Large(b"a", SMALL + 1)
    held.add(request)
    assert held.by_client == {b"a": SMALL + 1}
    held.remove(request)
    assert (held.total, held.by_client) == (0, {})

"""The poller on sockets: nothing of those that stand behind one descriptor is missed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from orchestrator.rig.poller import Poller

PATIENCE = 10_000
"""Milliseconds."""


class Pair:
    """Two sockets that are connected: ours is polled."""

    def __init__(self, context: zmq.Context[Any], name: str) -> None:
        self.ours, self.theirs = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        self.ours.bind(f"inproc://{name}")
        self.theirs.connect(f"inproc://{name}")

    def close(self) -> None:
        self.ours.close(0)
        self.theirs.close(0)


@pytest.fixture
def pairs() -> Iterator[tuple[Pair, Pair]]:
    """One that is polled each time, and one behind the descriptor."""
    with zmq.Context() as context:
        made = Pair(context, "first"), Pair(context, "other")
        yield made
        for each in made:
            each.close()


def test_each_source_is_found(pairs: tuple[Pair, Pair]) -> None:
    first, other = pairs
    poller = Poller()
    poller.watch([first.ours], [other.ours])
    assert poller.wait(0) == []
    for pair in (other, first, other):
        pair.theirs.send(b"x")
        assert poller.wait(PATIENCE) == [pair.ours]
        pair.ours.recv()
        poller.look()
        assert poller.wait(0) == []


def test_what_is_left_is_found_after_a_look(pairs: tuple[Pair, Pair]) -> None:
    """A descriptor of ZeroMQ's says once that there is something, however much is read of it."""
    first, other = pairs
    poller = Poller()
    poller.watch([first.ours], [other.ours])
    assert poller.wait(0) == []
    other.theirs.send(b"1")
    other.theirs.send(b"2")
    assert poller.wait(PATIENCE) == [other.ours]
    assert other.ours.recv() == b"1"
    poller.look()
    assert poller.wait(PATIENCE) == [other.ours]


def test_both_kinds_at_once(pairs: tuple[Pair, Pair]) -> None:
    first, other = pairs
    poller = Poller()
    poller.watch([first.ours], [other.ours])
    assert poller.wait(0) == []
    other.theirs.send(b"x")
    first.theirs.send(b"x")
    while len(found := poller.wait(PATIENCE)) < 2:
        pass  # each is told until it is read
    assert found == [first.ours, other.ours]

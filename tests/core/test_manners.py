"""Who sends nothing but rubbish is cut off; who makes a mistake isn't."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from orchestrator.core.effects import Cut, Fact
from orchestrator.core.manners import MOST_CLIENTS, MOST_FRAMES, MOST_MALFORMED, SECONDS, Manners
from orchestrator.core.requests import Ledger


class Scene:
    def __init__(self) -> None:
        self.effects: deque[Any] = deque()
        self.ledger = Ledger("rig", self.effects)
        self.manners = Manners(self.ledger)

    def rubbish(self, times: int, now: float = 10.0, client: bytes = b"eve") -> list[Cut]:
        """A client sends rubbish; who is cut off for it."""
        for _ in range(times):
            self.manners.malformed(client, b"frame", now)
        return [each for each in self.effects if isinstance(each, Cut)]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_message_of_very_many_frames_is_enough(scene: Scene) -> None:
    """The others' messages wait for its end."""
    scene.manners.malformed(b"eve", b"frame", 10.0, MOST_FRAMES - 1)
    assert not scene.effects
    scene.manners.malformed(b"eve", b"frame", 10.0, MOST_FRAMES)
    assert [type(each) for each in scene.effects if not isinstance(each, Fact)] == [Cut]
    assert scene.manners.is_muted(b"eve", 10.0)


def test_one_more_is_one_too_many(scene: Scene) -> None:
    """It is cut off, told, counted, and not heard for a while."""
    assert scene.rubbish(MOST_MALFORMED - 1) == []
    assert not scene.manners.is_muted(b"eve", 10.0)
    assert len(scene.rubbish(1)) == 1
    assert scene.ledger.counts["cut off"] == 1
    assert scene.manners.is_muted(b"eve", 10.0)
    assert scene.ledger.counts["dropped unread"] == 1
    assert not scene.manners.is_muted(b"eve", 10.0 + SECONDS)


def test_others_are_heard(scene: Scene) -> None:
    """Each client has a count of its own."""
    scene.rubbish(MOST_MALFORMED)
    assert not scene.manners.is_muted(b"alice", 10.0)
    assert len(scene.rubbish(MOST_MALFORMED - 1, client=b"alice")) == 1  # eve alone


def test_a_good_message_forgives(scene: Scene) -> None:
    """A program with a fault isn't an attack."""
    for _ in range(5):
        assert scene.rubbish(MOST_MALFORMED - 1) == []
        scene.manners.good(b"eve")


def test_mistakes_now_and_then_are_none(scene: Scene) -> None:
    """Only those of one second count."""
    for second in range(5):
        assert scene.rubbish(MOST_MALFORMED - 1, 10.0 + second * (SECONDS + 0.1)) == []


def test_names_without_end_are_forgotten(scene: Scene) -> None:
    """What is kept is bounded, whatever names clients choose."""
    for number in range(MOST_CLIENTS + 10):
        scene.rubbish(1, client=str(number).encode())
    assert len(scene.manners._counts) <= MOST_CLIENTS

"""What strangers cause is told as a sum: the first at once, the rest once a second."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from orchestrator.core.effects import Fact
from orchestrator.core.tally import LONGEST_TEXT, WINDOW, Tally
from tests.core.told import taken

Facts = deque[Any]


@pytest.fixture
def facts() -> Facts:
    return deque()


def test_the_first_is_told_at_once(facts: Facts) -> None:
    """With what it says; nothing is due then."""
    tally = Tally(facts)
    tally.tell("warning", "refused", 10.0, reason="why")
    assert taken(facts) == [Fact("warning", "refused", {"reason": "why"})]
    assert tally.next_deadline is None


def test_the_rest_of_a_second_is_one_record(facts: Facts) -> None:
    """With the first of them as a sample, and how many there were."""
    tally = Tally(facts)
    for number in range(1000):
        tally.tell("warning", "refused", 10.0 + number / 2000, number=number)
    taken(facts)
    assert tally.next_deadline == 10.0 + WINDOW
    tally.tick(10.0 + WINDOW - 0.001)
    assert taken(facts) == []
    tally.tick(10.0 + WINDOW)
    assert taken(facts) == [Fact("warning", "refused", {"number": 1, "times": 999})]
    assert tally.next_deadline is None


def test_kinds_are_summed_apart(facts: Facts) -> None:
    """A flood of one kind hides no other."""
    tally = Tally(facts)
    for text in ("refused", "dropped", "refused", "refused", "dropped"):
        tally.tell("warning", text, 10.0)
    taken(facts)
    tally.tick(20.0)
    assert {(fact.text, fact.fields["times"]) for fact in taken(facts)} == {
        ("refused", 2),
        ("dropped", 1),
    }


def test_a_flood_goes_on_as_one_record_a_second(facts: Facts) -> None:
    """After a sum the next second is summed as well; after a quiet one the first is told anew."""
    tally = Tally(facts)
    for tenth in range(50):
        now = 10.0 + tenth / 10
        tally.tick(now)
        tally.tell("warning", "refused", now)
    assert 5 <= len(taken(facts)) <= 6
    tally.tick(100.0)
    taken(facts)
    tally.tick(200.0)
    tally.tell("warning", "refused", 200.0)
    assert taken(facts) == [Fact("warning", "refused", {})]


def test_texts_are_cut(facts: Facts) -> None:
    """What a stranger says isn't stored at any length."""
    tally = Tally(facts)
    tally.tell("warning", "refused", 10.0, reason="x" * 10_000)
    (fact,) = taken(facts)
    assert len(fact.fields["reason"]) < LONGEST_TEXT + 30
    assert "10000" in fact.fields["reason"]

"""Evidence of workers whose operation overran: what is asked for, when, and until when."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from orchestrator.core.effects import Signal, Unblock
from orchestrator.core.hang import INSIST_AFTER, Hang
from tests.core.told import taken

ASKED, INSISTED = Signal("a", "stacks"), Signal("a", "forced stacks")


class Evidence:
    """What is gathered, with a clock of its own."""

    def __init__(self, unblock_again: float = 1.0) -> None:
        self._effects: deque[Any] = deque()
        self.hang = Hang(self._effects, unblock_again)

    def take(self) -> list[Any]:
        return taken(self._effects)

    def at(self, now: float) -> list[Any]:
        """What is left at a moment."""
        self.hang.tick(now)
        return self.take()


@pytest.fixture
def evidence() -> Evidence:
    return Evidence()


def test_its_output_is_unblocked_before_it_is_asked(evidence: Evidence) -> None:
    """One that waits for a reader of its output can't write its stacks."""
    evidence.hang.overran("a", 10.0)
    assert evidence.take() == [Unblock("a"), ASKED]


def test_who_does_not_answer_is_insisted_on_once(evidence: Evidence) -> None:
    """After the time in which Python code would have answered; not a moment before."""
    evidence.hang.overran("a", 10.0)
    evidence.take()
    assert evidence.hang.next_deadline == 10.0 + INSIST_AFTER
    assert evidence.at(10.0 + INSIST_AFTER - 0.001) == []
    assert evidence.at(10.0 + INSIST_AFTER) == [INSISTED]
    assert INSISTED not in evidence.at(1000.0)


@pytest.mark.parametrize("unblock_again", [1.0, 5.0])
def test_its_output_is_looked_at_twice(unblock_again: float) -> None:
    """At once it may be too early to tell that nobody reads it."""
    evidence = Evidence(unblock_again)
    evidence.hang.overran("a", 10.0)
    evidence.at(10.0 + INSIST_AFTER)
    assert evidence.hang.next_deadline == 10.0 + unblock_again
    assert evidence.at(10.0 + unblock_again) == [Unblock("a")]
    assert evidence.hang.next_deadline is None
    assert evidence.at(1000.0) == []


def test_it_is_not_asked_again_while_it_may_still_answer(evidence: Evidence) -> None:
    """Stacks show all that runs: another overrun meanwhile needs no others."""
    evidence.hang.overran("a", 10.0)
    evidence.take()
    evidence.hang.overran("a", 10.0 + INSIST_AFTER / 2)
    assert evidence.take() == [Unblock("a")]
    assert evidence.at(11.0).count(INSISTED) == 1


def test_who_wants_to_know_now_is_not_served_by_what_was(evidence: Evidence) -> None:
    """A look soon after another one is had when that one's time is over, once for all who ask."""
    evidence.hang.look("a", 10.0)
    assert evidence.take() == [ASKED]
    evidence.hang.look("a", 10.1)
    evidence.hang.look("a", 10.2)
    assert evidence.take() == []
    assert evidence.at(10.0 + INSIST_AFTER) == [INSISTED, ASKED]
    assert evidence.at(11.0) == [INSISTED]


def test_a_later_overrun_is_another_matter(evidence: Evidence) -> None:
    """Once the time to answer is over, it is asked again, and insisted on again."""
    evidence.hang.overran("a", 10.0)
    evidence.at(11.0)
    later = 10.0 + INSIST_AFTER
    evidence.hang.overran("a", later)
    assert ASKED in evidence.take()
    assert INSISTED in evidence.at(later + INSIST_AFTER)


def test_nothing_concerns_its_next_life(evidence: Evidence) -> None:
    """What was to follow is forgotten, and the next life may be asked at once."""
    evidence.hang.overran("a", 10.0)
    evidence.take()
    evidence.hang.ended("a")
    assert evidence.hang.next_deadline is None
    assert evidence.at(1000.0) == []
    evidence.hang.overran("a", 10.0)
    assert evidence.take() == [Unblock("a"), ASKED]


def test_workers_are_asked_by_themselves(evidence: Evidence) -> None:
    """Neither the overrun nor the end of another one changes what is asked of a worker."""
    evidence.hang.overran("a", 10.0)
    evidence.hang.overran("b", 10.1)
    assert Signal("b", "stacks") in evidence.take()
    evidence.hang.ended("b")
    assert evidence.at(1000.0) == [Unblock("a"), INSISTED]


def test_the_end_of_one_that_never_overran(evidence: Evidence) -> None:
    """It is no news."""
    evidence.hang.ended("a")
    assert evidence.hang.next_deadline is None
    assert evidence.at(1000.0) == []

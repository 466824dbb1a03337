"""The table of a worker's states: what it allows, that the core keeps to it, how it is drawn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.core.states import (
    NEXT,
    RUNNING,
    SERVING,
    SETTLED,
    UP,
    Happening,
    Status,
    diagram,
)
from tests.core.supervision_kit import Rig, in_state

ROOT = Path(__file__).resolve().parents[2]
ARROWS = """
BACKOFF --> STOPPED: stop is asked for
BACKOFF --> WAITING: its delay is over / start is asked for
FAILED --> WAITING: its delay is over / start is asked for
READY --> BACKOFF: dies; it is to be tried again
READY --> FAILED: can't run, or died too often
READY --> STALLED: an overdue operation keeps others waiting
READY --> STOPPED: ends as asked / ends by itself, and isn't to run again
READY --> STOPPING: its turn to stop: it is told
READY --> WAITING: ends as asked, to run again
STALLED --> BACKOFF: dies; it is to be tried again
STALLED --> FAILED: can't run, or died too often
STALLED --> READY: that operation ends
STALLED --> STOPPED: ends as asked / ends by itself, and isn't to run again
STALLED --> STOPPING: its turn to stop: it is told
STALLED --> WAITING: ends as asked, to run again
STARTING --> BACKOFF: dies; it is to be tried again / can't start now; it is tried again later
STARTING --> FAILED: can't run, or died too often
STARTING --> READY: says that it is ready
STARTING --> STOPPED: ends as asked / ends by itself, and isn't to run again
STARTING --> STOPPING: its turn to stop: it is told
STARTING --> WAITING: ends as asked, to run again
STOPPED --> WAITING: start is asked for
STOPPING --> FAILED: can't run, or died too often
STOPPING --> STOPPED: ends as asked
STOPPING --> WAITING: ends as asked, to run again
WAITING --> STARTING: those before it have settled
WAITING --> STOPPED: stop is asked for
"""
"""All that may happen, once more: who changes the table changes what users see."""


def reached(first: Status) -> set[Status]:
    """The states that the table leads to from one, itself included."""
    found: set[Status] = set()
    new = [first]
    while new:
        status = new.pop()
        if status not in found:
            found.add(status)
            new += NEXT[status].values()
    return found


@pytest.mark.parametrize("status", list(Status))
def test_no_state_is_a_trap(status: Status) -> None:
    """Each is reached from the first, and from each all others can be reached again."""
    assert reached(Status.STOPPED) == set(Status)
    assert reached(status) == set(Status)


@pytest.mark.parametrize("status", list(Status))
def test_the_core_comes_into_each_state(status: Status) -> None:
    """By wishes and happenings, not by the table alone."""
    assert in_state(status).status() is status


def test_every_happening_may_happen() -> None:
    """None is listed in vain, and no state is left out."""
    assert set(NEXT) == set(Status)
    assert {each for moves in NEXT.values() for each in moves} == set(Happening)


def test_no_way_leads_out_of_the_table() -> None:
    """What is in no row is an error of the core, told at once; nothing changes."""
    for status in Status:
        for happening in set(Happening) - set(NEXT[status]):
            rig: Rig = in_state(status)
            child, changes = rig.core.children["a"], rig.core.changes
            with pytest.raises(KeyError):
                rig.core._roster.move(child, happening, 0.0)
            assert child.status is status
            assert rig.core.changes == changes


def test_which_states_have_what() -> None:
    """A life is one that is told to stop or one that isn't; what serves is among these."""
    assert {Status.READY, Status.STALLED} == SERVING
    assert {Status.STOPPING} == UP - RUNNING
    assert {Status.STARTING} == RUNNING - SERVING
    assert {Status.FAILED, Status.STOPPED} == SETTLED - SERVING


def test_only_a_life_begins_and_ends() -> None:
    """A state with a life is come to from another such by READY and the like, or by a launch."""
    for status, moves in NEXT.items():
        for happening, follower in moves.items():
            if status not in UP and follower in UP:
                assert (happening, follower) == (Happening.TURN, Status.STARTING)
    for status in UP:
        assert set(NEXT[status].values()) & {Status.STOPPED, Status.WAITING, Status.FAILED}


def test_the_diagram_has_every_row() -> None:
    """Each way by its causes; those that lead to the same state on one line."""
    head, first, *rows = diagram().splitlines()
    assert (head, first.strip()) == ("stateDiagram-v2", "[*] --> STOPPED")
    assert sorted(row.strip() for row in rows) == ARROWS.strip().splitlines()
    assert len(rows) == sum(len(set(moves.values())) for moves in NEXT.values())


def test_the_documentation_shows_the_table() -> None:
    """Else: scripts/diagram."""
    command = [sys.executable, str(ROOT / "scripts" / "diagram"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0

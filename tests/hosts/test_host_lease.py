"""An agent's lease is over when the rig gives it up, however messages are delayed or lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.hosts.lease import MARGIN, AgentLease, HostLease

LOST_AFTER = 5.0
DELAYS = st.one_of(st.none(), st.floats(0, 20))
"""Seconds on the way; None for a message that is lost."""


@given(st.lists(st.tuples(DELAYS, DELAYS), max_size=40), st.floats(0, 4))
def test_the_agents_lease_never_outlasts_the_rigs_trust(
    ways: list[tuple[float | None, float | None]], late: float
) -> None:
    agent = AgentLease(LOST_AFTER, 0.0)
    host = HostLease(LOST_AFTER, late)  # the first question comes later than the agent's start
    happenings: list[tuple[float, int, str, int]] = []
    asked = 0.0
    for number, (there, back) in enumerate(ways, start=1):
        assert agent.ask(asked) == number
        if there is not None:
            happenings.append((asked + there, number, "question", number))
            if back is not None:
                happenings.append((asked + there + back, number, "answer", number))
        asked = agent.asks_at
    granted = set()
    for at, _, kind, number in sorted(happenings):
        if kind == "question" and host.heard(at):
            granted.add(number)
        elif kind == "answer" and number in granted:
            agent.granted(number, at)
        assert agent.until <= host.until
    assert agent.until <= host.until < host.fenced_at(0.0)
    assert host.fenced_at(0.0) >= agent.until + MARGIN


def test_a_lease_that_is_over_stays_so() -> None:
    agent, host = AgentLease(LOST_AFTER, 0.0), HostLease(LOST_AFTER, 0.0)
    first = agent.ask(0.0)
    assert agent.asks_at == 0.5
    assert agent.granted(first, 3.0)
    assert agent.until == 5.0  # from when it asked
    assert not agent.granted(first, 3.0)
    second = agent.ask(4.0)
    assert not agent.granted(second, 5.0)
    assert host.heard(4.9)
    assert not host.heard(9.9)
    assert not host.heard(8.0) or host.until == 13.0


def test_answers_to_older_questions_shorten_nothing() -> None:
    agent = AgentLease(LOST_AFTER, 0.0)
    first, second = agent.ask(1.0), agent.ask(2.0)
    assert agent.granted(second, 2.5)
    assert not agent.granted(first, 2.6)
    assert agent.until == 7.0

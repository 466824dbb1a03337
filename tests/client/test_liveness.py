"""When a client asks whether its rig is there, and what it makes of the answers."""

from __future__ import annotations

from orchestrator.client.liveness import INTERVAL, REMEMBERED, SLOWEST, UNANSWERED, Liveness


def test_questions_come_after_a_silent_interval_and_then_one_each() -> None:
    """Times are given by the caller."""
    liveness = Liveness()
    liveness.begin(10.0)
    assert liveness.due == 10.0 + INTERVAL
    assert liveness.ask(11.5)
    assert liveness.due == 11.5 + INTERVAL


def test_a_rig_is_gone_after_unanswered_questions() -> None:
    """However long each took: a process that slept has counted one of them."""
    liveness = Liveness()
    liveness.begin(0.0)
    assert all(liveness.ask(1000.0 * turn) for turn in range(UNANSWERED))
    assert not liveness.ask(5000.0)


def test_any_sign_of_life_counts() -> None:
    """Not only answers to questions."""
    liveness = Liveness()
    liveness.begin(0.0)
    for turn in range(UNANSWERED * 3):
        assert liveness.ask(float(turn))
        liveness.heard()


def test_large_requests_get_time_to_travel() -> None:
    """A question waits behind them; once it is answered they have arrived."""
    liveness = Liveness()
    liveness.begin(0.0)
    liveness.sent(int(4 * SLOWEST))
    assert all(liveness.ask(0.0) for _ in range(UNANSWERED + 4))
    assert not liveness.ask(0.0)
    liveness.asked("q", ["a"])
    liveness.answered("q", ["a"])
    liveness.heard()
    assert all(liveness.ask(0.0) for _ in range(UNANSWERED))
    assert not liveness.ask(0.0)


def test_what_the_rig_does_not_hold_is_lost() -> None:
    """Of the ids that were asked for, and only by that question's answer."""
    liveness = Liveness()
    liveness.begin(0.0)
    liveness.asked("q1", ["a", "b"])
    liveness.asked("q2", ["a", "b", "c"])
    assert liveness.is_question("q1")
    assert liveness.answered("q1", ["b"]) == ["a"]
    assert not liveness.is_question("q1")
    assert liveness.answered("q1", []) == []
    assert liveness.answered("q2", None) == []  # an answer that doesn't say
    assert liveness.answered("unknown", []) == []


def test_unanswered_questions_are_not_kept_for_ever() -> None:
    """A rig that never answers them costs no memory."""
    liveness = Liveness()
    liveness.begin(0.0)
    for number in range(REMEMBERED * 2):
        liveness.asked(str(number), ["a"])
    assert not liveness.is_question("0")
    assert liveness.is_question(str(REMEMBERED * 2 - 1))

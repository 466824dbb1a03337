"""When a client asks whether its rig is there, and what it makes of the answers."""

from __future__ import annotations

from orchestrator.client.liveness import INTERVAL, REMEMBERED, SLOWEST, UNANSWERED, Presence


def test_questions_come_after_a_silent_interval_and_then_one_each() -> None:
    """Times are given by the caller."""
    presence = Presence()
    presence.begin(10.0)
    assert presence.due == 10.0 + INTERVAL
    assert presence.ask(11.5)
    assert presence.due == 11.5 + INTERVAL


def test_a_rig_is_gone_after_unanswered_questions() -> None:
    """However long each took: a process that slept has counted one of them."""
    presence = Presence()
    presence.begin(0.0)
    assert all(presence.ask(1000.0 * turn) for turn in range(UNANSWERED))
    assert not presence.ask(5000.0)


def test_any_sign_of_life_counts() -> None:
    """Not only answers to questions."""
    presence = Presence()
    presence.begin(0.0)
    for turn in range(UNANSWERED * 3):
        assert presence.ask(float(turn))
        presence.heard()


def test_large_requests_get_time_to_travel() -> None:
    """A question waits behind them; once it is answered they have arrived."""
    presence = Presence()
    presence.begin(0.0)
    presence.sent(int(4 * SLOWEST))
    assert all(presence.ask(0.0) for _ in range(UNANSWERED + 4))
    assert not presence.ask(0.0)
    presence.asked("q", ["a"])
    presence.answered("q", ["a"])
    presence.heard()
    assert all(presence.ask(0.0) for _ in range(UNANSWERED))
    assert not presence.ask(0.0)


def test_what_the_rig_does_not_hold_is_lost() -> None:
    """Of the ids that were asked for, and only by that question's answer."""
    presence = Presence()
    presence.begin(0.0)
    presence.asked("q1", ["a", "b"])
    presence.asked("q2", ["a", "b", "c"])
    assert presence.is_question("q1")
    assert presence.answered("q1", ["b"]) == ["a"]
    assert not presence.is_question("q1")
    assert presence.answered("q1", []) == []
    assert presence.answered("q2", None) == []  # an answer that doesn't say
    assert presence.answered("unknown", []) == []


def test_unanswered_questions_are_not_kept_for_ever() -> None:
    """A rig that never answers them costs no memory."""
    presence = Presence()
    presence.begin(0.0)
    for number in range(REMEMBERED * 2):
        presence.asked(str(number), ["a"])
    assert not presence.is_question("0")
    assert presence.is_question(str(REMEMBERED * 2 - 1))

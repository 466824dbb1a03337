"""The way to a server: asks at the moment it is there, renews, and gives up with a reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from transports.hololinked.handshake import CONNECT_AFTER, RENEW_AFTER, Handshake, Move


def run(
    plan: Handshake,
    until: float,
    present: Callable[[float], bool] = lambda now: True,
    greeted: Callable[[float], bool] = lambda now: False,
    reachable: bool = True,
) -> list[tuple[float, Move]]:
    """The moves up to a time, with the waits skipped; time passes only in waits."""
    now, moves = 0.0, []
    while now <= until:
        move = plan.next_move(now, present=present(now), greeted=greeted(now))
        if move is Move.WAIT:
            assert plan.wake_at > now, "a wait that doesn't wait spins"
            now = plan.wake_at
            continue
        moves.append((round(now, 3), move))
        if move in (Move.DONE, Move.GIVE_UP):
            break
        if move is Move.ASK:
            (plan.asked if reachable else plan.refused)(now)
    return moves


def test_a_server_that_is_there_is_asked_at_once() -> None:
    plan = Handshake(0.0, 60.0)
    assert plan.next_move(0.0, present=True, greeted=False) is Move.ASK
    plan.asked(0.0)
    assert plan.next_move(0.0, present=True, greeted=False) is Move.WAIT
    assert plan.next_move(0.001, present=True, greeted=True) is Move.DONE


def test_it_is_enough_to_be_there_if_no_answer_is_wanted() -> None:
    moves = run(Handshake(0.0, 60.0, answered=False), 1)
    assert moves == [(0.0, Move.ASK), (0.0, Move.DONE)]


def test_an_absent_server_is_tried_ever_more_slowly_until_time_is_up() -> None:
    moves = run(Handshake(0.0, 5.0, connected_at=0.0), 10, present=lambda now: False)
    times = [time for time, move in moves if move is Move.CONNECT]
    gaps = [round(b - a, 3) for a, b in zip([0.0, *times], times, strict=False)]
    assert gaps[: len(CONNECT_AFTER)] == list(CONNECT_AFTER)
    assert set(gaps[len(CONNECT_AFTER) :]) == {CONNECT_AFTER[-1]}
    assert moves[-1] == (5.0, Move.GIVE_UP)


def test_a_connection_that_was_tried_long_ago_is_tried_at_once() -> None:
    plan = Handshake(100.0, 5.0, connected_at=0.0)
    assert plan.next_move(100.0, present=False, greeted=False) is Move.CONNECT


def test_a_server_that_comes_later_is_asked_when_it_comes() -> None:
    moves = run(Handshake(0.0, 60.0, answered=False), 10, present=lambda now: now >= 2)
    assert {move for _, move in moves[:-2]} == {Move.CONNECT}
    assert [move for _, move in moves[-2:]] == [Move.ASK, Move.DONE]
    assert 2 <= moves[-1][0] <= 2 + CONNECT_AFTER[-1]


def test_a_server_that_does_not_answer_is_asked_again_sooner_at_first() -> None:
    moves = run(Handshake(0.0, None), RENEW_AFTER[0] - 0.01)
    times = [time for time, move in moves if move is Move.ASK]
    assert times == [0.0, 0.05, 0.15, 0.4, 0.9]


def test_a_mute_connection_is_renewed() -> None:
    """A server that knows another peer by our id never hears us on this one."""
    moves = run(Handshake(0.0, None), 11.05)
    assert [time for time, move in moves if move is Move.CONNECT] == [1.0, 3.0, 7.0, 11.0]
    assert moves[-1][1] is Move.ASK


def test_a_renewed_connection_is_made_as_soon_as_the_old_one_is_gone() -> None:
    plan = Handshake(0.0, None)
    assert plan.next_move(0.0, present=True, greeted=False) is Move.ASK
    plan.asked(0.0)
    assert plan.next_move(1.0, present=True, greeted=False) is Move.CONNECT
    assert plan.next_move(1.001, present=False, greeted=False) is Move.WAIT
    assert plan.wake_at == pytest.approx(1.0 + CONNECT_AFTER[0])
    assert plan.next_move(plan.wake_at, present=False, greeted=False) is Move.CONNECT


def test_without_a_timeout_it_goes_on() -> None:
    moves = run(Handshake(0.0, None), 500, present=lambda now: False)
    assert Move.GIVE_UP not in {move for _, move in moves}


def test_no_time_at_all_is_one_try() -> None:
    plan = Handshake(0.0, 0.0)
    assert plan.next_move(0.0, present=True, greeted=False) is Move.GIVE_UP
    assert Handshake(0.0, 0.0).next_move(0.0, present=True, greeted=True) is Move.DONE


def test_a_peer_of_another_id_is_not_asked_in_a_spin() -> None:
    moves = run(Handshake(0.0, 2.0), 3, reachable=False)
    asks = [time for time, move in moves if move is Move.ASK]
    assert 20 < len(asks) < 60
    assert moves[-1] == (2.0, Move.GIVE_UP)


@pytest.mark.parametrize(
    ("present", "refused", "reason"),
    [
        (False, False, "nothing accepts connections there"),
        (True, True, "doesn't go by the id 'rig'"),
        (True, False, "the id of this client is in use"),
    ],
)
def test_giving_up_has_a_reason(present: bool, refused: bool, reason: str) -> None:
    plan = Handshake(0.0, 1.0)
    plan.next_move(0.0, present=present, greeted=False)
    (plan.refused if refused else plan.asked)(0.0)
    text = plan.failure("me", "rig", "tcp://x:1", present=present)
    assert reason in text
    assert "'me'" in text
    assert "tcp://x:1" in text

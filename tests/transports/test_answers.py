"""The books of a client: every answer once, to whom it belongs, and never too many."""

from __future__ import annotations

import pytest

from transports.hololinked.answers import Answers
from transports.hololinked.messages import ResponseMessage


def answer(message_id: str, value: object = None) -> ResponseMessage:
    return ResponseMessage.craft_from_arguments("me", "rig", "REPLY", message_id)


def test_an_answer_is_taken_once() -> None:
    books = Answers()
    books.expect("1")
    assert books.take("1") is None
    came = answer("1")
    books.arrived(came)
    assert books.take("1") is came
    assert len(books) == 0
    with pytest.raises(KeyError, match="'1'"):
        books.take("1")


def test_answers_may_overtake_each_other() -> None:
    books = Answers()
    books.expect("1")
    books.expect("2")
    second = answer("2")
    books.arrived(second)
    assert books.take("1") is None
    assert books.take("2") is second


def test_an_answer_that_came_before_it_was_asked_for_is_kept() -> None:
    books = Answers()
    came = answer("1")
    books.arrived(came)
    assert "1" not in books
    books.expect("1")
    assert books.take("1") is came


def test_a_lost_connection_settles_what_is_unanswered_and_nothing_else() -> None:
    books = Answers()
    books.expect("1")
    books.expect("2")
    came = answer("2")
    books.arrived(came)
    books.lost()
    books.expect("3")
    with pytest.raises(ConnectionAbortedError, match="is unknown"):
        books.take("1")
    assert books.take("2") is came
    assert books.take("3") is None


def test_a_lost_request_is_told_once() -> None:
    books = Answers()
    books.expect("1")
    books.lost()
    with pytest.raises(ConnectionAbortedError):
        books.take("1")
    assert "1" not in books


def test_a_forgotten_answer_is_dropped_when_it_comes() -> None:
    books = Answers()
    books.expect("1")
    books.forget("1")
    books.arrived(answer("1"))
    for call in (books.expect, books.take):
        with pytest.raises(KeyError, match="given up"):
            call("1")


def test_a_forgotten_answer_takes_nobodys_place() -> None:
    books = Answers(most_strays=1)
    books.forget("1")
    books.arrived(answer("2"))
    books.arrived(answer("1"))
    books.expect("2")
    assert books.take("2") is not None


def test_the_oldest_make_room() -> None:
    books = Answers(most=3)
    for number in range(5):
        books.expect(str(number))
        books.arrived(answer(str(number)))
    assert len(books) == 3
    with pytest.raises(KeyError, match="newer ones"):
        books.take("0")
    assert books.take("4") is not None


def test_a_flood_of_answers_that_nobody_asked_for_is_bounded() -> None:
    books = Answers(most_strays=4)
    for number in range(100):
        books.arrived(answer(str(number)))
    books.expect("95")
    assert books.take("95") is None
    books.expect("96")
    assert books.take("96") is not None
    assert len(books) == 1

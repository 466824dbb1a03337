"""Answers to clients that read slowly: kept in order, within bounds, then given up."""

from __future__ import annotations

from typing import Any, cast

import pytest
import zmq

from orchestrator.rig import backlog as module
from orchestrator.rig.backlog import RETRY, RETURN, Backlog, BacklogCaps
from tests.rig.sockets_kit import BROKEN, FULL, GONE, FakeSocket, fake_frames

ALICE, BOB = b"alice", b"bob"


@pytest.fixture
def socket(monkeypatch: pytest.MonkeyPatch) -> FakeSocket:
    fake_frames(monkeypatch, module)
    return FakeSocket()


def backlog(socket: Any, **caps: Any) -> Backlog:
    return Backlog(socket, BacklogCaps(**caps))


def test_an_answer_with_room_is_sent_at_once(socket: FakeSocket) -> None:
    """Nothing is kept of it, and nothing is due."""
    answers = backlog(socket)
    answers.send([ALICE, b"1"], 10.0)
    assert socket.sent == [[ALICE, b"1"]]
    assert (len(answers), answers.next_deadline(10.0)) == (0, None)


def test_without_room_it_is_kept_and_tried_again(socket: FakeSocket) -> None:
    """In order: what comes later waits behind it, though there is room by then."""
    answers = backlog(socket)
    socket.errno = FULL
    answers.send([ALICE, b"1"], 10.0)
    assert answers.next_deadline(10.0) == 10.0 + RETRY
    socket.errno = 0
    answers.send([ALICE, b"2"], 10.0)
    assert socket.sent == []
    assert answers.retry(10.1) == []
    assert socket.sent == [[ALICE, b"1"], [ALICE, b"2"]]
    assert (len(answers), answers.dropped) == (0, 0)


def test_one_client_does_not_delay_another(socket: FakeSocket) -> None:
    """Only who lags behind waits."""
    answers = backlog(socket)
    socket.errno = FULL
    answers.send([ALICE, b"1"], 10.0)
    socket.errno = 0
    answers.send([BOB, b"2"], 10.0)
    assert socket.sent == [[BOB, b"2"]]
    assert len(answers) == 1


def test_as_much_is_sent_as_there_is_room_for(socket: FakeSocket) -> None:
    """The rest stays, in order."""
    answers = backlog(socket)
    socket.room = 0
    for text in (b"1", b"2", b"3"):
        answers.send([ALICE, text], 10.0)
    socket.room = 2
    answers.retry(10.1)
    assert [text for _, text in socket.sent] == [b"1", b"2"]
    socket.room = None
    answers.retry(10.2)
    assert [text for _, text in socket.sent] == [b"1", b"2", b"3"]


def test_who_makes_no_progress_is_given_up(socket: FakeSocket) -> None:
    """With all that waits for it; after that it is a client like any other."""
    answers = backlog(socket, patience=60.0)
    socket.room = 0
    for text in (b"1", b"2"):
        answers.send([ALICE, text], 10.0)
    assert answers.retry(70.0) == []
    assert answers.retry(70.1) == [ALICE]
    assert (len(answers), answers.dropped) == (0, 2)
    socket.room = None
    answers.send([ALICE, b"3"], 71.0)
    assert socket.sent == [[ALICE, b"3"]]


def test_progress_renews_patience(socket: FakeSocket) -> None:
    """However slowly a client reads, it isn't given up while it does."""
    answers = backlog(socket, patience=60.0)
    socket.room = 0
    for text in (b"1", b"2"):
        answers.send([ALICE, text], 10.0)
    socket.room = 1
    assert answers.retry(69.0) == []
    assert answers.retry(128.0) == []
    assert answers.retry(129.1) == [ALICE]


@pytest.mark.parametrize("caps", [{"messages": 2}, {"size": 2 * len(b"alice1")}])
def test_what_is_kept_is_bounded(socket: FakeSocket, caps: dict[str, int]) -> None:
    """In messages and in bytes, for each client; room comes back with what is sent."""
    answers = backlog(socket, **caps)
    socket.room = 0
    for text in (b"1", b"2", b"3"):
        answers.send([ALICE, text], 10.0)
    assert answers.dropped == 1
    answers.send([BOB, b"1"], 10.0)
    socket.room = 1
    answers.retry(10.1)
    answers.send([ALICE, b"4"], 10.1)
    assert answers.dropped == 1
    socket.room = None
    answers.retry(10.2)
    assert [text for client, text in socket.sent if client == ALICE] == [b"1", b"2", b"4"]


def test_the_answers_of_one_that_has_gone_are_dropped(socket: FakeSocket) -> None:
    """At once, or when it goes while it lags behind; they are counted."""
    answers = backlog(socket)
    socket.errno = GONE
    answers.send([ALICE, b"1"], 10.0)
    assert (len(answers), answers.dropped) == (0, 1)
    socket.errno = FULL
    for text in (b"2", b"3"):
        answers.send([ALICE, text], 10.0)
    socket.errno = GONE
    assert answers.retry(10.1) == []
    assert (len(answers), answers.dropped) == (0, 3)


def test_any_other_error_is_not_the_client_s(socket: FakeSocket) -> None:
    """It is a fault of ours and is raised."""
    answers = backlog(socket)
    socket.errno = FULL
    answers.send([ALICE, b"1"], 10.0)
    socket.errno = BROKEN
    with pytest.raises(zmq.ZMQError):
        answers.send([BOB, b"2"], 10.0)
    with pytest.raises(zmq.ZMQError):
        answers.retry(10.1)


def test_clients_of_a_socket_made_anew_are_waited_for(socket: FakeSocket) -> None:
    """They have to connect again; who doesn't come back is forgotten as ever."""
    answers = backlog(socket)
    anew = FakeSocket()
    answers.move_to(cast("Any", anew), 10.0)
    anew.errno = GONE
    answers.send([ALICE, b"1"], 10.0)
    answers.send([BOB, b"2"], 10.0)
    assert answers.retry(10.1) == []
    assert (len(answers), answers.dropped) == (2, 0)
    anew.errno, anew.room = 0, 1
    answers.retry(10.2)
    assert (anew.sent, socket.sent) == ([[ALICE, b"1"]], [])
    anew.errno = GONE
    answers.retry(10.0 + RETURN)
    assert (len(answers), answers.dropped, answers.size) == (0, 1, 0)

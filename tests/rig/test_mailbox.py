"""The mailbox: what other threads and signals ask, answered in the thread that looks."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from contextlib import closing

import pytest

from orchestrator.rig.mailbox import Mailbox
from workers.stop_signals import STOP_SIGNALS


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with closing(Mailbox()) as mailbox:
        yield mailbox


@pytest.fixture
def handlers() -> Iterator[None]:
    """The handlers of signals are put back."""
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    yield
    for number, handler in zip(STOP_SIGNALS, before, strict=True):
        signal.signal(number, handler)


def is_woken(mailbox: Mailbox) -> bool:
    return bool(select.select([mailbox], [], [], 0)[0])


def test_a_question_is_asked_in_the_thread_that_answers(mailbox: Mailbox) -> None:
    """From any thread; the descriptor is readable until it is answered."""
    asked: list[Future[int]] = []
    thread = threading.Thread(target=lambda: asked.append(mailbox.ask(threading.get_ident)))
    thread.start()
    thread.join()
    assert is_woken(mailbox)
    assert not asked[0].done()
    mailbox.answer()
    assert asked[0].result(0) == threading.get_ident()
    assert not is_woken(mailbox)


def test_questions_are_answered_in_order(mailbox: Mailbox) -> None:
    """All that have come by one look, and those that they ask by the next."""
    order: list[int] = []
    for number in (1, 2):
        mailbox.ask(lambda number=number: order.append(number))  # type: ignore[misc]
    later = mailbox.ask(lambda: mailbox.ask(lambda: order.append(3)))
    mailbox.answer()
    assert order == [1, 2]
    assert is_woken(mailbox)
    mailbox.answer()
    assert order == [1, 2, 3]
    assert later.result(0).done()


def test_an_error_is_the_asker_s(mailbox: Mailbox) -> None:
    """It is raised where the answer is awaited; other questions are answered."""
    failing, fine = mailbox.ask(lambda: 1 // 0), mailbox.ask(lambda: 2)
    mailbox.answer()
    with pytest.raises(ZeroDivisionError):
        failing.result(0)
    assert fine.result(0) == 2


def test_who_has_given_up_is_not_answered(mailbox: Mailbox) -> None:
    """A question that was cancelled isn't asked at all."""
    called: list[int] = []
    question = mailbox.ask(lambda: called.append(1))
    assert question.cancel()
    mailbox.answer()
    assert called == []
    with pytest.raises(CancelledError):
        question.result(0)


def test_no_number_of_questions_blocks_who_asks(mailbox: Mailbox) -> None:
    """Also when the socket is full of wake-ups; all of them are answered."""
    asked = [mailbox.ask(lambda: None) for _ in range(50_000)]
    mailbox.answer()
    assert all(question.done() for question in asked)


def test_without_news_nothing_happens(mailbox: Mailbox) -> None:
    """A look too many does no harm."""
    assert not is_woken(mailbox)
    mailbox.answer()


@pytest.mark.usefixtures("handlers")
def test_signals_are_told_by_a_look_and_ignored_afterwards(mailbox: Mailbox) -> None:
    """A signal wakes the loop and interrupts nothing; at the end none changes the exit status."""
    told: list[int] = []
    sent = list(STOP_SIGNALS)
    with mailbox.signals(told.append):
        for number in sent:
            os.kill(os.getpid(), number)
        assert told == []
        assert is_woken(mailbox)
        mailbox.answer()
        assert sorted(told) == sorted(sent)
    for number in sent:
        os.kill(os.getpid(), number)
    assert signal.set_wakeup_fd(-1) == -1
    assert len(told) == len(sent)


def test_news_that_fails_costs_no_other(mailbox: Mailbox) -> None:
    """The fault is its caller's to tell; what came behind it is taken up in the next turn."""
    told: list[str] = []

    def fail() -> None:
        raise ValueError("ours")

    mailbox.tell(fail)
    mailbox.tell(lambda: told.append("behind"))
    with pytest.raises(ValueError, match="ours"):
        mailbox.answer()
    assert is_woken(mailbox)
    mailbox.answer()
    assert told == ["behind"]

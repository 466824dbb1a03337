"""A message goes as a whole, whenever Ctrl-C strikes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from orchestrator.client.exchange import Exchange
from orchestrator.client.framing import sender_of
from orchestrator.client.interrupts import uninterrupted


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def strike(argument: Any) -> Any:
    """Is interrupted, and looks for signals before it returns."""
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.001)
    if isinstance(argument, Exception):
        raise argument
    argument.append("whole")


def test_an_interrupt_waits_for_what_must_not_be_torn() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        uninterrupted(strike, done)
    assert done == ["whole"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_and_an_interrupt() -> None:
    """The interrupt goes on, and has the error with it."""
    with pytest.raises(KeyboardInterrupt) as caught:
        uninterrupted(strike, zmq.Again())
    assert isinstance(caught.value.__context__, zmq.Again)
    with pytest.raises(ValueError, match="x"):
        uninterrupted(int, "x")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_a_handler_and_in_other_threads_nothing_is_changed() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert uninterrupted(len, "ab") == 2
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(uninterrupted(len, "abc")))
    thread.start()
    thread.join()
    assert found == [3]


@pytest.fixture
def pair() -> Iterator[tuple[Any, Any]]:
    with zmq.Context() as context:
        ours, theirs = context.socket(zmq.DEALER), context.socket(zmq.DEALER)
        try:
            ours.set(zmq.IMMEDIATE, 1)
            theirs.bind("inproc://rig")
            ours.connect("inproc://rig")
            yield ours, theirs
        finally:
            ours.close(0)
            theirs.close(0)


def request(number: int) -> Exchange:
    return Exchange(str(number), [b"", b"header", str(number).encode(), b"raw"], "w", "m")


def test_a_storm_of_interrupts_tears_no_message(
    pair: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What went has all its frames; what didn't is said to have not."""
    hook = sys.unraisablehook

    def lost(unraisable: sys.UnraisableHookArgs) -> None:
        """One that strikes in a destructor is lost by Python: the collector's, for one."""
        if unraisable.exc_type is not KeyboardInterrupt:
            hook(unraisable)

    monkeypatch.setattr(sys, "unraisablehook", lost)
    ours, theirs = pair
    send = sender_of(ours)
    ended = threading.Event()
    main = threading.main_thread().ident
    assert main is not None

    def storm() -> None:
        while not ended.wait(0.0001):
            signal.pthread_kill(main, signal.SIGINT)

    def in_sending_only(number: int, frame: Any) -> None:
        while frame is not None:
            if frame.f_code.co_name == "send_request":
                raise KeyboardInterrupt
            frame = frame.f_back

    signal.signal(signal.SIGINT, in_sending_only)
    thread = threading.Thread(target=storm)
    sent: list[bytes] = []
    struck = number = 0
    thread.start()
    try:
        while number < 2000 or not struck:
            exchange = request(number)
            number += 1
            try:
                send(exchange)
            except KeyboardInterrupt:
                struck += 1
            if exchange.sent:
                sent.append(exchange.frames[2])
    finally:
        ended.set()
        thread.join()
    received = [theirs.recv_multipart() for _ in sent]
    assert [frames[2] for frames in received] == sent
    assert all(len(frames) == 4 for frames in received)
    assert not theirs.poll(0)

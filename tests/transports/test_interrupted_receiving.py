"""What is left of a message that an interrupt struck isn't taken for one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from transports import frames

MESSAGE = [b"1", b"2", b"3"]


@pytest.fixture
def pair() -> Iterator[tuple[zmq.Socket[Any], zmq.Socket[Any]]]:
    context: zmq.Context[Any] = zmq.Context()
    one, other = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    one.bind("inproc://pair")
    other.connect("inproc://pair")
    yield one, other
    context.destroy(0)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_the_rest_is_dropped_and_the_next_message_comes(
    pair: tuple[zmq.Socket[Any], zmq.Socket[Any]], at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, receiver = pair
    reader = frames.InterruptibleReader(receiver, len(MESSAGE))
    calls = 0

    def receive(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        frame = zmq.backend.Socket.recv(*args)
        if calls == at:  # pyzmq looks for signals after it has received
            raise KeyboardInterrupt
        return frame

    monkeypatch.setattr(frames, "_recv", receive)
    sender.send_multipart(MESSAGE)
    with pytest.raises(KeyboardInterrupt):
        reader.next()
    assert reader.next() is None
    sender.send_multipart(MESSAGE)
    assert reader.next() == MESSAGE


def test_a_peers_torn_message_is_shown(pair: tuple[zmq.Socket[Any], zmq.Socket[Any]]) -> None:
    sender, receiver = pair
    reader = frames.InterruptibleReader(receiver, len(MESSAGE))
    sender.send_multipart(MESSAGE[:2])
    assert reader.next() == MESSAGE[:2]

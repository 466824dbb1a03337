"""Messages frame by frame: all of one, or as many as are kept, and never the next one's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from transports.frames import TooManyFrames, drop_rest, has_more, receive, receive_routed


@pytest.fixture
def ends() -> Iterator[tuple[zmq.Socket[Any], zmq.Socket[Any]]]:
    """A ROUTER, and its one peer."""
    with (
        zmq.Context() as context,
        context.socket(zmq.ROUTER) as ours,
        context.socket(zmq.DEALER) as theirs,
    ):
        ours.linger = theirs.linger = 0
        theirs.setsockopt(zmq.ROUTING_ID, b"peer")
        ours.bind("inproc://frames")
        theirs.connect("inproc://frames")
        yield ours, theirs


def texts(frames: list[Any] | TooManyFrames) -> list[bytes]:
    assert isinstance(frames, list)
    return [bytes(frame) for frame in frames]


def test_a_message_is_received_whole_and_alone(ends: Any) -> None:
    ours, theirs = ends
    assert receive(ours, 3) == receive_routed(ours, 3) == []
    theirs.send_multipart([b"1", b"2"])
    theirs.send_multipart([b"3"])
    theirs.send_multipart([b"4", b""])
    routed = receive_routed(ours, 3)
    assert texts(routed) == [b"peer", b"1", b"2"]
    assert isinstance(routed, list)
    assert isinstance(routed[0], bytes)
    assert texts(receive(ours, 3)) == [b"peer", b"3"]
    assert texts(receive_routed(ours, 4)) == [b"peer", b"4", b""]
    assert not has_more(ours)


@pytest.mark.parametrize("take", [receive, receive_routed])
def test_of_too_many_frames_the_first_are_kept_and_all_are_counted(ends: Any, take: Any) -> None:
    ours, theirs = ends
    theirs.send_multipart([b"1", b"2", b"3", b"4"])
    theirs.send_multipart([b"next"])
    found = take(ours, 3)
    assert isinstance(found, TooManyFrames)
    assert (texts(found.first), found.count, found.has_rest) == ([b"peer", b"1", b"2"], 5, False)
    assert texts(take(ours, 3)) == [b"peer", b"next"]


@pytest.mark.parametrize("take", [receive, receive_routed])
def test_a_long_message_is_read_in_pieces(ends: Any, take: Any) -> None:
    ours, theirs = ends
    theirs.send_multipart([b"x"] * 9)
    theirs.send_multipart([b"next"])
    found = take(ours, 2, 4)
    assert (len(found.first), found.count, found.has_rest) == (2, 4, True)
    assert drop_rest(ours, 4)
    assert not drop_rest(ours, 4)
    assert texts(take(ours, 2)) == [b"peer", b"next"]


def test_a_piece_that_ends_the_message_has_no_rest(ends: Any) -> None:
    ours, theirs = ends
    theirs.send_multipart([b"x"] * 3)
    found = receive_routed(ours, 2, 4)
    assert isinstance(found, TooManyFrames)
    assert (found.count, found.has_rest) == (4, False)

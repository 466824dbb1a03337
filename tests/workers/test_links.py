"""A worker's lane by packets does what one by ZeroMQ does."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zmq

from transports import lane
from transports.lane import PACKET, PacketLane
from transports.link import CONTROL, LaneOpen, decode_control
from workers.serving.links import LaneLink, SocketLink, open_link, send_control

SMALL = [b"12345678", b"{}", b"null", b""]


@pytest.fixture(autouse=True)
def _with_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where all others go without."""
    monkeypatch.delenv(lane.VARIABLE, raising=False)


@pytest.fixture
def pair() -> Iterator[tuple[LaneLink, PacketLane]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    rig = PacketLane(theirs)
    link = LaneLink(PacketLane(ours))
    yield link, rig
    link.close()
    rig.close()


def test_it_waits_for_the_link_and_for_others(pair: tuple[LaneLink, PacketLane]) -> None:
    link, rig = pair
    reader, writer = os.pipe()
    link.watch(reader)
    assert link.wait(0) == []
    os.write(writer, b"x")
    assert link.wait(-1) == [reader]
    rig.send(SMALL)
    assert set(link.wait(10_000)) == {link, reader}
    assert link.receive() == SMALL
    link.watch()
    assert link.wait(0) == []
    send_control(link, LaneOpen(), b"payload")
    number, header, payload, raw = rig.receive() or []
    assert (number, payload, raw) == (CONTROL, b"payload", b"")
    assert isinstance(decode_control(header), LaneOpen)
    os.close(reader)
    os.close(writer)


def test_what_has_no_room_is_sent_while_it_waits(pair: tuple[LaneLink, PacketLane]) -> None:
    link, rig = pair
    large = [b"", b"", b"x" * 30 * PACKET, b""]
    link.send(large)
    link.send(SMALL)
    taken: list[Any] = []
    while len(taken) < 2:
        link.wait(0)
        if (frames := rig.receive()) is not None:
            taken.append([bytes(each) for each in frames])
    assert taken == [large, SMALL]
    assert link.wait(0) == []


def test_once_the_rig_is_gone_nothing_comes_or_goes(pair: tuple[LaneLink, PacketLane]) -> None:
    """And it isn't told again and again."""
    link, rig = pair
    link.send([b"", b"", b"x" * 30 * PACKET, b""])
    rig.close()
    while ready := link.wait(0):
        assert ready == [link]
        assert link.receive() is None
    link.send(SMALL)
    assert link.wait(0) == []


def test_the_last_messages_leave(pair: tuple[LaneLink, PacketLane]) -> None:
    """As far as they are taken in time."""
    link, rig = pair
    link.send([b"", b"", b"x" * 30 * PACKET, b""])
    link.close()
    with pytest.raises(EOFError):
        _take_until_the_end(rig)


def _take_until_the_end(rig: PacketLane) -> None:
    while True:
        assert rig.receive() is None


def test_how_a_worker_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    """By packets where there is somebody who welcomes it, else by ZeroMQ."""
    monkeypatch.setattr(lane, "PATIENCE", 0.01)
    with tempfile.TemporaryDirectory() as folder, zmq.Context() as context:
        path = str(Path(folder, "lane"))
        spec: Any = SimpleNamespace(link="inproc://nobody", lanes=path, token="secret", curve=None)
        made = [open_link(context, spec, "q")]
        with lane.listen(path, 5) as listener:
            made.append(open_link(context, spec, "q"))  # nobody answers
            listener.accept()[0].close()
            monkeypatch.setenv(lane.VARIABLE, "0")
            made.append(open_link(context, spec, "q"))
        assert [type(each) for each in made] == [SocketLink] * 3
        for each in made:
            each.close()

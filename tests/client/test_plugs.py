"""What a channel is plugged into: what a lane takes, and what it tells when it doesn't."""

from __future__ import annotations

import select
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.client.exchange import Exchange
from orchestrator.client.plugs import LanePlug, lane_to
from transports import lane
from transports.lane import PACKET, PacketLane

REQUEST = [b"", b"{}", b"null", b""]


class Ends:
    """A plug and the rig's end of its lane.

    Attributes:
        headers: Of what was received.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.headers: list[bytes] = []
        self.plug = LanePlug(PacketLane(ours), self.announces)
        self.rig = PacketLane(theirs)

    def announces(self, header: bytes) -> bool:
        self.headers.append(header)
        return False


def request(frames: list[bytes] | None = None) -> Exchange:
    return Exchange("1", list(frames or REQUEST), "", "")


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.plug.close()
    made.rig.close()


def fill(ends: Ends) -> int:
    """Send until there is no room; how many went."""
    count = 0
    while ends.plug.send(request()):
        count += 1
    return count


def test_a_request_and_its_answer(ends: Ends) -> None:
    asked = request()
    assert ends.plug.next() is None
    assert ends.plug.send(asked)
    assert asked.sent
    assert ends.rig.receive() == REQUEST
    ends.rig.send([b"", b"header", b"1", b""])
    first = ends.plug.next()
    assert first == [b"", b"header", b"1", b""]
    assert ends.plug.next() is first  # until it is said that it was taken
    assert ends.headers == [b"header"]
    ends.plug.done()
    assert ends.plug.next() is None


def test_a_full_lane_is_waited_for(ends: Ends) -> None:
    plug = ends.plug
    assert plug.has_room()
    assert plug.is_ready(wants_room=True)
    assert not plug.is_ready(wants_room=False)
    count = fill(ends)
    assert plug.is_full
    late = request()
    assert not plug.send(late)
    assert not late.sent
    assert not plug.has_room()
    assert not plug.is_ready(wants_room=True)
    assert plug.poll.poll(0) == []
    for _ in range(count):
        ends.rig.receive()
    assert plug.poll.poll(10_000) == [(plug.fd, select.POLLOUT)]
    assert plug.is_ready(wants_room=True)
    assert plug.poll.poll(0) == []
    assert plug.has_room()
    assert plug.send(late)


def test_what_the_rig_sent_is_read_before_its_end(ends: Ends) -> None:
    plug = ends.plug
    ends.rig.send([b"", b"header", b"1", b""])
    ends.rig.close()
    late = request()
    assert not plug.send(late)
    assert not late.sent
    assert not plug.has_room()
    assert plug.is_ready(wants_room=False)
    assert plug.next() is not None
    plug.done()
    with pytest.raises(EOFError):
        plug.next()


def test_a_full_lane_whose_rig_is_gone(ends: Ends) -> None:
    fill(ends)
    ends.rig.close()
    late = request()
    assert not ends.plug.send(late)
    assert not late.sent
    assert ends.plug.is_ready(wants_room=True)
    with pytest.raises(EOFError):
        ends.plug.next()


def test_rubbish_is_its_end(ends: Ends) -> None:
    ends.rig._socket.send(b"rubbish")
    with pytest.raises(EOFError):
        ends.plug.next()


def test_an_interrupt_tears_nothing(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was struck while it went has gone, and is known to have; so with what came."""
    plug, sends, receives = ends.plug, PacketLane.send, PacketLane.receive

    def struck(own: PacketLane, frames: list[bytes]) -> bool:
        signal.raise_signal(signal.SIGINT)
        return sends(own, frames)

    asked = request([b"", b"{}", b"x" * 3 * PACKET, b""])
    with monkeypatch.context() as patch:
        patch.setattr(PacketLane, "send", struck)
        with pytest.raises(KeyboardInterrupt):
            plug.send(asked)
    assert asked.sent
    while (came := ends.rig.receive()) is None:
        assert plug.has_room() or plug.is_full
    assert [bytes(each) for each in came] == asked.frames

    def struck_too(own: PacketLane) -> object:
        signal.raise_signal(signal.SIGINT)
        return receives(own)

    ends.rig.send(REQUEST)
    with monkeypatch.context() as patch:
        patch.setattr(PacketLane, "receive", struck_too)
        with pytest.raises(KeyboardInterrupt):
            plug.next()
    assert plug.next() == REQUEST


def test_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """By tcp, at another address than the rig's own, beside a rig without one, if unwanted."""
    with tempfile.TemporaryDirectory() as folder:
        own = f"ipc://{Path(folder, 'front.ipc')}"
        for address in ("tcp://127.0.0.1:1", f"ipc://{folder}/other", own):
            assert lane_to(address, "ada", bool) is None
        monkeypatch.setattr(lane, "connect", pytest.fail)
        monkeypatch.setenv(lane.VARIABLE, "0")
        assert lane_to(own, "ada", bool) is None

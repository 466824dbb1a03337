"""Messages in packets: whole, in order, bounded, and ended as they should be."""

from __future__ import annotations

import os
import select
import socket
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from transports import lane
from transports.errors import ProtocolError
from transports.lane import GREETING, PACKET, PacketLane

HEAD = 16
SMALL = [b"12345678", b"{}", b"null", b""]

Pair = tuple[PacketLane, PacketLane]


@pytest.fixture
def raw() -> Iterator[tuple[PacketLane, socket.socket]]:
    """A lane, and the bare socket at its other end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    own = PacketLane(ours, most=10 * PACKET)
    yield own, theirs
    own.close()
    theirs.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pair = PacketLane(ours), PacketLane(theirs)
    yield pair
    for each in pair:
        each.close()


@pytest.fixture
def path() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield str(Path(folder, "lane"))


def fill(own: PacketLane) -> int:
    """Send until there is no room; how many messages that took."""
    count = 0
    while own.send(SMALL):
        count += 1
    return count


def take_all(own: PacketLane) -> list[list[bytes]]:
    taken = []
    while (frames := own.receive()) is not None:
        taken.append([bytes(each) for each in frames])
    return taken


def take_until_the_end(own: PacketLane) -> None:
    """Raises what tells it; what isn't whole is all that may come."""
    while True:
        assert own.receive() is None


@pytest.mark.parametrize(
    "size",
    [0, 1, PACKET - HEAD - 9, PACKET - HEAD - 8, PACKET - HEAD - 7]
    + [2 * PACKET - HEAD - 8 + more for more in (-1, 0, 1)]
    + [5_000_000],
)
@pytest.mark.parametrize("place", range(4))
def test_a_message_comes_as_it_went(pair: Pair, size: int, place: int) -> None:
    """In one packet or in several, with others behind it, wherever its long frame is."""
    ours, theirs = pair
    frames = [b"a", b"bb", b"ccc", b"dd"]
    frames[place] = os.urandom(size)
    ours.post(frames)
    ours.post(SMALL)
    taken: list[list[bytes]] = []
    while len(taken) < 2:
        taken += take_all(theirs)
        ours.flush()
    assert taken == [frames, SMALL]
    assert not ours.is_full


def test_a_full_lane_takes_nothing_until_there_is_room(pair: Pair) -> None:
    ours, theirs = pair
    count = fill(ours)
    assert count > 10
    assert ours.is_full
    assert not ours.send(SMALL)
    assert len(take_all(theirs)) == count
    assert ours.send(SMALL)
    assert not ours.is_full


def test_what_is_posted_waits_in_order(pair: Pair) -> None:
    ours, theirs = pair
    count = fill(ours)
    later = [[b"%d" % each, b"x" * each * PACKET, b"", b""] for each in range(3)]
    for frames in later:
        ours.post(frames)
    taken: list[list[bytes]] = []
    while len(taken) < count + 3:
        taken += take_all(theirs)
        ours.flush()
    assert taken[count:] == later


def test_the_end_comes_after_all_that_was_sent(pair: Pair) -> None:
    """Also if the other side leaves something unread, which the kernel tells first."""
    ours, theirs = pair
    theirs.send(SMALL)
    ours.send(SMALL)
    ours.close()
    assert theirs.receive() == SMALL
    with pytest.raises(EOFError):
        theirs.receive()
    with pytest.raises(OSError, match=r"Broken pipe"):
        theirs.send(SMALL)


def test_a_message_that_is_cut_short_never_comes(pair: Pair) -> None:
    ours, theirs = pair
    ours.post([b"", b"x" * 20 * PACKET, b"", b""])
    assert theirs.receive() is None
    assert theirs.received
    ours.close()
    with pytest.raises(EOFError):
        take_until_the_end(theirs)


@pytest.mark.parametrize(
    "packets",
    [
        [b"short"],
        [struct.pack("=4I", 1, 1, 1, 1)],  # less than it says
        [struct.pack("=4I", 0, 0, 0, 0) + b"more"],
        [struct.pack("=4I", 0, 0, 0, 11 * PACKET) + bytes(PACKET - HEAD)],  # more than it may
        [struct.pack("=4I", 0, 0, 0, PACKET) + bytes(PACKET - HEAD), bytes(HEAD + 1)],
    ],
)
def test_rubbish_ends_a_lane(raw: tuple[PacketLane, socket.socket], packets: list[bytes]) -> None:
    own, stranger = raw
    for each in packets:
        stranger.send(each)
    with pytest.raises(ProtocolError, match=r"on a lane"):
        own.receive()


def test_a_greeting(pair: Pair) -> None:
    ours, theirs = pair
    assert theirs.greeting() is None
    ours.greet(b"ada")
    assert theirs.greeting() == b"ada"
    assert not ours.is_welcome()
    theirs.welcome()
    assert ours.is_welcome()


@pytest.mark.parametrize("packet", [b"hello", GREETING, GREETING + bytes(256)])
def test_who_doesnt_say_who_it_is(raw: tuple[PacketLane, socket.socket], packet: bytes) -> None:
    own, stranger = raw
    stranger.send(packet)
    with pytest.raises(ProtocolError):
        own.greeting()


def test_who_leaves_before_it_is_welcome(raw: tuple[PacketLane, socket.socket]) -> None:
    own, stranger = raw
    stranger.send(b"another protocol")
    with pytest.raises(ProtocolError, match="no lane of a rig"):
        own.is_welcome()
    stranger.close()
    with pytest.raises(EOFError):
        own.is_welcome()


def test_the_kernel_tells_who_is_there(pair: Pair) -> None:
    assert pair[0].peer() == (os.getpid(), os.getuid(), os.getgid())


def test_connecting(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To nobody; to who hangs; to who wants nobody."""
    with pytest.raises(FileNotFoundError):
        lane.connect(path, b"ada")
    with lane.listen(path, 5) as listener:
        assert os.stat(path).st_mode & 0o777 == 0o600
        monkeypatch.setattr(lane, "PATIENCE", 0.01)
        with pytest.raises(TimeoutError, match="nobody answers"):
            lane.connect(path, b"ada")
        listener.accept()[0].close()
        monkeypatch.setattr(PacketLane, "greet", lambda own, who: listener.accept()[0].close())
        with pytest.raises(ConnectionRefusedError, match="not let in"):
            lane.connect(path, b"ada")
    with pytest.raises(OSError, match="in use"):
        lane.listen(path, 5)


def test_a_child_s_copy_doesnt_hide_the_end(path: str) -> None:
    with lane.listen(path, 5) as listener:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.connect(path)
        own = PacketLane(client)
        accepted, _ = listener.accept()
        held, holder = os.pipe()
        child = os.fork()
        if not child:
            os.close(holder)
            accepted.close()
            os.read(held, 1)
            os._exit(0)
        os.close(held)
        try:
            own.close()
            poll = select.poll()
            poll.register(accepted, select.POLLIN)
            assert poll.poll(10_000)
            assert accepted.recv(1) == b""
        finally:
            os.close(holder)
            assert os.waitpid(child, 0)[1] == 0
            accepted.close()


def test_it_can_be_turned_off() -> None:
    assert lane.is_wanted({})
    assert not lane.is_wanted({lane.VARIABLE: "0"})

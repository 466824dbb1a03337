"""The rig's ends of lanes: who is let in, what is sent to whom, and what strangers can't do."""

from __future__ import annotations

import os
import socket
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.core.own_ids import OWN
from orchestrator.rig.callers import Callers
from orchestrator.rig.connections import Connection
from orchestrator.rig.gate import Gate
from orchestrator.rig.lanes import Guest, Lanes
from orchestrator.rig.poller import Poller
from transports import lane
from transports.errors import AddressError
from transports.lane import GREETING, PACKET, PacketLane

SMALL = [b"12345678", b"{}", b"null", b""]
TOKEN = b"secret"


@pytest.fixture(autouse=True)
def _with_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where all others go without."""
    monkeypatch.delenv(lane.VARIABLE, raising=False)


class Hall:
    """Lanes with a real poller, and a loop that turns when it is told to.

    Attributes:
        came: What was received, by whom.
        told: What was told of strangers.
        cap: Connections at most.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.poller = Poller()
        self.poller.watch((), ())
        self.poller.wait(0)
        self.tokens = {TOKEN}
        self.watched: dict[int, Callable[[], None]] = {}
        self.later: list[Callable[[], None]] = []
        self.came: list[tuple[bytes, list[bytes]]] = []
        self.gone: list[bytes] = []
        self.told: list[tuple[str, str, str]] = []
        self.cap, self.count = 3, 0
        self.opened: list[PacketLane | socket.socket] = []  # the other ends
        self.heard: set[bytes] = set()
        self.callers = Callers()
        self.gate = Gate({})
        self.cut_lane: Callable[[int], Connection | None]
        connections: Any = self
        self.lanes = Lanes(self.tokens, connections, lambda *told: self.told.append(told))
        self.lanes.left = self.gone.append
        self.lanes.open(folder, self, clients=True)

    # what the lanes need of the loop and of the connections

    def watch(self, source: int, callback: Callable[[], None]) -> None:
        self.watched[source] = callback

    def unwatch(self, fd: int) -> None:
        del self.watched[fd]

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self.later.append(call)

    def enter(self, endpoint: str, *, is_client: bool) -> bool:
        if self.count == self.cap:
            return False
        self.count += 1
        return True

    def leave(self, *, is_client: bool) -> None:
        self.count -= 1

    # what a test does

    def turn(self) -> None:
        """Accept who comes, and read all that came."""
        for callback in list(self.watched.values()) * (self.cap + 1):
            callback()
        while ready := self.poller.wait(0, is_used=False):
            for guest in ready:
                assert isinstance(guest, Guest)
                if not guest.identity and not self.lanes.greet(guest):
                    continue
                while (frames := self.lanes.receive(guest)) is not None:
                    self.came.append((guest.identity, [bytes(each) for each in frames]))

    def comes(self, identity: bytes, file: str = lane.CLIENTS_FILE) -> PacketLane:
        """Who has greeted, and whom the rig has had a turn for."""
        own = PacketLane(self.bare(file))
        self.opened.append(own)
        own.greet(identity)
        self.turn()
        return own

    def bare(self, file: str = lane.CLIENTS_FILE) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        made.connect(str(self.folder / file))
        self.opened.append(made)
        return made


@pytest.fixture
def hall() -> Iterator[Hall]:
    with tempfile.TemporaryDirectory() as folder:
        made = Hall(Path(folder))
        yield made
        made.lanes.close()
        for each in made.opened:
            each.close()
        assert not made.count
        assert not made.watched
        assert not list(Path(folder).iterdir())


def is_sent_away(own: PacketLane) -> bool:
    try:
        return own.is_welcome() and own.receive() is not None
    except EOFError:
        return True


def test_a_client_and_a_worker(hall: Hall) -> None:
    client, worker = hall.comes(b"ada"), hall.comes(TOKEN + b".q", lane.WORKERS_FILE)
    assert client.is_welcome()
    assert worker.is_welcome()
    client.send(SMALL)
    worker.send(SMALL)
    hall.turn()
    assert sorted(hall.came) == [(b"ada", SMALL), (TOKEN + b".q", SMALL)]
    assert hall.lanes.to_client(hall.lanes.clients[b"ada"], SMALL)
    assert hall.lanes.to_worker(hall.lanes.workers[TOKEN + b".q"], SMALL)
    assert client.receive() == worker.receive() == SMALL
    client.close()
    worker.close()
    hall.turn()
    assert hall.gone == [b"ada"]
    assert not hall.lanes.clients
    assert not hall.lanes.workers


def test_it_is_known_who_a_client_is(hall: Hall) -> None:
    """By the kernel's word, as of one that came by ZeroMQ."""
    hall.comes(b"ada")
    assert hall.callers.peer(b"ada") == f"pid {os.getpid()}"
    visitor = hall.lanes.clients[b"ada"].visitor
    assert visitor is not None
    assert visitor == hall.gate.user(os.getuid())
    assert visitor.is_user


@pytest.mark.parametrize("identity", [b"ada", b"bob", OWN])
def test_nobody_is_taken_for_another(hall: Hall, identity: bytes) -> None:
    """For who came by a lane, for who came by ZeroMQ, or for the rig's own."""
    first = hall.comes(b"ada")
    hall.heard.add(b"bob")
    assert is_sent_away(hall.comes(identity))
    assert first.is_welcome()
    assert "another client has the same id" in hall.told[0][2]


def test_only_who_knows_a_token_is_a_worker(hall: Hall) -> None:
    assert is_sent_away(hall.comes(b"guess.q", lane.WORKERS_FILE))
    hall.comes(TOKEN + b".q", lane.WORKERS_FILE)
    assert is_sent_away(hall.comes(TOKEN + b".q", lane.WORKERS_FILE))
    assert [reason for _, _, reason in hall.told] == ["it is no worker of this rig"] * 2


def test_the_lanes_of_a_life_that_is_over_end(hall: Hall) -> None:
    worker = hall.comes(TOKEN + b".q", lane.WORKERS_FILE)
    hall.lanes.ended()
    assert hall.lanes.workers
    hall.tokens.clear()
    hall.lanes.ended()
    assert not hall.lanes.workers
    assert worker.is_welcome()
    with pytest.raises(EOFError):
        worker.receive()


def test_who_says_nothing_has_to_go(hall: Hall) -> None:
    silent = PacketLane(hall.bare())
    hall.opened.append(silent)
    hall.comes(b"ada")
    for each in hall.later:
        each()
    assert is_sent_away(silent)
    assert set(hall.lanes.clients) == {b"ada"}


def test_there_is_a_cap(hall: Hall) -> None:
    hall.cap = 1
    hall.comes(b"ada")
    with pytest.raises((EOFError, OSError)):
        hall.comes(b"bob").is_welcome()
    assert set(hall.lanes.clients) == {b"ada"}


def test_rubbish_costs_the_lane_that_it_came_by(hall: Hall) -> None:
    strangers = [hall.bare(), hall.bare()]
    strangers[0].send(b"rubbish")
    strangers[1].send(GREETING + b"eve")
    strangers[1].send(b"rubbish")
    good = hall.comes(b"ada")
    hall.turn()
    assert good.is_welcome()
    assert set(hall.lanes.clients) == {b"ada"}
    assert [text for text, _, _ in hall.told] == ["connection cut off"] * 2


def test_another_user_isnt_let_in(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PacketLane, "peer", lambda _: (1, os.getuid() + 1, 1))
    with pytest.raises((EOFError, OSError)):
        hall.comes(b"ada").is_welcome()


def test_without_descriptors_nobody_is_accepted_for_a_while(hall: Hall) -> None:
    """And the loop doesn't turn for nothing meanwhile."""
    (listener,) = [each for path, each in hall.lanes._listeners.items() if "lane" in path.name]

    class Short:
        def __init__(self) -> None:
            self.fileno = listener.fileno

        def accept(self) -> None:
            raise OSError(24, "Too many open files")

    short: Any = Short()
    hall.lanes._accept(short, is_client=True)
    assert listener.fileno() not in hall.watched
    hall.later.pop()()
    assert listener.fileno() in hall.watched


def test_who_reads_nothing_is_sent_what_there_is_room_for(hall: Hall) -> None:
    """The rest waits elsewhere for a client; for a worker, whose credit bounds it, here."""
    client, worker = hall.comes(b"ada"), hall.comes(TOKEN + b".q", lane.WORKERS_FILE)
    assert client.is_welcome()
    assert worker.is_welcome()
    guests = hall.lanes.clients[b"ada"], hall.lanes.workers[TOKEN + b".q"]
    count = 0
    while hall.lanes.to_client(guests[0], SMALL):
        count += 1
    large = [b"", b"", b"x" * 40 * PACKET, b""]
    for _ in range(3):
        assert hall.lanes.to_worker(guests[1], large)
    for _ in range(count):
        assert client.receive() == SMALL
    hall.turn()
    assert hall.lanes.to_client(guests[0], SMALL)
    for _ in range(3):
        while (frames := worker.receive()) is None:
            hall.turn()
        assert len(frames[2]) == 40 * PACKET
    assert not hall.poller.wait(0, is_used=False)


def test_who_has_gone_is_sent_nothing(hall: Hall) -> None:
    """And what waited for it is no fault."""
    client, worker = hall.comes(b"ada"), hall.comes(TOKEN + b".q", lane.WORKERS_FILE)
    guests = hall.lanes.clients[b"ada"], hall.lanes.workers[TOKEN + b".q"]
    hall.lanes.to_worker(guests[1], [b"", b"", b"x" * 40 * PACKET, b""])
    client.close()
    worker.close()
    assert not hall.lanes.to_worker(guests[1], SMALL)
    with pytest.raises(OSError, match=r"pipe|reset"):
        hall.lanes.to_client(guests[0], SMALL)
    hall.turn()
    assert not hall.count


def test_who_fills_the_memory_is_cut_off(hall: Hall) -> None:
    """The one of whose message the most has come."""
    ours, theirs = hall.comes(b"ada"), hall.comes(b"bob")
    for own, size in ((ours, 2), (theirs, 3)):
        assert own.is_welcome()
        packet = struct.pack("=4I", 0, 0, 0, 10 * PACKET) + bytes(PACKET - 16)
        for each in [packet, *[bytes(PACKET)] * (size - 1)]:
            own._socket.send(each)
            hall.turn()
    assert hall.cut_lane(4 * PACKET) is None
    assert hall.cut_lane(PACKET) is not None
    assert set(hall.lanes.clients) == {b"ada"}


def test_a_file_that_was_removed_is_put_back(hall: Hall) -> None:
    first = hall.comes(b"ada")
    assert not hall.lanes.restore()
    (hall.folder / lane.CLIENTS_FILE).unlink()
    assert hall.lanes.restore() == [lane.CLIENTS_FILE]
    assert hall.comes(b"bob").is_welcome()
    assert first.is_welcome()


def test_a_folder_that_cant_be_bound_in(hall: Hall) -> None:
    with pytest.raises(AddressError, match="can't be bound"):
        hall.lanes.open(hall.folder / "none", hall, clients=False)


def test_it_can_be_turned_off(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(lane.VARIABLE, "0")
    connections: Any = SimpleNamespace()
    none = Lanes(set(), connections, lambda *told: None)
    assert not none.open(hall.folder, hall, clients=True)
    assert not none.restore()
    none.close()

"""A fault of our own costs what it came of; the loop tells it and goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import zmq

from orchestrator.core.effects import Effect, ToClient
from orchestrator.core.manners import MOST_FRAMES
from orchestrator.core.own_ids import OWN, is_own
from orchestrator.core.rig import Rig
from orchestrator.rig import loop as loop_module
from orchestrator.rig.backlog import Backlog
from orchestrator.rig.connections import Connections
from orchestrator.rig.event_relay import EventRelay
from orchestrator.rig.loop import Loop
from orchestrator.rig.mailbox import Mailbox
from orchestrator.rig.processes import Processes
from orchestrator.rig.sockets import Sockets
from tests.integration.raw_zmtp import frame, raw_peer
from tests.rigs import wait_until
from transports.frames import drop_rest
from transports.headers import HANDSHAKE, RequestHeader, encode_header


class NoProcesses:
    """A rig without workers."""

    changes = 0
    silent_ends = ()

    def sentinels(self) -> tuple[int, ...]:
        return ()

    def reap(self) -> list[Any]:
        return []


class Running:
    """A loop in a thread, whose effects fail for one client."""

    def __init__(self, folder: Path) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.sockets = Sockets(self.context, "rig")
        self.rig = Rig("rig", [])
        self.told: list[tuple[str, str, dict[str, Any]]] = []
        self.mailbox = Mailbox()
        self.backlog = Backlog(self.sockets.front)
        broker = self.rig.broker
        self.connections = Connections(
            self.context, (self.sockets.front, self.sockets.publisher), 100, lambda *_: None
        )
        self.loop = Loop(
            rig=self.rig,
            sockets=self.sockets,
            processes=cast("Processes", NoProcesses()),
            mailbox=self.mailbox,
            backlog=self.backlog,
            relay=EventRelay(
                self.sockets,
                self.connections,
                publishers=broker.publishers,
                formers=broker.formers,
                peers=broker.peers,
                tally=broker.ledger.tally,
                counts=broker.counts,
            ),
            connections=self.connections,
            perform=self.perform,
            record=lambda *told: self.told.append(told),
        )
        self.sockets.bind([f"ipc://{folder}/front"], folder, 10_000, {})
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.loop.run, args=(self.ends.is_set,))
        self.thread.start()

    def perform(self, effect: Effect, now: float) -> None:
        if isinstance(effect, ToClient):
            if bytes(effect.frames[0]).startswith(b"bad"):
                raise ZeroDivisionError("a fault of our own")
            self.backlog.send(effect.frames, now)

    def ask(self, call: Callable[[], Any]) -> Any:
        return self.mailbox.ask(call).result(10)

    def shake_hands(self, name: bytes) -> bool:
        """Send a handshake; whether it is answered in time."""
        header = RequestHeader(
            messageType=HANDSHAKE, messageID="1", senderID=name.decode(), receiverID="rig"
        )
        with self.context.socket(zmq.DEALER) as client:
            client.linger = 1000
            client.setsockopt(zmq.IDENTITY, name)
            client.connect(self.sockets.addresses[0])
            client.send_multipart([b"", encode_header(header), b"null", b""])
            return bool(client.poll(300 if name.startswith(b"bad") else 10_000))

    def close(self) -> None:
        self.mailbox.ask(self.ends.set)
        self.thread.join()
        self.mailbox.close()
        self.connections.close()
        self.sockets.close()
        self.context.term()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    made.close()


def test_a_fault_is_told_with_its_place_and_counted(running: Running) -> None:
    """One record a second however often it comes; others are answered as always."""
    for number in b"123":  # an id of its own each: one that was just used may still be taken
        assert not running.shake_hands(b"bad%d" % number)
        assert running.shake_hands(b"good%d" % number)
    assert running.ask(lambda: running.rig.broker.counts["faults"]) == 3
    level, text, fields = running.told[0]
    assert level == "error"
    assert "ZeroDivisionError: a fault of our own" in text
    assert "test_loop.py:" in fields["place"]
    assert "Traceback" in fields["exception"]
    assert len(running.told) < 3


def test_an_identity_that_libzmq_gives_is_none_of_the_core_s_own(running: Running) -> None:
    """Though both begin with a zero: who has none of its own is answered."""
    with running.context.socket(zmq.ROUTER) as server, running.context.socket(zmq.DEALER) as client:
        server.linger = client.linger = 0
        port = server.bind_to_random_port("tcp://127.0.0.1")
        client.connect(f"tcp://127.0.0.1:{port}")
        client.send(b"")
        identity = server.recv_multipart()[0]
    assert identity.startswith(b"\0")
    assert not is_own(identity)


def test_nobody_is_heard_as_the_rig_itself(running: Running) -> None:
    """A peer in raw bytes can call itself anything."""
    parts = (b"", b"rubbish", b"")
    with raw_peer(running.sockets.addresses[0], "DEALER", OWN + b"prober") as peer:
        peer.sendall(b"".join(frame(each, more=True) for each in parts) + frame(b""))
        wait_until(lambda: running.rig.broker.counts["strangers"])
    assert not running.rig.broker.counts["refused"]


@pytest.mark.parametrize("place", ["front", "link"])
def test_a_message_of_very_many_frames_is_dropped_piece_by_piece(
    running: Running, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """What else the loop does goes on; a client that sends one is cut off at once."""
    sockets = running.sockets
    address, count = sockets.addresses[0], "refused"
    if place == "link":
        address, count = sockets.link, "strangers"
    pieces = []

    def drop(socket: zmq.Socket[Any], piece: int) -> bool:
        pieces.append((running.rig.broker.counts[count], running.rig.broker.counts["cut off"]))
        return drop_rest(socket, piece)

    monkeypatch.setattr(loop_module, "drop_rest", drop)
    with raw_peer(address, "DEALER") as peer:
        peer.sendall(50 * MOST_FRAMES * frame(b"", more=True) + frame(b""))
        wait_until(lambda: pieces)
        assert running.shake_hands(b"good")
    wait_until(lambda: len(pieces) == 50)
    assert set(pieces) == {(1, place == "front")}
    assert running.ask(lambda: running.rig.broker.counts[count]) == 1


def test_a_callback_that_fails_keeps_no_other_from_being_called(running: Running) -> None:
    """Neither what is called later, nor what watches a descriptor."""
    called = threading.Event()

    def fail() -> None:
        raise ValueError("no")

    running.ask(lambda: running.loop.call_later(0.0, fail))
    running.ask(lambda: running.loop.call_later(0.0, called.set))
    assert called.wait(10)
    assert running.shake_hands(b"good")

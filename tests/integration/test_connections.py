"""Connections are counted, capped and cut off; memory that no core sees is bounded by that."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from orchestrator.rig import memory, unlocked
from orchestrator.rig.connections import HELD, Connection, Connections
from orchestrator.rig.memory import MemoryGuard, resident
from tests.integration.raw_zmtp import MIB, endless_message
from tests.rigs import wait_until


class Front:
    """A ROUTER with its connections, on tcp and ipc."""

    def __init__(self, folder: Path, cap: int) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.router: zmq.Socket[Any] = self.context.socket(zmq.ROUTER)
        self.router.linger = 0
        self.refused: list[str] = []
        self.back: zmq.Socket[Any] = self.context.socket(zmq.ROUTER)
        self.back.linger = 0
        self.connections = Connections(
            self.context,
            (self.router,),
            cap,
            lambda address, _: self.refused.append(address),
            (self.back,),
            worker_cap=2,
        )
        self.port = self.router.bind_to_random_port("tcp://127.0.0.1")
        self.ipc = f"ipc://{folder}/f"
        self.router.bind(self.ipc)
        self.link = f"{folder}/l"
        self.back.bind(f"ipc://{self.link}")
        self.strangers: list[Any] = []

    def stranger(self, address: str) -> zmq.Socket[Any]:
        made: zmq.Socket[Any] = self.context.socket(zmq.DEALER)
        made.linger = 0
        made.setsockopt(zmq.RECONNECT_IVL, -1)
        made.connect(address)
        self.strangers.append(made)
        return made

    def count(self) -> int:
        self.connections.update()
        return len(self.connections)

    def close(self) -> None:
        for each in self.strangers:
            each.close()
        self.connections.close()
        self.router.close()
        self.back.close()
        self.context.term()


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    made = Front(tmp_path, cap=5)
    yield made
    made.close()


def test_who_comes_and_goes_is_counted(front: Front) -> None:
    """Also who never says a word of ZeroMQ."""
    raw = [socket.create_connection(("127.0.0.1", front.port)) for _ in range(3)]
    wait_until(lambda: front.count() == 3)
    assert (front.connections.count("tcp"), front.connections.count("ipc")) == (3, 0)
    front.stranger(front.ipc)
    wait_until(lambda: front.connections.count("ipc") == 1 or not front.count())
    for each in raw:
        each.close()
    wait_until(lambda: front.count() == 1)
    assert not front.refused


def test_one_too_many_is_closed_and_its_place_is_free_again(front: Front) -> None:
    """By tcp no more than the cap; that leaves as many for ipc."""
    raw = [socket.create_connection(("127.0.0.1", front.port)) for _ in range(8)]
    wait_until(lambda: front.count() and len(front.refused) == 3)
    wait_until(lambda: front.count() == 5)
    own = front.stranger(front.ipc)
    own.send(b"hello")
    assert front.router.recv_multipart()[1] == b"hello"
    for each in raw:
        each.close()
    wait_until(lambda: front.count() == 1)


def test_where_workers_come_in_there_is_a_cap_too(front: Front) -> None:
    """Of its own: strangers there take no place of others, nor the other way round."""
    raw = [_plain(front.link) for _ in range(5)]
    wait_until(lambda: front.count() or len(front.refused) == 3)
    wait_until(lambda: front.count() or front.connections.count("workers") == 2)
    assert len(front.connections) == 0
    for each in raw:
        each.close()
    wait_until(lambda: front.count() or front.connections.count("workers") == 0)
    assert front.refused == [f"ipc://{front.link}"] * 3


def test_libzmq_accepts_no_more_than_is_taken_note_of(front: Front) -> None:
    """But for what its monitor holds: whoever comes faster waits outside."""
    before = len(os.listdir("/proc/self/fd"))
    raw: list[socket.socket] = []

    def accepted() -> int:
        return len(os.listdir("/proc/self/fd")) - before - len(raw)

    def more() -> bool:
        with contextlib.suppress(BlockingIOError):  # its queue is full
            while len(raw) < 2 * HELD:
                raw.append(_plain(front.link))
        return accepted() >= HELD

    wait_until(more)
    with contextlib.suppress(AssertionError):  # it doesn't take many more, however long one tries
        wait_until(lambda: more() and accepted() > HELD + 20, seconds=0.5)
    assert accepted() < HELD + 20
    other = f"ipc://{front.link}2"
    front.connections.meanwhile(lambda: unlocked.bind(front.back, other))  # and doesn't wait
    for each in raw:
        each.close()


def _plain(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(10.0)
    try:
        made.connect(path)
    except OSError:
        made.close()
        raise
    return made


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_the_connection_of_a_message_is_cut_and_no_other(front: Front, transport: str) -> None:
    """By a frame of that message."""
    address = front.ipc if transport == "ipc" else f"tcp://127.0.0.1:{front.port}"
    bad, good = front.stranger(address), front.stranger(address)
    bad.send(b"bad")
    frames = front.router.recv_multipart(copy=False)
    good.send(b"good")
    front.router.recv_multipart()
    assert front.connections.cut(front.router, frames[0])
    wait_until(lambda: front.count() == 1)
    good.send(b"still here")
    assert front.router.recv_multipart()[1] == b"still here"
    assert not front.connections.cut(front.router, frames[0])


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_a_message_without_end_is_cut_off(front: Front, transport: str) -> None:
    """It is never handed over, so what it takes shows in the size of the process alone."""
    address = front.ipc if transport == "ipc" else f"tcp://127.0.0.1:{front.port}"
    quiet = front.stranger(address)
    quiet.send(b"hello")
    front.router.recv_multipart()
    told: list[Connection] = []
    guard = MemoryGuard(
        front.connections,
        lambda: 0,
        lambda each, _: told.append(each),
        lambda: 0,
        lambda: 0,
        lambda _: None,  # on a busy machine nobody may be seen sending at first
        allowance=100 * MIB,
    )
    before = resident()
    stop = threading.Event()
    with endless_message(address, stop):
        peak = 0
        deadline = time.monotonic() + 30
        while not told and time.monotonic() < deadline:
            front.connections.update()
            guard.look()
            peak = max(peak, resident())
            stop.wait(0.05)  # as the rig does: who sends is to be seen sending in between
        assert len(told) == 1
        wait_until(lambda: front.count() == 1)
    assert peak - before < 400 * MIB
    quiet.send(b"still here")
    assert front.router.recv_multipart()[1] == b"still here"


def test_what_no_connection_gives_back(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """First the socket is made anew; what is left after that isn't strangers', and is allowed."""
    renewed: list[int] = []
    size = MIB
    monkeypatch.setattr(memory, "resident", lambda: size)
    guard = MemoryGuard(
        front.connections,
        lambda: 0,
        lambda *_: None,
        lambda: 0,
        lambda: 0,
        renewed.append,
        allowance=100 * MIB,
    )
    size = 200 * MIB
    for _ in range(memory.LOOKS):
        assert not renewed
        guard.look()
    assert renewed == [200 * MIB]
    for _ in range(10 * memory.LOOKS):
        guard.look()
    assert renewed == [200 * MIB]
    size = 301 * MIB
    for _ in range(memory.LOOKS):
        guard.look()
    assert renewed == [200 * MIB, 301 * MIB]


def test_what_nobody_receives_is_given_back_early_but_not_all_the_time(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the process comes to by itself is learnt from the least size after that."""
    renewed: list[int] = []
    size, unheard, emptied, empties = MIB, 0, 0, 1
    monkeypatch.setattr(memory, "resident", lambda: size)
    guard = MemoryGuard(
        front.connections,
        lambda: 0,
        lambda *_: None,
        lambda: unheard,
        lambda: emptied,
        renewed.append,
    )

    def look(times: int, at: int) -> list[int]:
        nonlocal size, emptied
        size = at
        renewed.clear()
        for _ in range(times):
            emptied += empties
            guard.look()
        return renewed

    much = 2 * MIB + memory.KEPT
    assert look(10 * memory.LOOKS, much) == []
    unheard = memory.SUSPECTS - 1
    assert look(10 * memory.LOOKS, much) == []
    unheard, empties = memory.SUSPECTS, 0
    assert look(10 * memory.LOOKS, much) == []
    empties = 1
    assert look(1, much) == [much]
    # strangers are back at once, and what they send is none of the process's own
    assert look(memory.PAUSE - 1, much) == []
    assert look(1, MIB) == []
    assert look(memory.LOOKS - 1, much) == []
    assert look(1, much) == [much]
    # what never goes isn't strangers'
    assert look(10 * memory.PAUSE, much) == []
    assert look(memory.LOOKS, much + memory.KEPT) == []
    assert look(memory.LOOKS, much + memory.KEPT + 1) == [much + memory.KEPT + 1]


def test_whose_messages_were_received(front: Front) -> None:
    """A second bearer of an identity sends, and nothing of it is received."""
    owner, thief, silent = (front.context.socket(zmq.DEALER) for _ in range(3))
    for each in (owner, thief, silent):
        front.strangers.append(each)
        each.linger = 0
    for each in (owner, thief):
        each.setsockopt(zmq.IDENTITY, b"one")
    owner.connect(front.ipc)
    owner.send(b"hello")
    frames: Any = front.router.recv_multipart(copy=False)
    connections = front.connections
    connections.hear(front.router, frames[0].bytes, frames[-1])
    assert (connections.heard, connections.unheard(front.router)) == ({b"one"}, 0)
    thief.connect(front.ipc)
    thief.send(b"x")
    silent.connect(front.ipc)
    wait_until(lambda: front.count() == 3)
    assert connections.unheard(front.router) == 2
    for each in (owner, thief, silent):
        each.close()
    wait_until(lambda: front.count() == 0)
    assert (connections.heard, connections.unheard(front.router)) == (set(), 2)


def test_another_socket_in_its_place(front: Front) -> None:
    """Connections of the one that is to be closed are told gone, the new one's are counted."""
    front.stranger(front.ipc)
    wait_until(lambda: front.count() == 1)
    left: list[Connection] = []
    front.connections.left = left.append
    old, front.router = front.router, front.context.socket(zmq.ROUTER)
    front.connections.replace(old, front.router)
    assert (front.count(), len(left), front.connections.changes) == (0, 1, 1)
    old.close(0)
    front.router.bind(f"{front.ipc}2")
    front.stranger(f"{front.ipc}2").send(b"hello")
    assert front.router.recv_multipart()[1] == b"hello"
    wait_until(lambda: front.count() == 1)

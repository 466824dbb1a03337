"""Whose a frame is, while connections come and go."""

from __future__ import annotations

import os
import socket as sockets
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
import zmq

from orchestrator.rig.connections import Connection, Connections
from tests.rigs import wait_until


class Scene:
    """A publisher whose connections are watched."""

    def __init__(self, context: zmq.Context[Any]) -> None:
        self.publisher: zmq.Socket[Any] = context.socket(zmq.XPUB)
        self.connections = Connections(context, (self.publisher,), 100, lambda *_: None)
        self._port = self.publisher.bind_to_random_port("tcp://127.0.0.1")

    def connect(self) -> sockets.socket:
        """A peer whose connection was taken, and announced."""
        peer = sockets.create_connection(("127.0.0.1", self._port))
        peer.recv(1)  # libzmq's greeting
        return peer

    def of(self, number: int) -> Connection | None:
        """The connection of a frame that came by this file descriptor."""
        return self.connections.of(self.publisher, SimpleNamespace(get=lambda _: number))

    def numbers(self) -> set[int]:
        """The file descriptors of those that are there."""
        self.connections.update()
        return set(self.connections.living[self.publisher])


def descriptors() -> set[int]:
    """The file descriptors that are open."""
    numbers = map(int, os.listdir("/proc/self/fd"))
    return {each for each in numbers if os.path.exists(f"/proc/self/fd/{each}")}


@pytest.fixture
def scene() -> Iterator[Scene]:
    context: zmq.Context[Any] = zmq.Context()
    made = Scene(context)
    yield made
    made.connections.close()
    context.destroy(0)


def test_a_number_that_is_used_anew_is_another_connection(scene: Scene) -> None:
    """Though nobody has looked in between at who came and went."""
    with scene.connect():
        (number,) = scene.numbers()
        old = scene.of(number)
    wait_until(lambda: not os.path.exists(f"/proc/self/fd/{number}"))
    with scene.connect():  # the lowest number that is free is used first
        new = scene.of(number)
        assert scene.numbers() == {number}
    assert old is not None
    assert new is not None
    assert new is not old


def test_one_is_known_however_many_came_before_it(scene: Scene) -> None:
    """As many as a monitor holds, at most."""
    with ExitStack() as peers:
        for _ in range(90):
            peers.enter_context(scene.connect())
        before = descriptors()
        last = peers.enter_context(scene.connect())
        (newest,) = descriptors() - before - {last.fileno()}
        assert scene.of(newest) is not None

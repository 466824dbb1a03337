"""Who comes in where workers' events do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from orchestrator.rig.connections import Connections
from orchestrator.rig.door import Door
from orchestrator.rig.gate import Gate
from orchestrator.rig.host_keys import HostKeys
from orchestrator.rig.sockets import Sockets
from tests.rigs import wait_until
from workers.serving.events import EventPublisher

TOKEN = "0123456789abcdef"


class Scene:
    """The rig's end, whose door is answered when the test says so."""

    def __init__(self, folder: Path) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.workers: zmq.Context[Any] = zmq.Context()
        self.sockets = Sockets(self.context, "rig")
        self.refusals: list[bool] = []
        self.door = Door(self.context, {TOKEN.encode()}, Gate({}), HostKeys())
        guarded = (self.sockets.collector,)
        self.connections = Connections(self.context, (), 0, lambda *_: None, guarded, 9)
        self.connections.turned_away = self._refused
        self.sockets.bind([], folder, -1, {})

    def _refused(self, left: bool) -> None:
        self.refusals.append(left)

    def publisher(self, token: str) -> EventPublisher:
        """A worker that comes in, or knocks."""
        address = self.sockets.events
        made = EventPublisher(self.workers, address, rig="rig", worker="a", base=0, token=token)
        assert self.door.socket.poll(10_000)
        self.door.answer()
        return made

    def await_refusal(self) -> None:
        wait_until(lambda: self.connections.update() or self.refusals)

    def close(self) -> None:
        self.connections.close()
        self.door.close()
        self.sockets.close()
        self.workers.destroy(0)
        self.context.destroy(0)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


def test_a_worker_that_lives_comes_in(scene: Scene) -> None:
    """It is told of subscriptions as soon as the rig looks."""
    publisher = scene.publisher(TOKEN)
    while not publisher.await_subscriptions(0.01):
        scene.sockets.collector.poll(0)
    assert not scene.refusals
    publisher.close(0)


def test_nobody_else_does(scene: Scene) -> None:
    """It hears nothing, and says nothing."""
    publisher = scene.publisher(TOKEN[1:])
    scene.await_refusal()
    assert scene.refusals == [False]
    for _ in range(10):
        scene.sockets.collector.poll(0)
        assert not publisher.await_subscriptions(0.01)
    publisher.close(0)


def test_who_shows_no_token_is_told_too(scene: Scene) -> None:
    """As any publisher of ZeroMQ, which doesn't know of it."""
    with scene.workers.socket(zmq.PUB) as publisher:
        publisher.linger = 0
        publisher.connect(scene.sockets.events)
        scene.await_refusal()


def test_what_is_no_question_gets_no_answer(scene: Scene) -> None:
    scene.door.answer()
    with scene.context.socket(zmq.DEALER) as other:
        other.linger = 0
        other.connect("inproc://zeromq.zap.01")
        other.send(b"in another form")
        assert scene.door.socket.poll(10_000)
        scene.door.answer()
        assert not other.poll(100)
    assert not scene.refusals

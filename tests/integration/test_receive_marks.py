"""No socket that others can reach over tcp has a receive mark and comes to send a heartbeat.

libzmq aborts the process when such a socket's input has stopped and its peer leaves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import zmq

from orchestrator.client import handshakes
from orchestrator.rig.sockets import Sockets
from tests.integration.test_rig_siege import CONFIG, DRIVER, free_port
from tests.rigs import running
from transports.hololinked.sockets import BaseSyncZMQ
from workers.serving.links import SocketLink

ROOT = Path(__file__).parents[2]
PLACES = {
    "orchestrator/agent/agent.py",  # these two read in any case, by keys, and have no marks
    "orchestrator/rig/hosts.py",
    "orchestrator/client/plugs.py",
    "orchestrator/client/feed.py",
    "orchestrator/client/handshakes.py",
    "orchestrator/rig/connections.py",
    "orchestrator/rig/door.py",
    "orchestrator/rig/sockets.py",
    "transports/hololinked/sockets.py",
    "workers/serving/events.py",
    "workers/serving/links.py",
}
"""Where sockets are made; each is seen by a test below but the monitors', which are inproc."""


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[zmq.Socket[Any]]:
    """The sockets that are made meanwhile in this process."""
    sockets: list[zmq.Socket[Any]] = []
    make = zmq.Context.socket

    def spy(self: zmq.Context[Any], *args: Any, **kwargs: Any) -> zmq.Socket[Any]:
        sockets.append(make(self, *args, **kwargs))
        return sockets[-1]

    monkeypatch.setattr(zmq.Context, "socket", spy)
    return sockets


def marks(sockets: list[zmq.Socket[Any]]) -> dict[str, int]:
    """The receive marks of sockets, by type."""
    return {zmq.SocketType(each.get(zmq.TYPE)).name: each.rcvhwm for each in sockets}


def test_every_place_is_known() -> None:
    """A new one belongs into a test here."""
    found = {
        str(path.relative_to(ROOT))
        for package in ("orchestrator", "orch", "transports", "workers")
        for path in (ROOT / package).rglob("*.py")
        if "ontext.socket(" in path.read_text()
    }
    assert found == PLACES


def test_of_a_rig(made: list[zmq.Socket[Any]]) -> None:
    """Only where workers' events come in: there a worker has to wait, and only its user comes."""
    context: zmq.Context[Any] = zmq.Context()
    sockets = Sockets(context, "rig")
    try:
        assert marks(made) == {"ROUTER": 0, "XPUB": 0, "XSUB": 1000}
        assert [each.get(zmq.HEARTBEAT_IVL) for each in made] == [0] * 4
    finally:
        sockets.close()
        context.destroy(0)


def test_of_a_worker(made: list[zmq.Socket[Any]]) -> None:
    """What comes to it is bounded by its credit."""
    context: zmq.Context[Any] = zmq.Context()
    try:
        SocketLink(context, "inproc://nobody", b"0.queued")
        assert marks(made) == {"DEALER": 0}
    finally:
        context.destroy(0)


def test_of_a_client(made: list[zmq.Socket[Any]]) -> None:
    """Requests and events, by tcp."""
    port = free_port()
    with (
        running(CONFIG.format(port=port), {"box": DRIVER}) as rig,
        rig.connected(f"tcp://127.0.0.1:{port}") as client,
        client["a"].subscribe("said", timeout=20) as events,
    ):
        client["a"].say(1)
        assert next(events).value == 1
        live = [each for each in made if not each.closed]
        assert marks(live) == {"DEALER": 0, "SUB": 0}


def test_of_a_client_that_is_refused(
    made: list[zmq.Socket[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks why by a socket of its own."""
    found: list[dict[str, int]] = []

    def read(self: handshakes.HandshakeWatch) -> str:
        found.append(marks(made))
        return "is looked at"

    monkeypatch.setattr(handshakes.HandshakeWatch, "read", read)
    with zmq.Context() as context:
        assert handshakes.ask(f"tcp://127.0.0.1:{free_port()}", context, None) == "is looked at"
    assert found == [{"DEALER": 0, "PAIR": 0}]


@pytest.mark.parametrize("kind", [zmq.ROUTER, zmq.DEALER, zmq.PUB, zmq.SUB])
def test_of_the_transports(made: list[zmq.Socket[Any]], kind: int) -> None:
    """A subscriber may be slow: it has a mark, and neither side sends heartbeats."""
    context: zmq.Context[Any] = zmq.Context()
    binds = kind in (zmq.ROUTER, zmq.PUB)
    try:
        socket, _ = BaseSyncZMQ.get_socket(
            id="some",
            node_type="server" if binds else "client",
            context=context,
            transport=f"tcp://127.0.0.1:{free_port()}",
            socket_type=kind,
        )
        has_mark, beats = socket.rcvhwm > 0, socket.get(zmq.HEARTBEAT_IVL) > 0
        assert has_mark == (kind == zmq.SUB)
        assert beats == (kind in (zmq.ROUTER, zmq.DEALER))
        assert socket.get(zmq.TCP_KEEPALIVE) == (-1 if beats else 1)
    finally:
        context.destroy(0)

"""Clients that take no part: an id that is taken, floods, answers that nobody reads."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from uuid import uuid4

import psutil
import pytest
import zmq

from tests.rigs import RunningRig, running, wait_until
from transports import SyncZMQClient
from transports.headers import execution_context
from transports.hololinked.messages import RequestMessage, ResponseMessage
from transports.serializers import SerializableData

DRIVER = """
import threading

class Box:
    def __init__(self):
        self._go = threading.Event()

    def add(self, a: int) -> int:
        return a + 1

    def large(self, size: int) -> bytes:
        return bytes(size)

    def block(self) -> None:
        self._go.clear()
        self._go.wait()

    def unblock(self) -> None:
        self._go.set()
"""
CONFIG = """
rig: hostile
workers:
  one: {driver: "box:Box", concurrent: [unblock]}
  two: {driver: "box:Box"}
"""
MIB = 1 << 20


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"box": DRIVER}) as rig:
        yield rig


class Stranger:
    """A DEALER of a given identity at the rig's front."""

    def __init__(self, rig: RunningRig, identity: str | None = None) -> None:
        self.identity = identity or str(uuid4())
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.sndhwm = self.socket.rcvhwm = 0
        self.socket.setsockopt_string(zmq.IDENTITY, self.identity)
        self.socket.connect(front(rig))

    def send(self, worker: str, action: str, **kwargs: object) -> str:
        """Send a request; its message id."""
        message = RequestMessage.craft_from_arguments(
            "hostile",
            self.identity,
            worker,
            action,
            "invokeaction",
            SerializableData(kwargs),
            server_execution_context=execution_context(60.0, 60.0),
        )
        self.socket.send_multipart(message.byte_array[1:])
        return str(message.id)

    def receive(self, milliseconds: int = 10_000) -> ResponseMessage | None:
        """The next answer, if one comes in time."""
        if not self.socket.poll(milliseconds):
            return None
        return ResponseMessage([b"", *self.socket.recv_multipart()])

    def close(self) -> None:
        self.socket.close()
        self.context.term()


@contextlib.contextmanager
def stranger(rig: RunningRig, identity: str | None = None) -> Iterator[Stranger]:
    made = Stranger(rig, identity)
    try:
        yield made
    finally:
        made.close()


def front(rig: RunningRig) -> str:
    """Where the rig takes requests."""
    state = json.loads((rig.folder / "run" / "hostile" / "state.json").read_text())
    return str(state["addresses"][0])


def memory(rig: RunningRig) -> int:
    """Resident bytes of the rig's own process."""
    return int(psutil.Process(rig.process.pid).memory_info().rss)


def test_an_id_that_is_connected_stays_its_owner_s(rig: RunningRig) -> None:
    """Nobody can take over its answers, nor disturb it."""
    with stranger(rig, "taken") as owner:
        owner.send("one", "add", a=1)
        first = owner.receive()
        assert first is not None
        with stranger(rig, "taken") as thief:
            waiting = [owner.send("one", "add", a=number) for number in range(10)]
            for _ in range(10):
                thief.send("one", "add", a=100)
            answers = [owner.receive() for _ in waiting]
            assert [answer.id for answer in answers if answer] == waiting
            assert thief.receive(200) is None
        with pytest.raises(ConnectionError, match="in use"):
            SyncZMQClient("taken", "hostile", socket_address=front(rig), handshake_timeout=700)
        owner.send("one", "add", a=1)
        assert owner.receive() is not None
    # free again once its owner has left
    with SyncZMQClient("taken", "hostile", socket_address=front(rig)) as client:
        assert client.execute("one", "add", "invokeaction", SerializableData({"a": 1})).type


def test_a_flood_delays_nobody_else(rig: RunningRig) -> None:
    """Thousands of requests of one client; another one's are answered all the while, within the
    5 s that each may wait."""
    count = 20_000
    with stranger(rig) as flooder, rig.connected() as client:
        before = memory(rig)
        for number in range(count):
            flooder.send("one", "add", a=number)
        for number in range(50):
            assert client["two"].call("add", number) == number + 1
        kinds = set()
        for _ in range(count):
            answer = flooder.receive()
            assert answer is not None, "a request without an answer"
            kinds.add(answer.type)
        assert kinds <= {"REPLY", "INVALID_MESSAGE"}
        assert memory(rig) - before < 200 * MIB
        wait_until(lambda: client.status()["workers"][0]["queue"] == 0)


def test_a_queue_that_is_full_refuses_at_once(rig: RunningRig) -> None:
    """What waits for a busy worker is bounded; each client has its share."""
    count = 15_000
    with stranger(rig) as flooder, rig.connected() as client:
        block = client["one"].submit("block", execution_timeout=60)
        wait_until(lambda: client.status()["workers"][0]["in_flight"])
        for number in range(count):
            flooder.send("one", "add", a=number)
        first = flooder.receive()
        assert first is not None
        assert first.type == "INVALID_MESSAGE"
        exception = first.payload.deserialize()["exception"]
        assert (exception["type"], exception["outcome"]) == ("BufferError", "not started")
        # there is room for others
        waiting = client["one"].submit("add", 1, invocation_timeout=60)
        client["one"].call("unblock")
        assert block.result(20) is None
        assert waiting.result(30) == 2
        for _ in range(count - 1):
            assert flooder.receive() is not None


def test_answers_that_nobody_reads_cost_nobody_else(rig: RunningRig) -> None:
    """Neither their turn, nor memory that adds up from one such client to the next."""
    with rig.connected() as client:
        client["two"].call("add", 1)
        before = memory(rig)
        for _ in range(2):
            with stranger(rig) as mute:
                mute.socket.rcvhwm = 1
                for _ in range(300):
                    mute.send("two", "large", size=MIB)
                deadline = time.monotonic() + 30
                while client.status()["workers"][1]["queue"]:
                    assert client["one"].call("add", 1) == 2  # within the 5 s that it may wait
                    assert time.monotonic() < deadline
                # What is freed may stay with the allocator, so it is the second round that tells.
                assert memory(rig) - before < 400 * MIB
        assert client["two"].call("add", 1) == 2

"""Strangers at every socket of a rig, with raw sockets and raw bytes: none ends it or fills it."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
import zmq

from orchestrator.client.rig import Rig
from tests.integration.raw_zmtp import MIB, endless_message, raw_peer
from tests.rigs import RunningRig, running, wait_until

DRIVER = """
import os, threading
from workers import Event

class Plain:
    said = Event()

    @property
    def pid(self) -> int:
        return os.getpid()

    def say(self, value: int) -> None:
        self.said.emit(value)

class Liar:
    def lie(self, address: str, token: str, topic: str) -> None:
        import zmq
        socket = zmq.Context.instance().socket(zmq.XPUB)
        socket.linger = 1000
        socket.plain_username, socket.plain_password = b"b", token.encode()
        socket.connect(address)
        if not socket.poll(1000):
            return  # it isn't let in
        socket.send_multipart([topic.encode(), token.encode(), b"{}", b"1", b""])
        socket.close()
"""
CONFIG = """
rig: besieged
listen: [ipc, "tcp://127.0.0.1:{port}"]
workers:
  a: {{driver: "box:Plain"}}
  b: {{driver: "box:Liar"}}
"""


def free_port() -> int:
    """A port that is free, and the one after it too."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            with contextlib.suppress(OSError):
                other.bind(("127.0.0.1", port + 1))
                return port


class Besieged:
    """A rig, a client that calls all the while, and where strangers come in."""

    def __init__(self, rig: RunningRig, client: Rig, port: int) -> None:
        self.rig = rig
        self.client = client
        self.port = port
        self.front = f"tcp://127.0.0.1:{port}"
        self.events = f"tcp://127.0.0.1:{port + 1}"
        self.context: zmq.Context[Any] = zmq.Context()
        self._sockets: list[zmq.Socket[Any]] = []

    def socket(self, kind: int, address: str, identity: bytes | None = None) -> zmq.Socket[Any]:
        """A stranger's socket, connected."""
        made: zmq.Socket[Any] = self.context.socket(kind)
        self._sockets.append(made)
        made.linger = 0
        made.sndhwm = made.rcvhwm = 0
        made.sndtimeo = 10_000
        # No heartbeats: a socket that is closed stops its input too, and libzmq ends the test's
        # process if one falls due just then and the rig has cut it off. Peers in raw bytes send
        # them, see test_rig_stopped_input.
        if identity is not None:
            made.setsockopt(zmq.IDENTITY, identity)
        made.connect(address)
        return made

    def close(self) -> None:
        """Close the strangers' sockets."""
        for each in self._sockets:
            each.close(0)
        self.context.term()

    def counts(self) -> dict[str, int]:
        """What `status` counts."""
        return dict(self.client.status()["counts"])

    def memory(self, pid: int | None = None) -> int:
        """Resident bytes of the rig's own process, or another one."""
        return int(psutil.Process(pid or self.rig.process.pid).memory_info().rss)

    def records(self) -> list[dict[str, object]]:
        """What the rig has told of itself."""
        done = self.rig.orch("logs", "--rig", "besieged", "-o", "json")
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def besieged() -> Iterator[Besieged]:
    port = free_port()
    with running(CONFIG.format(port=port), {"box": DRIVER}) as rig, rig.connected() as client:
        made = Besieged(rig, client, port)
        pid = client["a"].pid
        try:
            yield made
            assert client["a"].pid == pid
            assert rig.process.poll() is None
            assert not made.counts().get("faults"), rig.text
        finally:
            made.close()


def test_torn_subscriptions_cost_their_sender_alone(besieged: Besieged) -> None:
    """libzmq takes the second part out, and hands over a first one that says: more follows."""
    heard = besieged.client["a"].subscribe("said")
    stranger = besieged.socket(zmq.XSUB, besieged.events)
    for _ in range(2):
        stranger.send_multipart([b"x", b"\x01t"])
    stranger.send_multipart([b"", b"", b"\x00a/said", b"y" * 500])
    stranger.send_multipart([b"\x01" + b"t" * 900, b"\x00a/said", b""])
    wait_until(lambda: besieged.counts().get("strangers", 0) >= 5)
    besieged.client["a"].say(7)
    assert next(heard).value == 7
    heard.close()


def test_nobody_ends_another_s_subscription(besieged: Besieged) -> None:
    """Neither who never made it, nor who made the same one and leaves."""
    heard = besieged.client["a"].subscribe("said")
    port = besieged.port + 1
    with raw_peer(f"tcp://127.0.0.1:{port}", "XSUB") as stranger:
        for message in (b"\x00a/said", b"\x00a/said", b"\x01a/said", b"\x00a/said", b"\x01a/"):
            stranger.sendall(bytes([0, len(message)]) + message)
        besieged.client["a"].say(1)
        assert next(heard).value == 1
    wait_until(lambda: besieged.client.status()["connections"]["tcp"] == 0)
    for value in range(2, 20):
        besieged.client["a"].say(value)
        assert next(heard).value == value
    heard.close()


def test_bytes_that_are_no_zeromq(besieged: Besieged) -> None:
    """At any port, in any number."""
    for port in (besieged.port, besieged.port + 1):
        for rubbish in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\xff" + bytes(8) + b"\x7f\x03"):
            with socket.create_connection(("127.0.0.1", port)) as stranger:
                stranger.sendall(rubbish)
    besieged.client["a"].pid  # noqa: B018  it is asked over the socket
    wait_until(lambda: besieged.client.status()["connections"]["tcp"] == 0)


FLOOD = """
import sys, zmq
context = zmq.Context()
strangers = [context.socket(zmq.DEALER) for _ in range(2)]
for each in strangers:
    each.linger = each.sndhwm = each.rcvhwm = 0
    each.connect(sys.argv[1])
for _ in range(3000):
    for each in strangers:
        each.send_multipart([b"", b"h" * 60_000, b"", b""])
sys.stdin.readline()
for each in strangers:
    each.close()
sys.stdin.readline()
"""


def test_a_flood_of_long_headers_that_leaves(besieged: Besieged) -> None:
    """libzmq aborted when an input that had reached its mark lost its peer."""
    for _ in range(3):
        # In a process of their own, as libzmq may abort at that end too.
        command = [sys.executable, "-c", FLOOD, besieged.front]
        with subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0) as strangers:
            try:
                wait_until(lambda: besieged.counts().get("refused", 0) > 10)
                assert strangers.stdin is not None
                strangers.stdin.write(b"leave\n")
                time.sleep(2.5)  # a heartbeat of the rig falls due: there is nothing else to await
                assert besieged.client["a"].pid
            finally:
                strangers.kill()


def test_refusals_are_summed_up(besieged: Besieged) -> None:
    """Their number can't push other records out, and their texts are short."""
    stranger = besieged.socket(zmq.DEALER, besieged.front)
    before = besieged.counts().get("refused", 0)
    for number in range(90):  # less than it is cut off for
        header = {
            "messageType": "OPERATION",
            "messageID": str(number),
            "senderID": "s",
            "receiverID": "besieged",
            "thingID": "x" * 900,
            "objekt": "pid",
            "operation": "readproperty",
        }
        stranger.send_multipart([b"", json.dumps(header).encode(), b"null", b""])
        stranger.send_multipart([b"", b"x" * 60_000, b"", b""])
    wait_until(lambda: besieged.counts().get("refused", 0) - before >= 180)
    wait_until(lambda: any(r.get("fields", {}).get("times") for r in besieged.records()), 10)
    refused = [r for r in besieged.records() if "refused" in str(r.get("event"))]
    assert len(refused) < 20
    told = sum(r.get("fields", {}).get("times", 1) for r in refused)
    assert told == besieged.counts()["refused"]
    assert all(len(json.dumps(record)) < 3000 for record in refused)


def test_who_sends_only_rubbish_is_cut_off(besieged: Besieged) -> None:
    """And others are answered as before meanwhile."""
    strangers = [besieged.socket(zmq.DEALER, besieged.front) for _ in range(4)]
    for _ in range(5000):
        for each in strangers:
            each.send_multipart([b"rubbish"])
    waits = []
    for _ in range(200):
        began = time.perf_counter()
        assert besieged.client["a"].pid
        waits.append(time.perf_counter() - began)
    counts = besieged.counts()
    assert counts["cut off"] >= 4
    assert sorted(waits)[-3] < 0.5


def test_a_long_name_is_refused_before_it_is_compared(besieged: Besieged) -> None:
    """To look for a worker with a similar name takes quadratic time."""
    stranger = besieged.socket(zmq.DEALER, besieged.front)
    header = {
        "messageType": "OPERATION",
        "messageID": "1",
        "senderID": "s",
        "receiverID": "besieged",
        "thingID": "n" * 60_000,
        "objekt": "pid",
        "operation": "readproperty",
    }
    stranger.send_multipart([b"", json.dumps(header).encode(), b"null", b""])
    assert stranger.poll(10_000)
    _, answer, payload, _ = stranger.recv_multipart()
    assert json.loads(answer)["messageType"] == "INVALID_MESSAGE"
    assert b"60000 characters" in payload
    assert len(payload) < 2000


def test_subscriptions_without_end(besieged: Besieged) -> None:
    """Who asks for too many is cut off; workers don't even hear of what isn't theirs."""
    worker = besieged.client["a"].pid
    before, own = besieged.memory(worker), besieged.memory()
    heard = besieged.client["a"].subscribe("said")
    stranger = besieged.socket(zmq.SUB, besieged.events)
    stranger.setsockopt(zmq.RECONNECT_IVL, -1)
    for number in range(20_000):
        stranger.subscribe(f"other/{number:0100d}")
    wait_until(lambda: besieged.counts().get("cut off"))
    another = besieged.socket(zmq.SUB, besieged.events)
    another.setsockopt(zmq.RECONNECT_IVL, -1)
    for number in range(20_000):
        another.subscribe(f"a/{number:0100d}")
    wait_until(lambda: besieged.counts().get("cut off", 0) >= 2, 40)
    besieged.client["a"].say(8)
    assert next(heard).value == 8
    heard.close()
    assert besieged.memory(worker) - before < 60 * MIB
    assert besieged.memory() - own < 700 * MIB


def test_one_driver_can_t_publish_as_another(besieged: Besieged) -> None:
    """Events are tied to the incarnation, as replies are."""
    heard = besieged.client["a"].subscribe("said")
    events = f"ipc://{besieged.rig.folder}/run/besieged/sockets/xsub.ipc"
    if not Path(events.removeprefix("ipc://")).exists():
        found = next(Path(besieged.rig.folder, "run").rglob("xsub.ipc"))
        events = f"ipc://{found}"
    besieged.client["b"].lie(events, "0" * 32, "@a/said")
    wait_until(lambda: besieged.counts().get("events dropped"))
    with pytest.raises(ConnectionError), raw_peer(events, "PUB"):
        pytest.fail("let in without the token of a worker")
    besieged.client["a"].say(1)
    assert next(heard).value == 1
    heard.close()


def test_more_connections_than_the_cap(tmp_path: Path) -> None:
    """Newcomers above it are closed; the rig, and who is there already, go on."""
    port = free_port()
    config = CONFIG.format(port=port)
    with limited(400), running(config, {"box": DRIVER}) as rig, rig.connected() as client:
        cap = client.status()["connections_at_most"]
        assert 16 <= cap < 100
        strangers = []
        for _ in range(3 * cap):
            with contextlib.suppress(OSError):
                strangers.append(socket.create_connection(("127.0.0.1", port), timeout=5))
        assert client["a"].pid
        assert client.status()["connections"]["tcp"] <= cap
        assert client.status()["counts"]["connections refused"] >= cap
        assert rig.orch("status").returncode == 0
        for each in strangers:
            each.close()
        wait_until(lambda: client.status()["connections"]["tcp"] == 0)
        with rig.connected(f"tcp://127.0.0.1:{port}") as other:
            assert other["a"].pid
        # where workers come in there is a cap too, and a worker has its place
        refused = client.status()["counts"]["connections refused"]
        link = str(next((rig.folder / "run").rglob("link.ipc")))
        for _ in range(3 * cap):
            strangers.append(socket.socket(socket.AF_UNIX))
            strangers[-1].connect(link)
        wait_until(lambda: client.status()["counts"]["connections refused"] > refused + cap)
        assert client["a"].pid
        for each in strangers:
            each.close()


def test_too_low_a_limit_is_one_line() -> None:
    """Not an abort at some later connection."""
    with limited(120), running(CONFIG.format(port=free_port()), {"box": DRIVER}, settle=False) as r:
        assert r.process.wait(20) == 2
        assert "the limit of open files is 120" in r.text
        assert "Traceback" not in r.text


def test_150_workers_at_a_soft_limit_of_1024() -> None:
    """The soft limit is raised to the hard one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 4096:
        pytest.skip(f"the hard limit here is {hard}")
    with limited(1024, hard), running(CONFIG.format(port=free_port()), {"box": DRIVER}) as rig:
        limits = Path(f"/proc/{rig.process.pid}/limits").read_text()
        line = next(each for each in limits.splitlines() if "open files" in each)
        assert line.split()[3] == str(hard)


@contextlib.contextmanager
def limited(soft: int, hard: int | None = None) -> Iterator[None]:
    """What is started meanwhile may open so many files."""
    before = RunningRig.command

    def command(self: RunningRig, *arguments: str) -> list[str]:
        own = before(self, *arguments)
        return ["prlimit", f"--nofile={soft}:{hard or soft}", *own] if "run" in arguments else own

    RunningRig.command = command  # type: ignore[method-assign]
    try:
        yield
    finally:
        RunningRig.command = before  # type: ignore[method-assign]


def test_a_message_without_end(besieged: Besieged) -> None:
    """Its frames can't be read before the last one is there, and there is none."""
    peak, stop = 0, threading.Event()
    with endless_message(besieged.front, stop):
        deadline = time.monotonic() + 60
        while not besieged.counts().get("cut off") and time.monotonic() < deadline:
            peak = max(peak, besieged.memory())
        assert besieged.counts()["cut off"] == 1
    assert peak < 1800 * MIB
    wait_until(lambda: besieged.memory() < 300 * MIB)


def test_another_user_s_connection_is_refused() -> None:
    """The socket's mode and folder keep others out, and so does the socket itself."""
    if os.getuid() != 0:
        pytest.skip("takes root, to be another user")
    with running(CONFIG.format(port=free_port()), {"box": DRIVER}) as rig:
        state = json.loads((rig.folder / "run" / "besieged" / "state.json").read_text())
        address = str(state["addresses"][0])
        path = Path(address.removeprefix("ipc://"))
        for each in (path, *path.parents):
            if each == Path("/tmp"):
                break
            each.chmod(0o777)
        code = (
            "import sys, zmq\n"
            "s = zmq.Context().socket(zmq.DEALER); s.linger = 0\n"
            "s.connect(sys.argv[1]); s.send_multipart([b'', b'rubbish', b'', b''])\n"
            "print(s.poll(1500))\n"
        )
        command = [sys.executable, "-c", code, address]
        mine = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert mine.stdout.strip() == "1", "whoever owns the rig is answered"
        as_other = ["setpriv", "--reuid=65534", "--clear-groups", *command]
        done = subprocess.run(as_other, capture_output=True, text=True, timeout=30)
        assert done.stdout.strip() == "0", done.stderr


def test_an_identity_that_is_used(besieged: Besieged) -> None:
    """What its second bearer sends is never read, and costs its owner nothing.

    Its input stops at the receive mark; libzmq aborted when it then left before a heartbeat.
    """
    name = uuid4().hex.encode()
    owner = besieged.socket(zmq.DEALER, besieged.front, name)
    owner.send_multipart([b"", b"rubbish", b"", b""])
    assert owner.poll(10_000)
    owner.recv_multipart()
    for _ in range(3):
        thief = besieged.socket(zmq.DEALER, besieged.front, name)
        for _ in range(3000):
            thief.send_multipart([b"", b"x" * 1000, b"", b""])
        wait_until(lambda: besieged.client["a"].pid)
        thief.close(0)
    end = time.monotonic() + 5.0  # until a heartbeat of the rig has fallen due
    while time.monotonic() < end:
        assert besieged.client["a"].pid
    owner.send_multipart([b"", b"rubbish", b"", b""])
    assert owner.poll(10_000)

"""What libzmq doesn't survive, and what it keeps for ever: met by the rig's own means."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest
import zmq

from tests.integration.raw_zmtp import MIB, PING, frame, raw_peer, reset
from tests.integration.test_rig_siege import CONFIG, DRIVER, Besieged, free_port
from tests.rigs import running, wait_until


@pytest.fixture
def besieged() -> Iterator[Besieged]:
    port = free_port()
    with running(CONFIG.format(port=port), {"box": DRIVER}) as rig, rig.connected() as client:
        made = Besieged(rig, client, port)
        try:
            yield made
            assert rig.process.poll() is None, rig.text[-2000:]
            assert not made.counts().get("faults"), rig.text
        finally:
            made.close()


@pytest.mark.parametrize("where", ["tcp", "ipc", "events"])
def test_heartbeats_behind_more_than_is_read(besieged: Besieged, where: str) -> None:
    """libzmq aborts if it comes to a PING of a peer that has gone while its input was stopped."""
    address = {"tcp": besieged.front, "ipc": besieged.client.address, "events": besieged.events}
    kind = "SUB" if where == "events" else "DEALER"
    message = frame(b"\x01a/x" if where == "events" else b"a")
    for each in (20, 50, 100) * 6:
        with contextlib.ExitStack() as strangers:
            raws = []
            while len(raws) < 4:
                with contextlib.suppress(ConnectionError):  # the socket is made anew just now
                    raws.append(strangers.enter_context(raw_peer(address[where], kind)))
            for raw in raws:
                with contextlib.suppress(OSError):  # cut off, as it may be
                    raw.sendall((message * each + PING) * 50)
            for raw in raws:
                reset(raw)
        assert besieged.client["a"].pid


@pytest.mark.parametrize("where", ["tcp", "ipc"])
def test_an_identity_that_is_used_again_and_again(besieged: Besieged, where: str) -> None:
    """libzmq keeps what its second bearers send until the socket is closed."""
    address = besieged.front if where == "tcp" else str(besieged.client.address)
    name = uuid4().hex.encode()
    owner = besieged.socket(zmq.DEALER, address, name)
    owner.send_multipart([b"", b"rubbish", b"", b""])
    assert owner.poll(10_000)
    owner.recv_multipart()
    large, peak = frame(bytes(20 * MIB)), 0
    for _ in range(200):  # 4 GiB
        with contextlib.suppress(OSError), raw_peer(address, "DEALER", name) as thief:
            thief.sendall(large)
        peak = max(peak, besieged.memory())
        assert besieged.client["a"].pid
    assert peak < 2000 * MIB
    assert besieged.counts()["fronts renewed"] >= 1
    wait_until(lambda: besieged.memory() < 1000 * MIB)
    with besieged.rig.connected(address) as client:
        assert client["a"].pid


def test_answers_outlive_a_new_socket_for_clients(besieged: Besieged) -> None:
    """A client whose operation runs meanwhile connects again, and gets its answer."""
    name = uuid4().hex.encode()
    owner = besieged.socket(zmq.DEALER, besieged.front, name)
    owner.send_multipart([b"", b"rubbish", b"", b""])
    assert owner.poll(10_000)
    errors: list[BaseException] = []
    stop = threading.Event()

    def call() -> None:
        with besieged.rig.connected(besieged.front) as client:
            while not stop.is_set():
                try:
                    assert client["a"].pid
                except BaseException as error:
                    errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        large = frame(bytes(50 * MIB))
        while not besieged.counts().get("fronts renewed"):
            with contextlib.suppress(OSError), raw_peer(besieged.front, "DEALER", name) as thief:
                thief.sendall(large)
    finally:
        stop.set()
        thread.join()
    assert len(errors) <= 1, errors

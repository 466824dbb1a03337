"""Rigs with and without lanes: the same promises, whichever side does without."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zmq

import orch
from orchestrator import aconnect
from orchestrator.errors import RigLost
from tests.rigs import RunningRig, running, wait_until
from transports import lane
from transports.headers import HANDSHAKE, RequestHeader, encode_header
from transports.lane import PacketLane

CONFIG = """
rig: lanes
shared_memory: off
workers:
  box:
    driver: "box:Box"
    concurrent: [beside]
"""
DRIVER = """
import os, time
from workers import Event

class Box:
    said = Event()

    def say(self, value):
        self.said.emit(value)

    def __init__(self):
        self.order = []

    def echo(self, value):
        return value

    def note(self, number, filler):
        self.order.append(number)

    def noted(self):
        return list(self.order)

    def beside(self, value):
        return value

    def pause(self, seconds):
        time.sleep(seconds)

    def fork(self, seconds):
        if not os.fork():
            time.sleep(seconds)
            os._exit(0)
        return os.getpid()
"""
SIDES = ("rig", "client")
"""A worker does as its rig does."""


def without(side: str) -> Iterator[RunningRig]:
    """A rig with a side that does without lanes."""
    on = {each: "0" if each == side else "1" for each in SIDES}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(lane.VARIABLE, on["rig"])
        with running(CONFIG, {"box": DRIVER}) as rig:
            patch.setenv(lane.VARIABLE, on["client"])
            rig.environ[lane.VARIABLE] = on["client"]
            yield rig


@pytest.fixture(params=["", *SIDES])
def rig(request: pytest.FixtureRequest) -> Iterator[RunningRig]:
    yield from without(request.param)


@pytest.fixture
def laned() -> Iterator[RunningRig]:
    yield from without("")


def folder_of(rig: RunningRig) -> Path:
    """That of its sockets."""
    with rig.connected() as client:
        return Path(client.address.removeprefix("ipc://")).parent


def test_calls_of_all_kinds(rig: RunningRig) -> None:
    """Small and large ones, whose order is kept; from threads; awaited; beside others."""
    large = os.urandom(3_000_000)
    with rig.connected() as client:
        for value in (1, large, "text", large[:70_000]):
            assert client.box.echo(value) == value
        assert client.box.beside(large) == large
        futures = [
            client.box.submit("note", each, large if each % 5 == 0 else b"") for each in range(50)
        ]
        for each in futures:
            each.result(timeout=60)
        assert client.box.noted() == list(range(50))
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(client.box.echo, range(200))) == list(range(200))
        address = client.address

    async def awaits() -> list[int]:
        async with aconnect(address) as found:
            return await asyncio.gather(*(found.box.echo(each) for each in range(1500)))

    assert asyncio.run(awaits()) == list(range(1500))


def test_large_ones_are_awaited_beside_others_that_are_cancelled(rig: RunningRig) -> None:
    """What has no room goes on as soon as there is some, also when nothing else is to be sent."""
    large = os.urandom(8_000_000)

    async def awaits(address: str) -> None:
        async with aconnect(address) as found:
            box = found.box
            for _ in range(3):
                assert await asyncio.wait_for(box.echo(large), 30) == large
            asked = [asyncio.ensure_future(box.echo(large)) for _ in range(9)]
            await asyncio.sleep(0)
            for each in asked[1::2]:
                each.cancel()
            assert await asyncio.gather(*asked[::2]) == [large] * 5
            assert await box.echo("text") == "text"

    with rig.connected() as client:
        asyncio.run(awaits(client.address))


def test_a_large_oneway_request_is_sent_though_nothing_follows(rig: RunningRig) -> None:
    with rig.connected() as other, rig.connected() as client:
        client.box.oneway("note", 1, os.urandom(8_000_000))
        wait_until(lambda: other.box.noted() == [1], 10)


def test_one_that_a_stopped_rig_doesnt_take_is_told(laned: RunningRig) -> None:
    with laned.connected() as client:
        client.box.echo(1)
        os.kill(laned.process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(RigLost):
                client.box.oneway("note", 1, os.urandom(8_000_000))
        finally:
            os.kill(laned.process.pid, signal.SIGCONT)
        assert client.box.echo(2) == 2
        assert client.box.noted() == []


def test_oneway_requests_that_are_many_all_come(rig: RunningRig) -> None:
    """More than a lane has room for, without an answer that would tell that there is some."""
    with rig.connected() as client:
        for each in range(3000):
            client.box.oneway("note", each, b"")
        deadline = time.monotonic() + 30
        while len(noted := client.box.noted()) < 3000 and time.monotonic() < deadline:
            pass
        assert noted == list(range(3000))


def test_who_subscribed_before_a_request_hears_what_it_causes(rig: RunningRig) -> None:
    """Subscriptions go by another connection, which a request could overtake."""
    with rig.connected() as client:
        for number in range(200):
            with client.box.subscribe("said", timeout=20) as events:
                client.box.say(number)
                assert next(events).value == number


def test_who_it_is_is_the_same(rig: RunningRig) -> None:
    with rig.connected() as client:
        client.box.submit("pause", 1)
        while not (running_now := orch.status(client)["workers"][0]["running"]):
            pass
        assert running_now[0]["peer"] == f"pid {os.getpid()}"


def test_the_files_tell_whether_there_are_any(laned: RunningRig) -> None:
    names = {each.name for each in folder_of(laned).iterdir()}
    assert {lane.CLIENTS_FILE, lane.WORKERS_FILE} <= names
    for other in without("rig"):
        names = {each.name for each in folder_of(other).iterdir()}
        assert not {lane.CLIENTS_FILE, lane.WORKERS_FILE} & names


def test_nobody_comes_as_who_came_by_a_lane(laned: RunningRig) -> None:
    """By ZeroMQ: he isn't heard, and gets no answer of the other's."""
    folder = folder_of(laned)
    own = lane.connect(str(folder / lane.CLIENTS_FILE), b"ada")
    header = RequestHeader(messageType=HANDSHAKE, messageID="1", senderID="ada", receiverID="")
    frames = [b"", encode_header(header), b"null", b""]
    with zmq.Context() as context, context.socket(zmq.DEALER) as thief:
        thief.set(zmq.LINGER, 0)
        thief.set(zmq.IDENTITY, b"ada")
        thief.connect(f"ipc://{folder / 'front.ipc'}")
        thief.send_multipart(frames)
        answer = _asked(own, frames)
        assert answer
        assert not thief.poll(300)
    own.close()


def _asked(own: PacketLane, frames: list[bytes]) -> list[bytes]:
    own.send(frames)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if (answer := own.receive()) is not None:
            return answer
    return []


def test_a_child_of_a_driver_shares_nothing(laned: RunningRig) -> None:
    """Its worker's death is known, and its next life answers, while the child lives on."""
    with laned.connected() as client:
        pid = client.box.fork(5.0)
        os.kill(pid, signal.SIGKILL)
        assert client.box.echo(1) == 1


def test_a_rig_that_is_killed(laned: RunningRig) -> None:
    """What was under way is lost, at once; the same client goes on with the next rig."""
    with laned.connected() as client:
        future = client.box.submit("pause", 30)
        while not orch.status(client)["workers"][0]["running"]:
            pass
        laned.process.kill()
        laned.process.wait()
        with pytest.raises(RigLost, match="went away"):
            future.result(timeout=20)
        laned.start()
        laned.wait_settled()
        assert client.box.echo(1) == 1

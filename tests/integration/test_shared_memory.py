"""Frames through shared memory between real processes, of which any may be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import orch
from orchestrator import aconnect, connect, errors
from orchestrator.client.rig import Rig
from tests.rigs import RunningRig, _environment, is_alive, running, wait_until

CAMERA = """
import numpy as np

class Camera:
    def __init__(self):
        self.number = 0

    def grab(self, side: int = 1024) -> np.ndarray:
        self.number += 1
        return np.full((side, side), self.number, np.uint32)

    def pair(self) -> dict:
        names = np.zeros(70_000, [("a", "u1"), ("b", "<u4")])
        return {"dark": np.ones(300_000, "u1"), "names": names, "text": b"x" * 300_001}

    def total(self, frame: np.ndarray, other: object = None) -> int:
        self.kept = frame
        frame += 1
        return int(frame.sum())

    def pause(self, seconds: float) -> None:
        import time
        time.sleep(seconds)

    def kept_total(self) -> int:
        return int(self.kept.sum())

    def length(self, text: bytes) -> int:
        return len(text)

    @property
    def mask(self) -> np.ndarray:
        return self._mask

    @mask.setter
    def mask(self, value: np.ndarray) -> None:
        self._mask = value

    def wait(self, seconds: float) -> np.ndarray:
        import time
        time.sleep(seconds)
        return self.grab()
"""
CONFIG = """
rig: frames
shared_memory: 64MiB
listen: [ipc, "tcp://127.0.0.1:*"]
workers:
  camera: {driver: "camera:Camera", max_restarts: 100 in 1min, concurrent: [wait]}
  thread: {driver: "camera:Camera", transport: inproc}
"""
SENDING = """
import sys
import numpy as np
from orchestrator import connect
with connect() as rig:
    for number in range(4):
        rig.camera.total(np.full(1 << 20, number, np.uint8))
    blocked = rig["camera"].submit("pause", seconds=1.0)
    waiting = [rig["camera"].submit("total", np.full(1 << 20, 7, np.uint8)) for _ in range(3)]
    print(rig.status()["shared_memory"]["held"], flush=True)
    sys.stdin.read()
"""
HOLDING = """
import sys
from orchestrator import connect
with connect(zero_copy=True) as rig:
    views = [rig.camera.grab() for _ in range(4)]
    print(sum(not view.flags.writeable for view in views), flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"camera": CAMERA}) as rig:
        yield rig


@pytest.fixture
def client(rig: RunningRig) -> Iterator[Rig]:
    with rig.connected() as client:
        yield client


@pytest.fixture
def viewer(rig: RunningRig) -> Iterator[Rig]:
    with _environment(rig.environ), connect(zero_copy=True) as client:
        yield client


def slots(client: Rig) -> dict[str, Any]:
    """What the rig says of its slots."""
    return dict(orch.status(client)["shared_memory"])


def camera(client: Rig) -> dict[str, Any]:
    """What the rig says of it."""
    (found,) = [each for each in client.status()["workers"] if each["name"] == "camera"]
    return dict(found)


def pid_of_camera(client: Rig) -> int:
    """Of the life that is there, or the next one."""
    assert wait_until(lambda: camera(client)["pid"])
    return int(camera(client)["pid"])


def in_slot(client: Rig) -> Any:
    """A view of a frame in a slot; the first few may come inline."""
    frames: list[Any] = []

    def came() -> bool:
        frames[:] = [client.camera.grab()]
        return not frames[0].flags.writeable

    wait_until(came)
    return frames.pop()


def is_whole(frame: Any) -> bool:
    return bool((frame == frame.flat[0]).all())


@pytest.mark.parametrize("worker", ["camera", "thread"])
def test_arrays_arrive_as_they_were(client: Rig, worker: str) -> None:
    """One after the other, each the caller's own, and no slot stays held."""
    numbers = []
    for _ in range(12):
        frame = client[worker].call("grab")
        assert is_whole(frame)
        numbers.append(int(frame[0, 0]))
        frame[:] = 0
    assert numbers == list(range(numbers[0], numbers[0] + 12))
    assert slots(client)["slots"] > 0
    assert wait_until(lambda: slots(client)["held"] == 0)


def test_values_with_several_large_parts(client: Rig) -> None:
    """In memory where other frames were: none of those shows through."""
    first = client.camera.pair()
    for _ in range(4):
        client.camera.grab(360)
        found = client.camera.pair()
        assert found["text"] == first["text"]
        assert (found["dark"] == 1).all()
        assert found["names"].tobytes() == first["names"].tobytes()


def test_views_keep_their_frames(viewer: Rig) -> None:
    """While the worker goes on; where there are no slots left the frames come inline."""
    frames = [viewer.camera.grab() for _ in range(20)]
    assert sum(not frame.flags.writeable for frame in frames) >= 3
    numbers = [int(frame[0, 0]) for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + 20))
    assert all(map(is_whole, frames))
    assert slots(viewer)["held"] == sum(not frame.flags.writeable for frame in frames)
    frames.clear()
    assert wait_until(lambda: slots(viewer)["held"] == 0)


@pytest.mark.parametrize("worker", ["camera", "thread"])
def test_arguments_arrive_as_they_were(client: Rig, worker: str) -> None:
    """One after the other, each the driver's own, which it may keep and change."""
    for number in range(1, 9):
        frame = np.full((700, 700), number, np.uint32)
        assert client[worker].call("total", frame) == (number + 1) * frame.size
        assert frame[0, 0] == number
        client[worker].call("total", np.zeros((700, 701), np.uint32), other=b"x" * 300_000)
        assert client[worker].call("kept_total") == 700 * 701
    assert client[worker].call("length", b"x" * 999_999) == 999_999
    assert slots(client)["bytes"] > 0
    assert wait_until(lambda: slots(client)["held"] == 0)


def test_a_large_value_of_a_property(client: Rig) -> None:
    for number in range(5):
        value = np.full(2 << 20, number, np.uint8)
        client.camera.mask = value
        assert (client.camera.mask == value).all()


def test_many_requests_with_large_arguments_at_once(client: Rig) -> None:
    """More than there are slots: the others go inline, and some never go at all."""
    frames = [np.full(1 << 20, number, np.uint8) for number in range(20)]
    futures = [client["camera"].submit("total", frame) for frame in frames]
    for future in futures[15:]:
        future.cancel()
    for number, future in enumerate(futures[:15]):
        assert future.result(20) == (number + 1) << 20
    assert wait_until(lambda: slots(client)["held"] == 0)
    assert client.camera.total(frames[7]) == 8 << 20


def test_a_killed_worker_held_arguments(client: Rig) -> None:
    """They are the client's again, whether they waited or were read."""
    for _ in range(2):
        client.camera.total(np.zeros(1 << 20, np.uint8))
    for _ in range(3):
        pid = pid_of_camera(client)
        waiting = client["camera"].submit("wait", seconds=60)
        assert wait_until(lambda: camera(client)["in_flight"])
        futures = [
            client["camera"].submit("total", np.full(1 << 20, 3, np.uint8)) for _ in range(3)
        ]
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(errors.OutcomeUnknown):
            waiting.result(20)
        for future in futures:
            with contextlib.suppress(errors.OutcomeUnknown):
                assert future.result(20) == 4 << 20
    assert wait_until(lambda: slots(client)["held"] == 0)


def test_other_ways_are_inline(rig: RunningRig, client: Rig) -> None:
    """Over tcp, as ever."""
    (tcp,) = [each for each in orch.status(client)["addresses"] if each.startswith("tcp")]
    with rig.connected(tcp) as other:
        assert all(is_whole(other.camera.grab()) for _ in range(4))


def test_asyncio_reads_them_too(rig: RunningRig, client: Rig) -> None:
    async def read() -> list[bool]:
        async with aconnect(zero_copy=True) as other:
            frames = [await other.camera.grab() for _ in range(6)]
            return [frame.flags.writeable for frame in frames if is_whole(frame)]

    with _environment(rig.environ):
        writable = asyncio.run(read())
    assert len(writable) == 6
    assert not all(writable)
    assert wait_until(lambda: slots(client)["held"] == 0)


def test_a_killed_worker_leaves_the_views_of_its_frames(client: Rig, viewer: Rig) -> None:
    """Its next life has slots of its own."""
    for _ in range(3):
        frame = in_slot(viewer)
        number, pid = int(frame[0, 0]), pid_of_camera(client)
        waiting = viewer["camera"].submit("wait", seconds=60)
        assert wait_until(lambda: camera(client)["in_flight"])
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(errors.OutcomeUnknown):
            waiting.result(20)
        again = in_slot(viewer)
        assert pid_of_camera(client) != pid
        assert is_whole(again)
        assert is_whole(frame)
        assert frame[0, 0] == number
    del frame, again
    assert wait_until(lambda: slots(client)["held"] == 0)


@contextlib.contextmanager
def killed_at_the_end(rig: RunningRig, program: str) -> Iterator[int]:
    """A client in a process of its own; the number that it prints once it is where it should be."""
    client = subprocess.Popen(
        [sys.executable, "-c", program],
        env=rig.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with client:
        assert client.stdout is not None
        try:
            yield int(client.stdout.readline())
        finally:
            client.kill()


def test_a_killed_client_holds_nothing(rig: RunningRig, client: Rig) -> None:
    """Whoever comes after it finds the slots free."""
    with killed_at_the_end(rig, HOLDING) as held:
        assert held >= 1
        assert slots(client)["held"] == held
    assert wait_until(lambda: slots(client)["held"] == 0)


def test_a_killed_client_leaves_its_arguments(rig: RunningRig, client: Rig) -> None:
    """What it asked is done with them; then their memory goes."""
    before = slots(client)["slots"]
    with killed_at_the_end(rig, SENDING) as sent:
        assert sent >= 1
    assert wait_until(lambda: client.camera.kept_total() == 8 << 20)
    assert wait_until(lambda: slots(client)["held"] == 0)
    assert wait_until(lambda: slots(client)["slots"] <= before)


def test_frames_are_whole_while_workers_die(rig: RunningRig, client: Rig) -> None:
    """Several threads and connections read, keep a while, and check."""
    wrong: list[str] = []
    seen = [0] * 3
    ends = threading.Event()

    def read(index: int) -> None:
        with connect(address, zero_copy=index > 0) as other:
            kept: list[tuple[int, Any]] = []
            while not ends.is_set():
                try:
                    frame = other["camera"].call("grab", side=300 + 100 * (seen[index] % 3))
                except errors.OrchError:
                    continue
                seen[index] += 1
                kept.append((int(frame[0, 0]), frame))
                kept = kept[-4:]
                wrong.extend(
                    f"{number} is {each[0, 0]}"
                    for number, each in kept
                    if each[0, 0] != number or not is_whole(each)
                )

    address = orch.status(client)["addresses"][0]
    threads = [threading.Thread(target=read, args=(index,)) for index in range(len(seen))]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = list(seen)
        wait_until(lambda before=before: all(a + 15 < b for a, b in zip(before, seen, strict=True)))
        os.kill(pid_of_camera(client), signal.SIGKILL)
    ends.set()
    for thread in threads:
        thread.join(20)
    assert not wrong
    assert wait_until(lambda: slots(client)["held"] == 0)


def test_a_killed_supervisor_leaves_nothing_but_views() -> None:
    """Nobody fills a slot again that somebody may read; memory goes with the last view."""
    with running(CONFIG, {"camera": CAMERA}) as rig:
        with _environment(rig.environ), connect(zero_copy=True) as viewer:
            frame = in_slot(viewer)
            number, worker = int(frame[0, 0]), pid_of_camera(viewer)
            assert rig.process.pid is not None
            os.kill(rig.process.pid, signal.SIGKILL)
            wait_until(lambda: not is_alive(worker))
        assert is_whole(frame)
        assert frame[0, 0] == number
        assert mapped() == 1
        del frame
        assert mapped() == 0


def mapped() -> int:
    """How many mappings of slots this process has."""
    with open("/proc/self/maps") as maps:
        return sum("memfd:orch-slot" in line for line in maps)

"""Futures: whoever waits for a result does the I/O, and everybody else is told as usual."""

from __future__ import annotations

import concurrent.futures
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import connect, errors
from orchestrator.client import Rig
from tests.integration.fake_rig import FakeRig
from tests.rigs import wait_until


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeRig]:
    with tempfile.TemporaryDirectory(prefix="orch-") as path:
        rig = FakeRig(Path(path))
        yield rig
        rig.stop()


def test_who_waits_needs_no_other_thread(rig: Rig) -> None:
    """And gets the same object each time, whoever asks in which way."""
    future = rig.stage.submit("move", x=1)
    value = future.result(10)
    assert value == {"x": 1}
    assert not future.watched
    assert future.result(0) is value
    assert future.exception(0) is None
    assert not future.watched
    assert future.done()
    assert future.result() is value
    assert "finished" in repr(future)


def test_an_error_is_raised_each_time(rig: Rig) -> None:
    future = rig.stage.submit("tell", kind="refused")
    with pytest.raises(errors.ValueRefused) as first:
        future.result(10)
    with pytest.raises(errors.ValueRefused) as second:
        future.result()
    assert second.value is first.value is future.exception()


def test_standard_functions_see_what_is_settled_and_what_is_not(rig: Rig, fake: FakeRig) -> None:
    settled, held = rig.stage.submit("move", x=1), rig.stage.submit("hold", x=2)
    assert settled.result(10) == {"x": 1}
    done, waiting = concurrent.futures.wait([settled, held], 0)
    assert (done, waiting) == ({settled}, {held})
    fake.wait_for(lambda: len(fake.held) == 1)
    fake.release()
    assert {settled, held} == set(concurrent.futures.as_completed([settled, held], 10))
    assert held.result() == {"x": 2}


def test_a_callback_is_called_whenever_it_is_added(rig: Rig, fake: FakeRig) -> None:
    before, after = threading.Event(), threading.Event()
    future = rig.stage.submit("hold", x=1)
    future.add_done_callback(lambda _: before.set())
    fake.wait_for(lambda: len(fake.held) == 1)
    fake.release()
    assert before.wait(10)
    taken = rig.stage.submit("move", x=1)
    taken.result(10)
    taken.add_done_callback(lambda _: after.set())
    assert after.is_set()


def test_a_wait_that_ends_leaves_the_request_alone(rig: Rig, fake: FakeRig) -> None:
    future = rig.stage.submit("hold", x=3)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            future.result(0.01)
    fake.wait_for(lambda: len(fake.held) == 1)
    fake.release()
    assert future.result(10) == {"x": 3}


def test_several_threads_wait_for_one(rig: Rig, fake: FakeRig) -> None:
    future = rig.stage.submit("hold", x=4)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(future.result, 20) for _ in range(3)]
        fake.wait_for(lambda: len(fake.held) == 1)
        fake.release()
        first, *others = [each.result(20) for each in waiting]
    assert first == {"x": 4}
    assert all(each is first for each in others)


def test_what_nobody_waits_for_is_read_all_the_same(rig: Rig) -> None:
    """Or answers would pile up in a program that only submits."""
    connection = rig._session.connection
    for number in range(5):
        rig.stage.submit("move", n=number)
    wait_until(lambda: not connection._channel.pending)


def test_a_closed_connection_settles_what_is_outstanding(fake: FakeRig) -> None:
    with connect(fake.address) as rig:
        future = rig.stage.submit("hold", x=5)
        fake.wait_for(lambda: len(fake.held) == 1)
    with pytest.raises(ConnectionError, match="closed here"):
        future.result(10)
    assert future.done()
    fake.release()

"""Workers as threads, over inproc."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.link_kit import DRIVERS, Bench
from workers import Event, WorkerThread, prop
from workers.errors import EXIT_BOOT_FAILED, EXIT_CRASHED


class Counter:
    """Built by the program that hosts it."""

    counted = Event(data=int)

    def __init__(self) -> None:
        self._count = 0
        self.thread = ""

    @prop(observable=True)
    def count(self) -> int:
        return self._count

    def step(self) -> int:
        self.thread = threading.current_thread().name
        self._count += 1
        self.counted.emit(self._count)
        return self._count

    def leave(self) -> None:
        raise SystemExit(5)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.syspath_prepend(DRIVERS)  # so that what the worker adds is taken back
    bench = Bench()
    yield bench
    bench.end()


def ended(worker: WorkerThread) -> bool:
    """Whether the sentinel says in time that the thread ended."""
    return bool(select.select([worker.sentinel], [], [], 20)[0])


def host(bench: Bench, driver: str, given: object = None, **fields: Any) -> WorkerThread:
    spec = bench.make_spec(driver, scheme="inproc", **fields)
    worker = WorkerThread(spec, bench.context, given)
    worker.start()
    return worker


def test_it_serves_until_it_is_stopped(bench: Bench):
    worker = host(bench, "sample_drivers:Sample")
    ready, description = bench.ready()
    assert description["title"] == "Sample"
    assert ready.capacity == 16
    assert worker.is_alive()
    assert worker.exitcode is None
    assert bench.call("add", 1).value == 2
    assert bench.call("later", 3).value == 3
    bench.stop()
    assert ended(worker)
    assert worker.join(10)
    assert (worker.exitcode, worker.error, worker.name) == (0, None, "sample")


def test_it_hosts_an_object_that_is_there_already(bench: Bench):
    counter = Counter()
    worker = host(bench, "nothing:imported", counter)
    bench.ready()
    assert bench.call("step").value == 1
    assert counter.thread == "sample"
    assert bench.read("count").value == 1
    bench.stop()
    assert worker.join(10)
    counter.step()  # goes on, and its events go nowhere


def test_its_events_leave_over_inproc(bench: Bench):
    worker = host(bench, "nothing:imported", Counter(), event_base=7)
    bench.ready()
    while not bench.events.poll(5):
        bench.call("step")
    topic, value, _ = bench.event()
    assert topic == "sample/counted"
    assert value >= 1
    bench.stop()
    assert worker.join(10)


def test_the_directory_of_the_process_stays(bench: Bench, tmp_path: Path):
    before = Path.cwd()
    worker = host(bench, "sample_drivers:Sample", cwd=str(tmp_path))
    bench.ready()
    assert Path.cwd() == before
    bench.stop()
    assert worker.join(10)


@pytest.mark.parametrize("driver", ["leaves_at_import:X", "sample_drivers:FailsToBuild"])
def test_a_failed_boot_is_the_workers_alone(bench: Bench, driver: str):
    worker = host(bench, driver)
    told = ("SystemExit: no licence (leaves_at_import.py:3)", "no such device")
    assert bench.failed().exception["message"] in told
    assert ended(worker)
    assert worker.join(10)
    assert worker.exitcode == EXIT_BOOT_FAILED
    assert isinstance(worker.error, (SystemExit, OSError))


def test_system_exit_in_an_action_is_an_answer(bench: Bench):
    worker = host(bench, "nothing:imported", Counter())
    bench.ready()
    assert bench.call("leave").exception["message"] == "SystemExit: 5"
    assert bench.call("step").value == 1
    bench.stop()
    assert worker.join(10)


def test_the_end_of_the_context_ends_the_thread(bench: Bench, caplog: pytest.LogCaptureFixture):
    worker = host(bench, "nothing:imported", Counter())
    bench.ready()
    bench.router.close()
    bench.events.close()
    bench.door.stop()
    bench.context.term()
    assert worker.join(10)
    assert worker.exitcode == EXIT_CRASHED
    assert worker.error is not None
    assert "worker sample failed" in caplog.text


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a_class", "the class Tiny and no object of it"),
        ("a_generator", "a generator"),
        ("a_number", "an int"),
        ("nothing", "None"),
    ],
)
def test_a_factory_that_gives_no_driver(bench: Bench, name: str, told: str) -> None:
    worker = host(bench, f"sample_drivers:{name}")
    message = str(bench.failed().exception["message"])
    assert f"'sample_drivers:{name}' gave {told}, there is nothing to host" in message
    assert worker.join(10)

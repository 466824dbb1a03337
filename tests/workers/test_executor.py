from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from workers.serving.executor import EventLoop, ThreadPool


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    loop = EventLoop("test-loop")
    yield loop
    loop.stop()


async def name_of_thread() -> str:
    return threading.current_thread().name


def test_coroutines_share_one_loop(loop: EventLoop):
    async def running() -> Any:
        return asyncio.get_running_loop()

    assert loop.wait(running()) is loop.wait(running())
    assert loop.wait(name_of_thread()) == "test-loop"


def test_no_thread_before_the_first_awaitable(loop: EventLoop):
    assert "test-loop" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    "error", [ValueError("x"), SystemExit(1), KeyboardInterrupt(), GeneratorExit()]
)
def test_the_loop_outlives_what_a_coroutine_raises(loop: EventLoop, error: BaseException):
    async def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        loop.wait(fail())
    assert loop.wait(name_of_thread()) == "test-loop"


def test_the_loop_outlives_a_background_task(loop: EventLoop, caplog: pytest.LogCaptureFixture):
    async def leave() -> None:
        raise SystemExit(3)

    async def begin() -> asyncio.Task[None]:
        return asyncio.create_task(leave())

    task = loop.wait(begin())
    assert loop.wait(name_of_thread()) == "test-loop"
    assert isinstance(task.exception(), SystemExit)
    assert "background task" in caplog.text


def test_the_loop_outlives_a_driver_that_stops_it(
    loop: EventLoop, caplog: pytest.LogCaptureFixture
):
    async def stop() -> int:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return 1

    assert loop.wait(stop()) == 1
    assert loop.wait(name_of_thread()) == "test-loop"
    assert "the driver stopped the event loop of its worker" in caplog.text


def test_who_runs_a_loop_within_leaves_this_one_running(loop: EventLoop):
    def nest() -> int:
        asyncio.events._set_running_loop(None)
        within = asyncio.new_event_loop()
        try:
            return int(within.run_until_complete(asyncio.sleep(0, 6)))
        finally:
            within.close()

    assert loop.call(nest) == 6
    assert loop.wait(name_of_thread()) == "test-loop"


def test_context_variables_reach_the_coroutine(loop: EventLoop):
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("set by the caller")

    async def read() -> str:
        return variable.get()

    assert loop.wait(read()) == "set by the caller"


def test_any_awaitable_will_do(loop: EventLoop):
    class Later:
        def __await__(self) -> Any:
            yield from asyncio.sleep(0).__await__()
            return 5

    assert loop.wait(Later()) == 5


def test_stop_lets_tasks_clean_up():
    loop = EventLoop("test-loop")
    cleaned = threading.Event()
    started = threading.Event()

    async def stay() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    async def begin() -> None:
        loop.task = asyncio.create_task(stay())  # type: ignore[attr-defined]

    loop.wait(begin())
    assert started.wait(10)
    loop.stop(10)
    assert cleaned.is_set()


def test_a_pool_runs_as_many_at_once_as_it_has_threads():
    pool = ThreadPool("test-pool", 3)
    together = threading.Barrier(4)
    names: list[str] = []

    def meet() -> None:
        names.append(threading.current_thread().name)
        together.wait(10)

    for _ in range(3):
        pool.submit(meet)
    together.wait(10)
    pool.stop()
    assert sorted(names) == ["test-pool-1", "test-pool-2", "test-pool-3"]


def test_a_pool_queues_what_is_too_much_and_reuses_threads():
    pool = ThreadPool("test-pool", 2)
    names: set[str] = set()
    done = threading.Semaphore(0)

    def call() -> None:
        names.add(threading.current_thread().name)
        done.release()

    for _ in range(50):
        pool.submit(call)
    for _ in range(50):
        assert done.acquire(timeout=10)
    pool.stop()
    assert names <= {"test-pool-1", "test-pool-2"}


def test_a_thread_that_is_free_is_used_again():
    pool = ThreadPool("test-pool", 8)
    names: list[str] = []
    for _ in range(5):
        done = threading.Event()

        def call(done: threading.Event = done) -> None:
            names.append(threading.current_thread().name)
            done.set()

        pool.submit(call)
        assert done.wait(10)
        while pool._free < 1:  # the thread has yet to come back
            threading.Event().wait(0.001)
    pool.stop()
    assert set(names) == {"test-pool-1"}


def test_threads_run_in_the_given_context():
    entered: list[str] = []
    left = threading.Event()

    @contextmanager
    def enter() -> Iterator[None]:
        entered.append(threading.current_thread().name)
        yield
        left.set()

    pool = ThreadPool("test-pool", 1, enter)
    done = threading.Event()
    pool.submit(done.set)
    assert done.wait(10)
    pool.stop()
    assert left.wait(10)
    assert entered == ["test-pool-1"]


def test_calls_wait_or_run_in_place_where_no_thread_can_be_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A call is never lost, nor does whoever submits it fail."""
    pool = ThreadPool("test-pool", 8)
    can_start = False
    start = threading.Thread.start

    def start_if_possible(self: threading.Thread) -> None:
        if not can_start:
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", start_if_possible)
    ran: queue.SimpleQueue[str] = queue.SimpleQueue()

    def call() -> None:
        ran.put(threading.current_thread().name)

    pool.submit(call)
    assert ran.get(timeout=10) == threading.current_thread().name
    can_start = True
    go_on = threading.Event()
    pool.submit(go_on.wait)
    can_start = False
    pool.submit(call)
    go_on.set()
    assert ran.get(timeout=10) == "test-pool-1"
    pool.stop()

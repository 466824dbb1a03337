"""What is interrupted of what a worker runs: the driver's code, once, and nothing after its end."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

import pytest

from transports.headers import OPERATION, RequestHeader, decode_response_header, encode_header
from transports.link import Interrupt, pack_number
from workers.driver.describe import describe
from workers.errors import Interrupted
from workers.serving import interrupts as module
from workers.serving.dispatch import Dispatcher
from workers.serving.executor import EventLoop
from workers.serving.interrupts import Interrupts
from workers.spec import WorkerSpec

ROUNDS = 150


class Device:
    """What it is at is told by `begun`."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self._end = threading.Event()
        self._future: Future[int] = Future()

    def loop(self) -> None:
        self.begun.set()
        while True:
            time.sleep(0.001)

    def count(self) -> int:
        """Some milliseconds of Python code and waits."""
        counted = 0
        for number in range(20):
            time.sleep(1e-4)
            counted += number
        return counted

    def swallow(self) -> str:
        """Takes no notice; what is told to it once isn't told again."""
        self.begun.set()
        for _ in range(2):
            try:
                self.loop()
            except Interrupted:
                break
        self.end()
        self._end.wait(0.1)
        return "went on"

    def end(self) -> None:
        self._end.set()

    def promise(self) -> Future[int]:
        self.begun.set()
        return self._future

    def keep(self) -> None:
        self._future.set_result(7)

    async def wait(self) -> None:
        import asyncio

        self.begun.set()
        await asyncio.sleep(60)


class Bench:
    """A device, served in this thread or in others."""

    def __init__(self, *, by_signal: bool) -> None:
        self.device = Device()
        self.loop = EventLoop("loop")
        dispatcher = Dispatcher(
            self.device,
            describe(Device),
            rig="rig",
            worker="device",
            wait=self.loop.wait,
            seen=lambda name, value: None,
        )
        spec = WorkerSpec(
            rig="rig", worker="device", driver="", link="", events="", token="", interrupts=True
        )
        self.interrupts = Interrupts(dispatcher, self.loop, spec, by_signal)

    def perform(self, member: str, number: int = 1) -> Any:
        """What an operation is answered with: a value, or the error as a dictionary."""
        header = RequestHeader(
            messageType=OPERATION,
            messageID="1",
            senderID="alice",
            receiverID="rig",
            thingID="device",
            objekt=member,
            operation="invokeaction",
        )
        answer = self.interrupts.perform(pack_number(number), encode_header(header), b"null", b"")
        assert decode_response_header(answer[0]).messageID == "1"
        value = json.loads(bytes(answer[1]))
        return value.get("exception", value) if isinstance(value, dict) else value

    def interrupt(self, number: int = 1, seconds: float = 20.0) -> None:
        self.interrupts.begin(Interrupt(number, seconds))


def in_thread(call: Callable[[], Any]) -> Callable[[], Any]:
    """Call a function in a thread of its own; gives what waits for its result."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()

    def result() -> Any:
        thread.join(20)
        return found[0]

    return result


@pytest.fixture
def here() -> Iterator[Bench]:
    """By signal, in the main thread."""
    assert module.LOOK_UP is not None
    bench = Bench(by_signal=True)
    yield bench
    bench.loop.stop()
    signal.signal(module.LOOK_UP, lambda number, frame: None)  # one may be on its way


@pytest.fixture
def beside() -> Iterator[Bench]:
    bench = Bench(by_signal=False)
    yield bench
    bench.loop.stop()


def assert_interrupted(answer: Any, where: str) -> None:
    assert (answer["type"], answer["outcome"], answer["step"]) == (
        "InterruptedError",
        "unknown",
        "interrupt",
    )
    assert where in answer["message"]


def test_in_the_main_thread(here: Bench) -> None:
    here.interrupt()  # before it has begun
    assert_interrupted(here.perform("loop"), "test_interrupts.py:")
    assert here.perform("count") == sum(range(20))


def test_in_another_thread(beside: Bench) -> None:
    result = in_thread(lambda: beside.perform("loop"))
    beside.device.begun.wait(20)
    beside.interrupt()
    assert_interrupted(result(), " loop")


def test_a_coroutine(beside: Bench) -> None:
    result = in_thread(lambda: beside.perform("wait"))
    beside.device.begun.wait(20)
    beside.interrupt()
    assert_interrupted(result(), " wait")


def test_who_takes_no_notice_isnt_told_again(beside: Bench) -> None:
    result = in_thread(lambda: beside.perform("swallow"))
    beside.device.begun.wait(20)
    beside.interrupt()
    assert result() == "went on"


def test_the_wait_for_a_future_isnt_cut_short(beside: Bench) -> None:
    """It is no code of the driver's, which would go on elsewhere."""
    result = in_thread(lambda: beside.perform("promise"))
    beside.device.begun.wait(20)
    beside.interrupt(seconds=0.2)
    ended = threading.Timer(0.3, beside.device.keep)
    ended.start()
    assert result() == 7


def test_another_operation_is_left_alone(here: Bench) -> None:
    here.interrupt(7, seconds=0.1)
    assert here.perform("count", 8) == here.perform("count", 9)


@pytest.mark.parametrize("by_signal", [True, False])
def test_an_end_and_an_interrupt_never_pass_each_other(
    request: pytest.FixtureRequest, by_signal: bool
) -> None:
    """Whichever comes first, there is one answer, and nothing is raised after it."""
    bench: Bench = request.getfixturevalue("here" if by_signal else "beside")
    chance = random.Random(1)

    def rounds() -> list[bool]:
        kinds = []
        for number in range(1, ROUNDS):
            wishes.put((chance.random() * 0.004, Interrupt(number, 0.05)))
            kinds.append(isinstance(bench.perform("count", number), dict))
            assert bench.perform("count", ROUNDS + number) == sum(range(20))
        return kinds

    def wish() -> None:
        while (found := wishes.get()) is not None:
            time.sleep(found[0])
            bench.interrupts.begin(found[1])

    wishes: SimpleQueue[tuple[float, Interrupt] | None] = SimpleQueue()
    threading.Thread(target=wish, daemon=True).start()
    kinds = rounds() if by_signal else in_thread(rounds)()
    wishes.put(None)
    assert len(kinds) == ROUNDS - 1
    assert any(kinds), "none was interrupted"


def test_code_of_ours_is_let_through() -> None:
    """A stack that ends in it, or that has it in the midst, isn't the driver's."""
    import sys

    assert not module.in_driver(None)
    assert not module.in_driver(sys._getframe())  # nothing is performed

"""Operations that have started and are to end: by the driver's stop, an interrupt, a restart."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator

import pytest

import orch
from orchestrator import aconnect, errors
from orchestrator.client.futures import RequestFuture
from orchestrator.client.rig import Rig
from tests.rigs import RunningRig, running, wait_until

STAGE = '''
import asyncio, ctypes, time

class Stage:
    """Moves until it is stopped."""

    def __init__(self):
        self._stops = False

    def move(self) -> str:
        self._stops = False
        while not self._stops:
            time.sleep(0.01)
        return "stopped on its way"

    def stop(self):
        self._stops = True

    def ignore(self):
        """Stops nothing."""

    def sleep(self, seconds: float = 60.0):
        time.sleep(seconds)

    def loop(self):
        while True:
            time.sleep(0.005)

    def tidy(self) -> str:
        try:
            time.sleep(60)
        except BaseException:
            return "tidied up"

    def compute(self, seconds: float) -> str:
        """Waits in C, and holds the interpreter lock."""
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))
        return "computed"

    def ping(self) -> int:
        return 1


class Awaiting:
    async def wait(self):
        await asyncio.sleep(60)

    async def tidy(self) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
            return "tidied up"

    async def answer(self) -> int:
        return 1
'''
CONFIG = """
rig: cancels
defaults: {execution_timeout: null, invocation_timeout: null, cancel_grace: 0.3,
           stop_timeout: 0.2}
workers:
  stopped: {driver: "stage:Stage", cancel: {move: stop, loop: ignore}}
  stage: {driver: "stage:Stage", cancel_with: interrupt, cancel: {loop: [ignore, interrupt]}}
  thread: {driver: "stage:Stage", cancel_with: interrupt, transport: inproc}
  awaiting: {driver: "stage:Awaiting", cancel_with: interrupt}
  overdue: {driver: "stage:Stage", cancel_with: interrupt, on_execution_timeout: cancel,
            timeouts: {loop: 0.2}}
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"stage": STAGE}) as rig:
        yield rig


@pytest.fixture
def client(rig: RunningRig) -> Iterator[Rig]:
    with rig.connected() as client:
        yield client


LONG = {"execution_timeout": None}


def runs(client: Rig, worker: str, member: str) -> bool:
    (found,) = [each for each in orch.status(client)["workers"] if each["name"] == worker]
    return any(each["member"] == member for each in found["running"])


def begun(client: Rig, worker: str, member: str, **arguments: object) -> RequestFuture:
    """An operation that has begun."""
    future = client[worker].submit(member, **arguments)
    wait_until(lambda: runs(client, worker, member))
    return future


def cancel(client: Rig, future: RequestFuture, **how: bool) -> tuple[str, list[str]]:
    """Verdict and steps."""
    found = client["cancels"].call("cancel", future.request_id, **how)
    return found["verdict"], found["steps"]


def test_the_driver_stops_itself(rig: RunningRig, client: Rig) -> None:
    """Beside the operation, which ends as the driver has it end."""
    future = begun(client, "stopped", "move")
    done = rig.orch("cancel", future.request_id)
    told = "stopped.move had started; it has ended, after stopped.stop\n"
    assert (done.returncode, done.stdout) == (0, told)
    assert future.result(20) == "stopped on its way"


def test_what_cannot_be_ended_goes_on(rig: RunningRig, client: Rig) -> None:
    """Until its worker's life ends, if that is wanted."""
    future = begun(client, "stopped", "loop")
    done = rig.orch("cancel", future.request_id)
    told = "stopped.loop has started and goes on, in spite of stopped.ignore"
    assert (done.returncode, told in done.stderr) == (5, True)
    future.cancel(restart=True)
    with pytest.raises(errors.Aborted, match=r"stopped\.loop was cancelled while it ran") as raised:
        future.result(20)
    assert raised.value.step == "restart"
    assert isinstance(raised.value, (errors.Cancelled, errors.OutcomeUnknown))
    assert client["stopped"].call("ping") == 1


@pytest.mark.parametrize("worker", ["stage", "thread", "overdue"])
def test_python_code_is_interrupted(client: Rig, worker: str) -> None:
    future = begun(client, worker, "loop", **LONG)
    verdict, steps = cancel(client, future)
    assert (verdict, steps[-1]) == ("ended", "interrupt")
    where = rf"{worker}\.loop was cancelled while it ran: interrupted in stage\.py:\d+ loop"
    with pytest.raises(errors.Aborted, match=where) as raised:
        future.result(20)
    assert raised.value.step == "interrupt"
    assert client[worker].call("ping") == 1


def test_a_wait_is_cut_short(client: Rig) -> None:
    """The main thread of a process wakes up; what the driver does about it is its own."""
    future = begun(client, "stage", "sleep")
    assert cancel(client, future) == ("ended", ["interrupt"])
    assert isinstance(future.exception(20), errors.Aborted)
    future = begun(client, "stage", "tidy")
    future.cancel()
    assert future.result(20) == "tidied up"


def test_c_code_is_not_interrupted(client: Rig) -> None:
    """Not even later: what was told to go on isn't ended behind anybody's back."""
    future = begun(client, "stage", "compute", seconds=1.0)
    assert cancel(client, future) == ("runs", ["interrupt"])
    assert future.result(20) == "computed"
    future = begun(client, "thread", "sleep", seconds=1.0)
    assert cancel(client, future) == ("runs", ["interrupt"])
    assert future.result(20) is None


def test_a_task_is_cancelled(client: Rig) -> None:
    """Of a coroutine, wherever it waits."""
    future = begun(client, "awaiting", "wait")
    assert cancel(client, future) == ("ended", ["interrupt"])
    with pytest.raises(errors.Aborted, match=r"interrupted in stage\.py:\d+ wait"):
        future.result(20)
    future = begun(client, "awaiting", "tidy")
    future.cancel()
    assert future.result(20) == "tidied up"
    assert client["awaiting"].call("answer") == 1


def test_what_takes_too_long_is_cancelled(client: Rig) -> None:
    """Its client is told in time; the worker takes operations again."""
    with pytest.raises(errors.ExecutionTimeout):
        client["overdue"].call("loop")
    assert client["overdue"].call("ping") == 1


def test_what_was_told_to_be_overdue_is_cancelled(client: Rig) -> None:
    future = client["stage"].submit("sleep", execution_timeout=0.1)
    with pytest.raises(errors.ExecutionTimeout):
        future.result(20)
    assert cancel(client, future) == ("ended", ["interrupt"])


def test_ctrl_c_tells_what_the_device_does(
    rig: RunningRig, client: Rig, request: pytest.FixtureRequest
) -> None:
    # As at a terminal: what a shell starts in the background is deaf to it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def strike(worker: str, member: str) -> str:
        """Ctrl-C once it runs; what is told of it."""
        main = threading.get_ident()

        def interrupt() -> None:
            wait_until(lambda: runs(looker, worker, member))
            signal.pthread_kill(main, signal.SIGINT)

        striker = threading.Thread(target=interrupt)
        with rig.connected() as looker:
            striker.start()
            with pytest.raises(KeyboardInterrupt) as raised:
                client[worker].call(member)
            striker.join()
        (told,) = raised.value.__notes__
        return told

    told = "stopped.move had started; it has ended, after stopped.stop"
    assert strike("stopped", "move") == told
    told = "stage.sleep had started; it has ended, after an interrupt"
    assert strike("stage", "sleep") == told
    told = "stopped.sleep has started and goes on: its config has no cancel_with for it"
    assert strike("stopped", "sleep") == told
    client["cancels"].call("restart", names=["stopped"])


def test_an_asyncio_task_ends_what_it_waits_for(client: Rig) -> None:
    async def give_up() -> None:
        async with aconnect(client.address) as mine:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(mine["stage"].call("sleep"), 0.3)

    asyncio.run(give_up())
    assert client["stage"].call("ping", execution_timeout=20) == 1

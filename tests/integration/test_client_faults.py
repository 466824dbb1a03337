"""The client when rigs vanish, threads crowd, and interrupts strike."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest

from orchestrator import connect, errors
from orchestrator.client import Rig, liveness
from orchestrator.client.connection import Connection
from tests.integration.fake_rig import FakeRig
from transports.headers import Operation

EPSILON = 5.0
"""Seconds that a busy machine may add to a bound."""


@pytest.fixture
def rig(fake: FakeRig) -> Iterator[Rig]:
    with connect(fake.address) as rig:
        _ = rig.stage.position
        yield rig


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a rig whether it lives ten times as often."""
    monkeypatch.setattr(liveness, "INTERVAL", liveness.INTERVAL / 10)


@contextmanager
def in_thread(call: Callable[[], Any]) -> Iterator[Callable[[], Any]]:
    """Run a call in a thread; yields a function that gives its result."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(call)
        yield lambda: future.result(20)


# -- liveness ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("impatient")
def test_a_slow_operation_is_waited_for(rig: Rig, fake: FakeRig) -> None:
    """However often the rig is asked meanwhile, as long as it says that it holds the request."""
    with in_thread(lambda: rig.stage.hold(x=1)) as result:
        fake.wait_for(lambda: fake.questions >= liveness.UNANSWERED + 3)
        fake.release()
        assert result() == {"x": 1}


@pytest.mark.usefixtures("impatient")
def test_a_request_that_the_rig_lost(rig: Rig, fake: FakeRig) -> None:
    """Its outcome is unknown; others go on, and so does the connection."""
    kept = rig.stage.submit("hold", x=1)
    lost = rig.stage.submit("lose", x=2)
    with pytest.raises(errors.RigLost, match="doesn't hold this request") as raised:
        rig.stage.lose(x=3)
    assert raised.value.member == "lose"
    assert isinstance(raised.value, errors.OutcomeUnknown)
    assert isinstance(lost.exception(10), errors.RigLost)
    fake.release()
    assert kept.result(10) == {"x": 1}
    assert fake.handshakes == 1


def test_a_rig_that_vanishes_is_noticed_in_time(rig: Rig, fake: FakeRig) -> None:
    """Within one silent second and three questions, for calls and futures alike."""
    future = rig.stage.submit("hold", x=1)
    with in_thread(lambda: rig.stage.hold(x=2)) as result:
        fake.wait_for(lambda: len(fake.held) == 2)
        fake.stop()
        start = monotonic()
        with pytest.raises(errors.RigLost, match=r"rig bench at ipc:.* went away"):
            result()
        with pytest.raises(errors.RigLost):
            future.result(10)
        assert monotonic() - start < (1 + liveness.UNANSWERED) * liveness.INTERVAL + EPSILON


@pytest.mark.usefixtures("impatient")
def test_a_later_rig_gets_no_stale_requests(rig: Rig, fake: FakeRig) -> None:
    """What was sent to the old one is lost; what is sent now arrives, once."""
    lost = rig.stage.submit("hold", x=1)
    fake.wait_for(lambda: len(fake.held) == 1)
    fake.stop()
    unsent = rig.stage.submit("move", x=2)
    assert isinstance(lost.exception(10), errors.RigLost)
    assert isinstance(unsent.exception(10), errors.OrchError)
    fake.requests.clear()
    fake.start()
    assert rig.stage.move(x=3) == {"x": 3}
    assert [request.payload for request in fake.requests] == [{"x": 3}]


@pytest.mark.usefixtures("impatient")
def test_a_rig_that_comes_back_at_once(rig: Rig, fake: FakeRig) -> None:
    """It doesn't know the old requests, which end as unknown; new ones are answered."""
    lost = rig.stage.submit("hold", x=1)
    fake.wait_for(lambda: len(fake.held) == 1)
    fake.stop()
    fake.start()
    assert isinstance(lost.exception(10), errors.RigLost)
    assert rig.stage.move(x=2) == {"x": 2}


@pytest.mark.usefixtures("impatient")
def test_a_rig_that_hangs(rig: Rig, fake: FakeRig) -> None:
    """A connection that is up but silent is no sign of life."""
    fake.mute = True
    with pytest.raises(errors.RigLost, match="went away"):
        rig.stage.move(x=1)
    fake.mute = False
    assert rig.stage.move(x=2) == {"x": 2}


def test_a_rig_that_is_down(fake: FakeRig) -> None:
    """A call fails as not started after the connect timeout; a later one finds it again."""
    with connect(fake.address, timeout=0.7) as rig:
        _ = rig.stage.position
        fake.stop()
        while True:  # the kernel tells of the loss in its own time; until then it can be sent
            try:
                with connect(fake.address, timeout=0.3):
                    pass
            except errors.RigNotReachable:
                break
        start = monotonic()
        with pytest.raises(errors.RigNotReachable, match="takes no connection"):
            rig.stage.move(x=1)
        with pytest.raises(errors.RigNotReachable):
            rig.stage.oneway("move", x=1)
        assert monotonic() - start < 2 * 0.7 + EPSILON
        cancelled = rig.stage.submit("move", x=2)
        assert cancelled.cancel()  # nothing was sent yet
        fake.requests.clear()
        fake.start()
        with pytest.raises(CancelledError):
            cancelled.result(10)
        assert rig.stage.move(x=3) == {"x": 3}
        assert [request.payload for request in fake.requests] == [{"x": 3}]


# -- threads -----------------------------------------------------------------------------------


def test_many_threads_share_a_connection(rig: Rig, fake: FakeRig) -> None:
    """Each gets its own answers, and its requests leave in its own order."""
    threads, calls = 8, 120

    def work(thread: int) -> None:
        rng = random.Random(thread)
        futures = []
        for number in range(calls):
            key = {"t": thread, "n": number}
            way = rng.random()
            if way < 0.5:
                assert rig.stage.move(**key) == key
            elif way < 0.9:
                futures.append((rig.stage.submit("move", **key), key))
            else:
                rig.stage.oneway("move", **key)
        for future, key in futures:
            assert future.result(20) == key

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, thread) for thread in range(threads)]:
            done.result(50)
    connection = rig._session.connection
    connection.request(connection.compose("stage", Operation.READ, "position"))
    got = [each.payload for each in fake.requests if each.name == "stage.move"]
    assert len(got) == threads * calls
    for thread in range(threads):
        assert [each["n"] for each in got if each["t"] == thread] == list(range(calls))
    channel = connection._channel
    assert not channel.pending
    assert not channel.outbox


def test_a_waiting_call_does_not_hold_up_others(rig: Rig, fake: FakeRig) -> None:
    """The thread that waits longest does the I/O of those that come and go."""
    with in_thread(lambda: rig.stage.hold(x=1)) as slow:
        fake.wait_for(lambda: len(fake.held) == 1)
        with in_thread(lambda: [rig.stage.move(n=n)["n"] for n in range(50)]) as quick:
            assert [rig.stage.move(n=n)["n"] for n in range(50)] == list(range(50))
            assert quick() == list(range(50))
        fake.release()
        assert slow() == {"x": 1}


def test_a_slow_callback_does_not_hold_up_calls(rig: Rig) -> None:
    """Futures are completed by a thread that leads nobody meanwhile."""
    entered, leave = threading.Event(), threading.Event()

    def callback(_: object) -> None:
        entered.set()
        assert leave.wait(20)

    rig.stage.submit("move", x=1).add_done_callback(callback)
    assert entered.wait(10)
    later = rig.stage.submit("move", x=2)
    assert rig.stage.move(x=3) == {"x": 3}
    leave.set()
    assert later.result(10) == {"x": 2}


def test_closing_ends_the_calls_of_other_threads(fake: FakeRig) -> None:
    """At once, whether they lead or follow, and the completer thread with them."""
    rig = connect(fake.address)
    _ = rig.stage.position
    future = rig.stage.submit("hold", x=0)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(rig.stage.hold, x=number) for number in range(1, 4)]
        fake.wait_for(lambda: len(fake.held) == 4)
        start = monotonic()
        rig.close()
        for each in [*waiting, future]:
            with pytest.raises(errors.RigLost, match="closed here"):
                each.result(10)
        assert monotonic() - start < EPSILON
    assert "orch-client" not in [thread.name for thread in threading.enumerate()]


# -- interrupts --------------------------------------------------------------------------------


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt here, also where the shell had it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_call_is_forgotten(rig: Rig, fake: FakeRig) -> None:
    """The role passes on, the late answer is dropped, and later calls work."""
    other: list[Any] = []

    def follow() -> None:
        fake.wait_for(lambda: len(fake.held) == 1)
        follower = threading.Thread(target=lambda: other.append(rig.stage.hold(x=2)))
        follower.start()
        fake.wait_for(lambda: len(fake.held) == 2)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        follower.join(20)

    interrupter = threading.Thread(target=follow)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt) as raised:
        rig.stage.hold(x=1)
    (told,) = raised.value.__notes__
    assert told.startswith("stage.hold has started and goes on")
    assert rig.stage.move(x=3) == {"x": 3}
    assert fake.release() == 2
    interrupter.join(20)
    assert other == [{"x": 2}]
    assert not rig._session.connection._channel.pending


class _Strike(BaseException):
    """What a signal raises in the next test; nothing else catches it."""


# pyzmq looks for signals when it frees a frame too, where an exception can only be printed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("impatient")
def test_interrupts_at_any_moment(rig: Rig, fake: FakeRig) -> None:
    """Wherever a signal strikes the leader, calls of other threads end, with their own answers.

    An answer that is struck while it is being received is lost, and that is said.
    """
    stop = threading.Event()
    strikes = 0
    lost = []

    counts = [0, 0]

    def work(thread: int) -> None:
        while not stop.is_set():
            count = counts[thread] = counts[thread] + 1
            try:
                assert rig.stage.move(t=thread, n=count) == {"t": thread, "n": count}
                future = rig.stage.submit("move", f=count)
                assert future.result(20) == {"f": count}
            except errors.RigLost as error:
                lost.append(error)

    def strike(signum: int, frame: object) -> None:
        raise _Strike

    rng = random.Random(7)
    before = signal.signal(signal.SIGALRM, strike)
    try:
        with ThreadPoolExecutor(2) as pool:
            others = [pool.submit(work, thread) for thread in range(2)]
            end = monotonic() + 1
            # A loaded machine takes longer for as many; threads that failed would never get there.
            while monotonic() < end or strikes <= 100 or min(counts) <= 5:
                assert not any(other.done() for other in others), others
                try:
                    signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 1e-3))
                    for _ in range(50):  # longer than the timer
                        rig.stage.move(x=1)
                except _Strike:
                    strikes += 1
            stop.set()
            for other in others:
                other.result(20)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(lost) < strikes / 10
    assert rig.stage.move(x=2) == {"x": 2}


def test_a_context_that_is_terminated_under_a_connection(fake: FakeRig) -> None:
    """Ends the calls on it; none hangs."""
    import zmq

    context: zmq.Context[Any] = zmq.Context()
    connection = Connection(fake.address, context=context)
    with in_thread(
        lambda: connection.request(connection.compose("stage", Operation.INVOKE, "hold"))
    ) as result:
        fake.wait_for(lambda: len(fake.held) == 1)
        context.term()
        with pytest.raises(errors.RigLost):
            result()
    with pytest.raises(errors.RigNotReachable):
        connection.request(connection.compose("stage", Operation.INVOKE, "move"))
    connection.close()

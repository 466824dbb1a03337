"""What a supervisor does to a worker's process that may not be able to run Python code."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from tests.rigs import wait_until
from workers.process import lifeline

pytestmark = pytest.mark.skipif(lifeline.STACKS is None, reason="needs real-time signals")


@pytest.fixture
def deaf() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lets the request for its stacks wait, as one does whose lock is held."""
    assert lifeline.STACKS is not None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {lifeline.STACKS})
    try:
        process = subprocess.Popen(["sleep", "60"])  # inherits what is held back
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    yield process
    process.kill()
    process.wait()


def test_one_that_was_not_asked_is_left_alone(deaf: subprocess.Popen[bytes]) -> None:
    assert lifeline.force_stacks(deaf.pid) == ""
    assert deaf.poll() is None


def test_one_that_does_not_take_the_request_is_made_to(deaf: subprocess.Popen[bytes]) -> None:
    assert lifeline.FORCED_STACKS is not None
    lifeline.ask_for_stacks(deaf.pid)
    assert lifeline.force_stacks(deaf.pid) == lifeline.HELD
    assert deaf.wait(10) == -lifeline.FORCED_STACKS  # here nobody serves it


def test_of_one_that_is_stopped_that_is_told(deaf: subprocess.Popen[bytes]) -> None:
    deaf.send_signal(signal.SIGSTOP)
    wait_until(lambda: psutil.Process(deaf.pid).status() == psutil.STATUS_STOPPED)
    lifeline.ask_for_stacks(deaf.pid)
    assert lifeline.force_stacks(deaf.pid) == lifeline.STOPPED
    assert deaf.poll() is None


def test_nothing_is_known_of_one_that_is_gone(deaf: subprocess.Popen[bytes]) -> None:
    deaf.kill()
    deaf.wait()
    assert lifeline.force_stacks(deaf.pid) == ""


def test_it_is_ended_by_a_signal_of_our_own(deaf: subprocess.Popen[bytes]) -> None:
    lifeline.terminate(deaf.pid)
    assert deaf.wait(10) == -lifeline.TERMINATE
    lifeline.kill_each([deaf.pid])  # gone already, which is fine

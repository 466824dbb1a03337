"""What drivers fork is theirs alone, in real rigs."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.rigs import RunningRig, running

DRIVER = """
import multiprocessing, os, signal, subprocess, sys, threading, time


class Forks:
    def pid(self) -> int:
        return os.getpid()

    def fork(self, how: str) -> int:
        pid = os.fork()
        if pid == 0:
            if how == "exit":
                sys.exit(7)
            if how == "raise":
                raise RuntimeError("in the child")
            return 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def terminate(self) -> int:
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()
        child.terminate()
        child.join()
        return child.exitcode

    def terminate_in_thread(self) -> int:
        found = []
        thread = threading.Thread(target=lambda: found.append(self.terminate()))
        thread.start()
        thread.join()
        return found[0]

    def interrupt(self) -> int:
        fork = multiprocessing.get_context("fork")
        runs = fork.Event()
        child = fork.Process(target=lambda: (runs.set(), time.sleep(60)))
        child.start()
        runs.wait()
        os.kill(child.pid, signal.SIGINT)
        child.join()
        return child.exitcode

"""
CONFIG = """
rig: leftovers
defaults: {max_restarts: 50 in 1min, execution_timeout: 20s}
workers:
  one: {driver: "forks:Forks"}
  own: {driver: "forks:Forks", env: {FLAVOUR: mint}}
"""
WORKERS = pytest.mark.parametrize("name", ["one", "own"])


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"forks": DRIVER}) as rig:
        yield rig


@WORKERS
@pytest.mark.parametrize(("how", "status"), [("exit", 7), ("raise", 1), ("return", 0)])
def test_a_forked_child_ends_as_its_code_says(
    rig: RunningRig, name: str, how: str, status: int
) -> None:
    """It doesn't serve on, and its parent's request is answered once, by the parent."""
    with rig.connected() as client:
        assert client[name].fork(how) == status
        assert client[name].pid()


@WORKERS
@pytest.mark.parametrize("member", ["terminate", "terminate_in_thread"])
def test_a_child_can_be_terminated(rig: RunningRig, name: str, member: str) -> None:
    """It has none of the worker's signal handlers."""
    with rig.connected() as client:
        assert client[name].call(member) == -signal.SIGTERM


def test_a_child_can_be_interrupted(rig: RunningRig) -> None:
    """SIGINT raises KeyboardInterrupt in it, as in any Python."""
    with rig.connected() as client:
        assert client.one.interrupt() in (1, -signal.SIGINT)

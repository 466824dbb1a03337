"""What drivers fork and leave behind, in real rigs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from tests.rigs import RunningRig, running, wait_until

pytestmark = pytest.mark.measured

DRIVER = """
import multiprocessing, os, signal, subprocess, sys, threading, time

DAEMON = (
    "import os, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0);"
    "time.sleep({seconds})"
)

class Forks:
    def pid(self) -> int:
        return os.getpid()

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

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
        while child.exitcode is None:  # Python sleeps on if one comes just before it falls asleep
            os.kill(child.pid, signal.SIGINT)
            child.join(3)  # another one, while it ends, might take it out of its own end
        return child.exitcode

    def run(self, status: int) -> int:
        code = f"import sys; sys.exit({status})"
        child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        time.sleep(0.3)  # it is a zombie by now, that somebody else might reap
        return child.wait()

    def daemonize(self, tag: str, seconds: float = 300):
        code = DAEMON.format(seconds=seconds)
        subprocess.run([sys.executable, "-c", code, tag], env={}, check=True)
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


def tagged(tag: str) -> list[psutil.Process]:
    """The processes that have a text among their arguments."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if tag in (process.info["cmdline"] or ()):
            found.append(process)
    return found


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


@WORKERS
@pytest.mark.parametrize("end", ["crash", "restart", "stop"])
def test_no_daemon_outlives_its_worker(rig: RunningRig, name: str, end: str) -> None:
    """Not one without parent, session or environment of the worker; its neighbour's lives on."""
    tag, neighbours = f"{name}-{end}-{os.getpid()}", f"neighbour-{name}-{end}-{os.getpid()}"
    other = "own" if name == "one" else "one"
    with rig.connected() as client:
        client[name].daemonize(tag)
        client[other].daemonize(neighbours)
        assert len(wait_until(lambda: tagged(tag))) == 1
        if end == "crash":
            os.kill(client[name].pid(), signal.SIGKILL)
        else:
            assert rig.orch(end, name).returncode == 0
        wait_until(lambda: not tagged(tag))
        if end == "stop":
            assert rig.orch("start", name).returncode == 0
        assert client[name].pid()
        assert len(tagged(neighbours)) == 1
        assert rig.orch("restart", other).returncode == 0
        assert not tagged(neighbours)


def test_a_daemon_that_ends_is_reaped(rig: RunningRig) -> None:
    """The keeper does so while the worker lives: no zombie stays below the rig."""
    tag = f"short-{os.getpid()}"
    with rig.connected() as client:
        client.one.daemonize(tag, 0.2)
        wait_until(lambda: not tagged(tag))
    wait_until(lambda: not zombies_below(rig.process.pid))


def test_where_drivers_are_threads() -> None:
    """Their children are theirs to wait for, and keepers are reaped all the same."""
    config = CONFIG + '  thread: {driver: "forks:Forks", transport: inproc}\n'
    with running(config, {"forks": DRIVER}) as rig, rig.connected() as client:
        for _ in range(3):
            os.kill(client.one.pid(), signal.SIGKILL)
            assert client.thread.run(7) == 7
            assert client.one.pid()
        wait_until(lambda: not zombies_below(rig.process.pid))


def zombies_below(pid: int) -> list[int]:
    """The dead that nobody has reaped below a process."""
    found = []
    for each in psutil.Process(pid).children(recursive=True):
        try:
            if each.status() == psutil.STATUS_ZOMBIE:
                found.append(each.pid)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="a PID namespace needs root"
)
def test_as_the_first_process_of_a_container() -> None:
    """`orch run` as PID 1 leaves no zombie, reaps strangers, and nothing outlives `orch down`."""
    with running(CONFIG, {"forks": DRIVER}) as rig:
        rig.stop()
        original = rig.command
        inside = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
        rig.command = lambda *args: [*inside, *original(*args)]  # type: ignore[method-assign]
        rig.start()
        rig.command = original  # type: ignore[method-assign]
        tag = f"inner-{os.getpid()}"
        rig.wait_settled()
        with rig.connected() as client:
            first = psutil.Process(rig.process.pid).children()[0]
            client.one.daemonize(tag)
            inner = int(client.one.pid())
            assert inner < first.pid
            orphan = ["sh", "-c", "(setsid sh -c 'sleep 0.2' &)"]
            enter = ["nsenter", "--pid", f"--target={first.pid}"]
            subprocess.run([*enter, *orphan], check=True)
            assert rig.orch("restart", "one").returncode == 0
            wait_until(lambda: not tagged(tag))
            wait_until(lambda: not zombies_below(first.pid))
            client.one.daemonize(tag)
        first.terminate()
        assert rig.process.wait(20) == 0
        assert not tagged(tag)

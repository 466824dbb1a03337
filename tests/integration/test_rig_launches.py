"""Real rigs whose helpers are stopped and killed, and that run out of processes."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psutil
import pytest

from orchestrator.logs.collect.streams import Streams
from orchestrator.rig.launchers.forkserver import ForkServer
from orchestrator.rig.launchers.handle import is_want
from tests.rigs import RunningRig, collector_of, is_alive, running, wait_until

pytestmark = pytest.mark.measured
DRIVER = """
import os, subprocess, threading, time

class Plain:
    def pid(self) -> int:
        return os.getpid()

    def parent(self) -> int:
        return os.getppid()

    def sockets(self) -> list:
        found = []
        for fd in os.listdir("/proc/self/fd"):
            try:
                found.append(os.readlink(f"/proc/self/fd/{fd}"))
            except OSError:
                pass
        return found

    def die(self):
        os.kill(os.getpid(), 9)

    def sleeper(self) -> int:
        return subprocess.Popen(["sleep", "300"], start_new_session=True).pid

class Greedy(Plain):
    def fill(self, seconds: float):
        def run():
            kept, end = [], time.monotonic() + seconds
            while time.monotonic() < end:
                try:
                    kept.append(subprocess.Popen(["sleep", "60"]))
                except OSError:
                    time.sleep(0.002)
            for each in kept:
                each.kill()
                each.wait()

        threading.Thread(target=run, daemon=True).start()
"""
CONFIG = """
rig: launches
workers:
  one: {driver: "plain:Plain", max_restarts: 1 in 1min}
  two: {driver: "plain:Plain"}
  own: {driver: "plain:Plain", env: {FLAVOUR: mint}}
"""


@pytest.fixture
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"plain": DRIVER}) as rig:
        yield rig


def helper(rig: RunningRig, name: str) -> psutil.Process:
    """The fork server or the guardian of a rig."""

    def find() -> psutil.Process | None:
        for child in psutil.Process(rig.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):  # so is a zombie
                called = " ".join(child.cmdline())
                if name in (called if name == "reaper.py" else child.name()):
                    return child
        return None

    return wait_until(find)  # type: ignore[no-any-return]


@pytest.mark.unmeasured
def test_a_stopped_fork_server_holds_up_nobody(rig: RunningRig) -> None:
    """Others are answered at once; it is told and woken, and the launch succeeds."""
    server = helper(rig, "orch-forkserver")
    with rig.connected() as client:
        client.one.pid()
        client.two.pid()
        server.suspend()
        os.kill(client.one.pid(), signal.SIGKILL)
        rig.wait_state("one", "STARTING")
        for _ in range(20):
            client.two.call("pid", invocation_timeout=5.0, execution_timeout=5.0)
        rig.wait_state("one", "READY")
        client.one.pid()
    assert "somebody has stopped the fork server by SIGSTOP; it is woken in 1 s" in rig.text
    assert helper(rig, "orch-forkserver").pid == server.pid


def test_a_fork_server_that_doesn_t_answer_is_given_up() -> None:
    """The launch fails, and may be tried again."""
    server, outcome = ForkServer(answer_within=0.3), SimpleQueue[Any]()
    server.start(outcome.put)
    assert outcome.get(timeout=20) is None
    try:
        assert server._connection is not None
        assert server._connection.poll(30)  # it has imported what workers need
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        streams = Streams(*(os.open(os.devnull, os.O_WRONLY) for _ in range(3)))
        with open(os.devnull, "rb") as pipe:
            server.launch({"worker": "one"}, None, streams, pipe.fileno(), outcome.put)
            error = outcome.get(timeout=20)
        assert isinstance(error, OSError)
        assert error.strerror == "the fork server didn't answer within 0.3 s"
        assert is_want(error)
        assert server.is_given_up
    finally:
        server.close()


@pytest.mark.unmeasured
@pytest.mark.fresh_processes  # others have nothing to import
def test_a_fork_server_stopped_while_it_imports() -> None:
    """The rig ends in good order, though no launch of it comes to an end."""
    with running(CONFIG, {"plain": DRIVER}, settle=False) as rig:

        def starting() -> psutil.Process | None:
            for child in psutil.Process(rig.process.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if "workers.process.fork_server" in child.cmdline():
                        return child
            return None

        server = wait_until(starting)
        server.suspend()
        wait_until(lambda: "rig launches starts" in rig.text)
        assert rig.stop() == 0
        assert not is_alive(server.pid)


def test_a_killed_log_collector_is_replaced(rig: RunningRig) -> None:
    """And told; workers that speak to it notice nothing."""
    collector = psutil.Process(collector_of(rig.process.pid))
    with rig.connected() as client:
        before = client.one.pid()
        collector.kill()
        wait_until(lambda: "log collector started again" in rig.text)
        assert client.one.pid() == before


@pytest.mark.unmeasured
def test_a_stopped_keeper_does_not_keep_a_worker_s_end_from_the_rig(rig: RunningRig) -> None:
    """It is woken whenever its worker is to end: nobody else tells the end."""
    with rig.connected() as client:
        keeper = psutil.Process(client.one.parent())
        keeper.suspend()
        assert rig.orch("restart", "one").returncode == 0
        assert client.one.parent() != keeper.pid
        keeper = psutil.Process(client.two.parent())
        keeper.suspend()
        os.kill(client.two.pid(), signal.SIGKILL)
        assert rig.orch("restart", "two").returncode == 0
        psutil.Process(client.one.parent()).suspend()
    assert rig.stop() == 0


def test_a_killed_fork_server_costs_no_worker_anything(rig: RunningRig) -> None:
    """They run on with their statuses, restarts aren't counted, and another one takes over."""
    with rig.connected() as client:
        before = {name: client[name].pid() for name in ("one", "two", "own")}
        for _ in range(3):
            server = helper(rig, "orch-forkserver")
            server.kill()
            wait_until(lambda pid=server.pid: helper(rig, "orch-forkserver").pid != pid)
        assert {name: client[name].pid() for name in before} == before
        states = {each["name"]: each for each in client.status()["workers"]}
        assert [each["restarts"] for each in states.values()] == [0, 0, 0]
        client.one.call("pid")
        with pytest.raises(Exception, match="SIGKILL"):
            client.one.die()
        assert client.one.pid() != before["one"]
    assert rig.text.count("the fork server died; another one is started") == 3


@pytest.mark.unmeasured
def test_a_fork_server_that_dies_during_launches(rig: RunningRig) -> None:
    """What was being launched is launched again, by the next one; nobody is given up."""
    for _ in range(3):
        command = rig.command("restart", "one", "two", "own")
        with subprocess.Popen(command, env=rig.environ, stdout=subprocess.DEVNULL) as restart:
            while restart.poll() is None:
                helper(rig, "orch-forkserver").kill()
                time.sleep(0.02)  # a launch takes it some milliseconds
    with rig.connected() as client:
        for name in ("one", "two", "own"):
            rig.wait_state(name, "READY", 60)
            assert client[name].pid()
    assert "given up" not in rig.text
    assert rig.stop() == 0


@pytest.mark.unmeasured
def test_a_stopped_guardian_holds_up_nobody(rig: RunningRig) -> None:
    """Workers start and end as before, and so does the rig."""
    guardian = helper(rig, "reaper.py")
    guardian.suspend()
    for _ in range(3):
        assert rig.orch("restart", "one", "own").returncode == 0
    assert rig.stop() == 0
    assert not is_alive(guardian.pid)


def test_no_descriptors_left(rig: RunningRig) -> None:
    """The worker that can't be started is tried again with the reason; all others go on."""
    supervisor = psutil.Process(rig.process.pid)
    with rig.connected() as client:
        before, victim = client.two.pid(), client.one.pid()
        _, hard = supervisor.rlimit(psutil.RLIMIT_NOFILE)
        supervisor.rlimit(psutil.RLIMIT_NOFILE, (_room_for(supervisor, 2), hard))
        os.kill(victim, signal.SIGKILL)
        state = rig.wait_state("one", "BACKOFF")
        wait_until(lambda: "couldn't be started: [Errno 24]" in rig.text)
        assert state["restarts"] < 5  # with growing pauses: one crash, and what was tried since
        assert client.two.pid() == before
        supervisor.rlimit(psutil.RLIMIT_NOFILE, (hard, hard))
        rig.wait_state("one", "READY", 40)
        assert client.one.pid() != victim
        assert client.two.pid() == before
    assert "given up" not in rig.text


def _room_for(process: psutil.Process, count: int) -> int:
    """The limit under which a process can open so many files."""
    used = {int(each.name) for each in Path(f"/proc/{process.pid}/fd").iterdir()}
    free = [number for number in range(len(used) + count + 1) if number not in used]
    return free[count]


def test_a_killed_guardian_is_replaced(rig: RunningRig) -> None:
    """Its death is told, and its successor ends what a killed supervisor leaves behind."""
    guardian = helper(rig, "reaper.py")
    with rig.connected() as client:
        sleeper = client.two.sleeper()
        worker = client.two.pid()
        guardian.kill()
        wait_until(lambda: helper(rig, "reaper.py").pid != guardian.pid)
    assert "the guardian process died; another one is started" in rig.text
    rig.process.kill()
    rig.process.wait()
    wait_until(lambda: not is_alive(worker) and not is_alive(sleeper))


@pytest.mark.parametrize("name", ["one", "own"])
def test_a_driver_reaches_no_helper(rig: RunningRig, name: str) -> None:
    """It has neither as its parent, and no descriptor to either."""
    guardian, server = helper(rig, "reaper.py"), helper(rig, "orch-forkserver")

    def ends(process: psutil.Process) -> set[str]:
        links = Path(f"/proc/{process.pid}/fd")
        return {os.readlink(each) for each in links.iterdir() if each.name not in "12"}

    with rig.connected() as client:
        assert client[name].parent() not in (guardian.pid, server.pid, rig.process.pid)
        theirs = {
            link for link in ends(guardian) | ends(server) if "socket" in link or "pipe" in link
        }
        assert theirs
        assert not theirs & set(client[name].sockets())


def test_a_killed_keeper_takes_its_worker_alone(rig: RunningRig) -> None:
    """The worker ends with it and is restarted; nothing of it is left."""
    with rig.connected() as client:
        worker, sleeper = client.two.pid(), client.two.sleeper()
        one = client.one.pid()
        os.kill(client.two.parent(), signal.SIGKILL)
        wait_until(lambda: not is_alive(worker))
        assert client.two.pid() != worker
        assert client.one.pid() == one
    wait_until(lambda: not is_alive(sleeper))
    assert "its keeper process was killed" in rig.text


GREEDY = """
rig: shortage
workers:
  greedy: {driver: "plain:Greedy"}
  neighbour: {driver: "plain:Plain"}
  victim: {driver: "plain:Plain", max_restarts: 2 in 1min}
"""


def _belong_to(rig: RunningRig, uid: int, limit: int) -> None:
    """Have a rig's commands run by a user who may have so many processes."""
    for path in (rig.folder, *rig.folder.rglob("*")):
        os.chown(path, uid, uid)
    original = rig.command
    # to read Python's files takes a capability where they are root's alone
    caps = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *caps]
    limited = ["prlimit", f"--nproc={limit}"]
    rig.command = lambda *args: [*become, *limited, *original(*args)]  # type: ignore[method-assign]


@pytest.mark.skipif(os.geteuid() != 0, reason="a user with a limit of its own needs root")
@pytest.mark.unmeasured
def test_no_processes_left() -> None:
    """The worker that can't be started is tried again with the reason; all others go on."""
    uid = 100_000 + os.getpid() % 50_000
    with running(GREEDY, {"plain": DRIVER}, settle=False) as rig:
        rig.stop()
        _belong_to(rig, uid, 90)
        rig.start()

        wait_until(lambda: "3 of 3 workers ready" in rig.text)
        pids = {name: int(rig.orch("call", name, "pid").stdout) for name in ("neighbour", "victim")}
        assert rig.orch("call", "greedy", "fill", "4").returncode == 0
        wait_until(lambda: _processes_of(uid) >= 88)
        os.kill(pids["victim"], signal.SIGKILL)
        wait_until(lambda: "couldn't be started: Resource temporarily unavailable" in rig.text)
        wait_until(lambda: len(re.findall(r"victim +ready", rig.text)) == 2)
        assert int(rig.orch("call", "neighbour", "pid").stdout) == pids["neighbour"]
        assert int(rig.orch("call", "victim", "pid").stdout) != pids["victim"]
        assert rig.stop() == 0
        assert "given up" not in rig.text


@pytest.mark.skipif(os.geteuid() != 0, reason="a user with a limit of its own needs root")
@pytest.mark.parametrize("limit", [1, 6, 8, 12])
@pytest.mark.unmeasured  # what is measured is written by a user who may not
def test_too_few_processes_for_a_rig(limit: int) -> None:
    """It is refused in a line: libzmq ends a process whose threads it can't start."""
    folder = Path(tempfile.mkdtemp(prefix="orch-t-"))
    try:
        rig = RunningRig(folder, GREEDY, {"plain": DRIVER})
        _belong_to(rig, 200_000 + os.getpid() % 50_000, limit)
        done = rig.orch("run", str(rig.config))
        assert done.returncode == 4, done.stderr
        assert done.stderr.startswith("error: the rig can't be run: a rig takes ")
        assert done.stderr.count("\n") == 1
    finally:
        shutil.rmtree(folder)


def _processes_of(uid: int) -> int:
    """Processes and threads of a user, which is what its limit counts."""
    count = 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        uids = process.info["uids"]
        if uids is not None and uids.real == uid:
            count += process.info["num_threads"] or 1
    return count


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system needs root")
def test_a_full_runtime_folder() -> None:
    """It is named, and is no fault of the command's output."""
    with running(CONFIG, {"plain": DRIVER}) as rig:
        rig.stop()
        place = rig.folder / "small"
        place.mkdir(mode=0o700)
        rig.environ["ORCH_RUNTIME_DIR"] = str(place)
        mount = f"mount -t tmpfs -o size=16k,mode=700 small {place}"
        full = f"{mount} && head -c 16k /dev/zero > {place}/f"
        script = f'{full}; exec "$@"'
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh", *rig.command("run", str(rig.config))],
            env=rig.environ,
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert f"the runtime folder {place}/launches is full" in done.stderr
    assert done.returncode not in (74, 130)

"""Brings faults about, by the dice, and writes down which, when and to whom."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from faults.clients import RIG
from faults.hosts import HostFaults
from faults.journal import Journal
from faults.rig import RunningRig, config, helpers, pids
from orch import connect, errors
from orchestrator.client import Rig

BUSY = ("a", "b", "own", "strict", "lean")
PROGRAMS = ("calls", "futures", "futures", "tasks", "steady")
SIEGE = Path(__file__).resolve().parents[1] / "siege.py"
GONE_WITHIN = 2.0
"""Seconds after which nothing is left of a rig whose supervisor was killed."""


class Clients:
    """The client programs.

    Args:
        folder: Of the journals.
        journal: Where it is written down whom a fault ends.
        random: Gives them their seeds.
    """

    def __init__(self, folder: Path, journal: Journal, random: random.Random) -> None:
        self._folder = folder
        self._journal = journal
        self._random = random
        self._number = 0
        self._running: dict[str, tuple[str, subprocess.Popen[bytes]]] = {}

    def start_all(self) -> None:
        """Start all programs."""
        for how in PROGRAMS:
            self._start(how)

    def _start(self, how: str) -> None:
        self._number += 1
        name = f"{how}{self._number}"
        command = [sys.executable, "-m", "faults.clients", how, name, str(self._folder)]
        command.append(str(self._random.randrange(2**32)))
        # The rig is to have the machine before those who press it.
        self._running[name] = how, subprocess.Popen(["nice", "-n", "10", *command])

    def kill_one(self) -> None:
        """Kill one, whatever it waits for; another one takes its place."""
        name = self._random.choice(
            [name for name, (how, _) in self._running.items() if how != "steady"]
        )
        how, process = self._running.pop(name)
        self._journal.write("client killed", client=name)
        process.kill()
        process.wait()
        self._start(how)

    def look(self) -> None:
        """Whether all are there that should be."""
        for name, (_, process) in self._running.items():
            if process.poll() is not None:
                raise SystemExit(f"client {name} has ended by itself: {process.returncode}")

    def stop_all(self) -> None:
        """Have them ask no more, and wait until all is answered."""
        for _, process in self._running.values():
            process.terminate()
        for _, process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()


class Injector:
    """Brings faults about.

    Args:
        rig: Whom they hit.
        clients: They as well.
        journal: Where each is written down.
        random: The dice.
    """

    def __init__(
        self, rig: RunningRig, clients: Clients, journal: Journal, random: random.Random
    ) -> None:
        self._rig = rig
        self._clients = clients
        self._journal = journal
        self._random = random
        self._form = 0
        self._strangers: list[subprocess.Popen[bytes]] = []
        self._faults: dict[Callable[[Rig], None], int] = {
            self.kill: 12,
            self.kill_idle: 10,
            self.stop: 5,
            self.kill_stopped: 12,
            self.restart: 3,
            self.apply: 5,
            self.kill_client: 2,
            self.flood: 1,
            self.kill_helper: 4,
            self.stop_helper: 1,
            self.starve: 2,
        }
        if rig.has_disk:
            self._faults[self.fill_disk] = 1
        if rig.hosts is not None:
            self._faults |= HostFaults(rig.hosts, journal, random).all

    def inject(self) -> None:
        """Bring one fault about, and wait for what belongs to it."""
        (fault,) = self._random.choices(list(self._faults), list(self._faults.values()))
        # The rig may be full, or the worker gone meanwhile: another fault, then.
        with contextlib.suppress(errors.OrchError), connect(RIG, timeout=10) as rig:
            fault(rig)

    def _write(self, kind: str, worker: str = "") -> None:
        self._journal.write("fault", kind=kind, worker=worker)

    def _signal(self, kind: str, worker: str, pid: int, number: int) -> bool:
        at = time.monotonic_ns()
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        self._journal.write("fault", at=at, kind=kind, worker=worker, pid=pid)
        return True

    # -- each brings one about ------------------------------------------------------------

    def kill(self, rig: Rig) -> None:
        """Whatever a busy worker does."""
        found = pids(rig)
        worker = self._random.choice(BUSY)
        if worker in found:
            number = self._random.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV))
            self._signal(number.name, worker, found[worker], number)

    def kill_idle(self, rig: Rig) -> None:
        """A worker that nobody asks."""
        if (pid := pids(rig).get("spare")) is not None:
            self._signal("SIGKILL", "spare", pid, signal.SIGKILL)

    def stop(self, rig: Rig) -> None:
        """For a while."""
        worker = self._random.choice(BUSY)
        if (pid := pids(rig).get(worker)) is not None:
            self._signal("SIGSTOP, SIGCONT", worker, pid, signal.SIGSTOP)
            time.sleep(self._random.uniform(0.02, 0.6))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def kill_stopped(self, rig: Rig) -> None:
        """One that stood still, so that what it was sent meanwhile hasn't begun."""
        worker = self._random.choice(("a", "b", "lean", "strict"))
        if (pid := pids(rig).get(worker)) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
            time.sleep(self._random.uniform(0.02, 0.2))
            self._signal("SIGKILL while stopped", worker, pid, signal.SIGKILL)

    def restart(self, rig: Rig) -> None:
        """By order."""
        worker = self._random.choice((*BUSY, "thread"))
        self._write("restart by order", worker)
        rig[RIG].call("restart", names=[worker], execution_timeout=30)

    def apply(self, rig: Rig) -> None:
        """Another config: a worker goes or comes, another restarts, a third has other limits."""
        self._form += 1
        text = config(
            self._rig.journals,
            form=self._form if self._random.random() < 0.5 else self._form - 1,
            timeout=3.0 + self._form % 5,
            guest=self._random.random() < 0.5,
            hosts=self._rig.hosts,
        )
        self._rig.file.write_text(text)
        self._write("apply")
        rig[RIG].call("plan", str(self._rig.file), execution_timeout=30)
        rig[RIG].call("apply", str(self._rig.file), execution_timeout=30)

    def kill_client(self, rig: Rig) -> None:
        """With all that it waits for."""
        self._write("SIGKILL of a client")
        self._clients.kill_one()

    def flood(self, rig: Rig) -> None:
        """Malformed messages at all sockets."""
        status = rig.status()
        link = next((self._rig.folder / "run").rglob("link.ipc"))
        addresses = {"front": status["addresses"], "publisher": status["events"]}
        text = json.dumps({**addresses, "back": [f"ipc://{link}"]})
        seed = str(self._random.randrange(2**32))
        command = ["nice", "-n", "19", sys.executable, str(SIEGE), "--stranger", text]
        self._write("malformed flood")
        self._strangers = [each for each in self._strangers if each.poll() is None]
        self._strangers.append(
            subprocess.Popen([*command, "--seed", seed], stdout=subprocess.DEVNULL)
        )

    def kill_helper(self, rig: Rig) -> None:
        """One of the rig's own."""
        name, pid = self._random.choice(list(helpers(rig).items()))
        self._signal(f"SIGKILL of the {name}", "", pid, signal.SIGKILL)

    def stop_helper(self, rig: Rig) -> None:
        """The rig wakes it."""
        name, pid = self._random.choice(list(helpers(rig).items()))
        self._signal(f"SIGSTOP of the {name}", "", pid, signal.SIGSTOP)

    def starve(self, rig: Rig) -> None:
        """No start succeeds for a while: the fork server can't have what a process takes."""
        server = helpers(rig).get("fork server")
        if server is None:
            return
        what = resource.RLIMIT_NOFILE if os.geteuid() == 0 else resource.RLIMIT_NPROC
        with contextlib.suppress(ProcessLookupError):
            _, hard = before = resource.prlimit(server, what)
            resource.prlimit(server, what, (3, hard))
            self._write("failed forks", "b")
            if (pid := pids(rig).get("b")) is not None:
                self._signal("SIGKILL", "b", pid, signal.SIGKILL)
            time.sleep(0.5)
            resource.prlimit(server, what, before)

    def fill_disk(self, rig: Rig) -> None:
        """The logs' folder, for a while."""
        fill = self._rig.disk
        self._write("full disk")
        try:
            with fill.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 16))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        time.sleep(1.0)
        fill.unlink()

    # -- in rounds of its own -------------------------------------------------------------

    def kill_supervisor(self) -> None:
        """Nothing may be left of the rig soon, and it can be run again at once."""
        before = {each: _name(each) for each in self._rig.processes()}
        with contextlib.suppress(errors.OrchError), connect(RIG, timeout=10) as rig:
            # They stay until they have done what they are at: recipes, imports, the last records.
            own = set(helpers(rig).values())
            before = {each: name for each, name in before.items() if each.pid not in own}
        self._write("SIGKILL of the supervisor")
        self._rig.process.kill()
        self._rig.process.wait()
        end = time.monotonic() + GONE_WITHIN
        while any(map(_lives, before)) and time.monotonic() < end:
            time.sleep(0.01)  # they aren't our children: nothing tells their ends
        left = [name for each, name in before.items() if _lives(each)]
        if left:
            self._journal.write("left behind", processes=left)
        self._rig.start()


def _name(process: psutil.Process) -> str:
    """What a process is, as far as can be told; it may be gone by now."""
    try:
        return f"{process.name()} {process.cmdline()[-2:]}"
    except psutil.Error:
        return "gone"


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Watch:
    """Writes down how the rig's workers fare, and what its own process takes.

    Args:
        rig: Whom.
        journal: Where.

    Attributes:
        peak: The most `memory` (bytes) and `descriptors` of the supervisor.
    """

    def __init__(self, rig: RunningRig, journal: Journal) -> None:
        self._rig = rig
        self._journal = journal
        self.peak = {"memory": 0, "descriptors": 0}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=each) for each in (self._states, self._sizes)]
        for each in self._threads:
            each.start()

    def end(self) -> None:
        """Stop watching."""
        self._stop.set()
        for each in self._threads:
            each.join()

    def _states(self) -> None:
        with connect(RIG) as rig, rig.subscribe("worker-state", timeout=0.5) as events:
            while not self._stop.is_set():
                try:
                    event = next(events)
                except TimeoutError:
                    continue
                self._journal.write("state", **event.value)

    def _sizes(self) -> None:
        while not self._stop.wait(0.2):
            folder = Path(f"/proc/{self._rig.process.pid}")
            with contextlib.suppress(OSError):  # it was killed
                pages = int((folder / "statm").read_text().split()[1])
                self._note("memory", pages * resource.getpagesize())
                self._note("descriptors", len(os.listdir(folder / "fd")))

    def _note(self, what: str, value: int) -> None:
        self.peak[what] = max(self.peak[what], value)

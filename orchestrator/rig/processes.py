"""Worker processes and threads: who lives, signals to them, and how they ended.

How a worker is brought to life is the business of a launcher: forked from a server that has the
libraries imported already, or, with an interpreter or environment of its own, as a fresh process;
over INPROC as a thread of the supervisor; on another host by the agent there, which has one of
these too.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection
from typing import Any, Protocol

import msgspec
import zmq

from orchestrator.core.children import Exit
from orchestrator.logs.collect.streams import Streams
from orchestrator.rig import orphans
from orchestrator.rig.guardian import Guardian
from orchestrator.rig.launchers.forkserver import ForkLauncher, ForkServer
from orchestrator.rig.launchers.handle import Handle, Housed, Launcher, MayHaveLived
from orchestrator.rig.launchers.subprocess import SubprocessLauncher
from orchestrator.rig.launchers.thread import ThreadLauncher
from orchestrator.rig.reaper import TOKEN
from orchestrator.rig.tickets import Tickets
from workers.process.keeper import adopt_orphans
from workers.process.thread import WorkerThread
from workers.spec import WorkerSpec

Unlaunched = Callable[[str, int, OSError], None]


class Collects(Protocol):
    """What takes what workers write."""

    def open_streams(self, worker: str, incarnation: int) -> Streams:
        """Make the three streams of an incarnation. Raises OSError."""

    def forget(self, worker: str, incarnation: int, how: str | None = None) -> None:
        """It has ended, and how: its streams are read to their end."""

    def unblock(self, worker: str, incarnation: int) -> bool:
        """See that it doesn't wait for somebody to read what it writes."""


class Fences(Launcher, Protocol):
    """A launcher of other hosts, which can be lost."""

    def fenced(self, worker: str) -> str:
        """Why no life of a worker may begin anywhere yet; empty if it may."""


class _Launch:
    """A launch whose outcome isn't known; what the worker is signalled meanwhile waits for it."""

    def __init__(self, launcher: Launcher) -> None:
        self.launcher = launcher
        self.signals: list[str] = []


class Processes:
    """Has workers started, and knows those that live.

    Args:
        context: For INPROC workers: the one of the rig's sockets.
        logs: Collects what they write.
        guardian: Ends what they leave behind.
        fork_server: Starts their processes.
        elsewhere: Starts those of other hosts.
        deliver: Has a function called in the loop's thread; from any thread.
        unlaunched: Is told in the loop's thread of launches that failed: worker, number, error.

    Attributes:
        handles: The incarnation and handle of each worker that lives.
        changes: Goes up whenever `handles` changes.
        silent_ends: Whether some worker may have ended without its sentinel being readable.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        logs: Collects,
        guardian: Guardian,
        fork_server: ForkServer,
        deliver: Callable[[Callable[[], None]], None],
        unlaunched: Unlaunched,
        elsewhere: Fences | None = None,
    ) -> None:
        self._context = context
        self._logs = logs
        self._guardian = guardian
        self._deliver = deliver
        self._unlaunched = unlaunched
        self._threads: Launcher = ThreadLauncher(context)
        self._own: Launcher = SubprocessLauncher(fork_server)
        self._forked: Launcher = ForkLauncher(fork_server)
        self._elsewhere = elsewhere
        self._launches: dict[str, _Launch] = {}
        self._tickets: dict[str, tuple[int, Tickets]] = {}  # of lives whose end isn't told
        self._lost: list[tuple[str, int, Exit]] = []  # launches of which nothing was heard
        self._shares = False  # whether drivers run as threads here
        adopt_orphans()
        self.handles: dict[str, tuple[int, Handle]] = {}
        self.changes = 0
        self.silent_ends = False

    def launch(self, config: Housed, spec: WorkerSpec) -> None:
        """Have an incarnation started: it is among `handles` soon, or `unlaunched` is told.

        Raises:
            OSError: There are no file descriptors for it, or an earlier life may still have its
                device, on another host.
        """
        worker, incarnation = config.name, spec.incarnation
        if self._elsewhere is not None and (reason := self._elsewhere.fenced(worker)):
            raise OSError(errno.EAGAIN, reason)
        self._tickets[worker] = incarnation, Tickets()
        try:
            self._launch(config, spec)
        except BaseException:
            self.last_tickets(worker, incarnation)
            raise

    def _launch(self, config: Housed, spec: WorkerSpec) -> None:
        worker, incarnation = config.name, spec.incarnation
        launcher = self._launcher(config)
        if launcher is self._threads:
            self._shares = True
            streams = None
        else:
            streams = self._logs.open_streams(worker, incarnation)
        token = self._guardian.token(worker, incarnation)
        env = {**config.env, TOKEN: f"{token}."}
        tickets = self._tickets[worker][1].reader
        self._launches[worker] = _Launch(launcher)

        def done(outcome: Handle | OSError) -> None:
            self._deliver(lambda: self._launched(worker, incarnation, outcome))

        try:
            launcher.launch(config, spec, env, streams, tickets, done)
        except BaseException:
            del self._launches[worker]
            raise

    def _launcher(self, config: Housed) -> Launcher:
        if config.transport == "inproc":
            return self._threads
        if config.host is not None:
            assert self._elsewhere is not None
            return self._elsewhere
        return self._own if config.env or config.python else self._forked

    def _launched(self, worker: str, incarnation: int, outcome: Handle | OSError) -> None:
        launch = self._launches.pop(worker)
        if isinstance(outcome, OSError):
            self._logs.forget(worker, incarnation)
            if isinstance(outcome, MayHaveLived):  # its own messages may have said that it does
                text = f"couldn't be started: {outcome.strerror}"
                self._lost.append((worker, incarnation, Exit(text, normal=False, wants=True)))
                self.silent_ends = True
                return
            self.last_tickets(worker, incarnation)
            self._unlaunched(worker, incarnation, outcome)
            return
        self.handles[worker] = (incarnation, outcome)
        self.changes += 1
        if outcome.is_here:
            self._guardian.add(outcome.pid)
        for how in launch.signals:
            self.signal(worker, how)

    # -- tickets

    def give_ticket(self, worker: str, number: int) -> None:
        """Let a worker begin an operation that it is about to be sent."""
        if (entry := self._tickets.get(worker)) is not None:
            entry[1].give(number)

    def unclaimed(self, worker: str) -> int:
        """How many operations a worker was given that it hasn't begun."""
        entry = self._tickets.get(worker)
        return 0 if entry is None else entry[1].unclaimed()

    def take_back(self, worker: str, incarnation: int) -> list[int]:
        """The tickets that a life hasn't claimed, which it can't claim any more."""
        life, tickets = self._tickets.get(worker, (0, None))
        return tickets.take_back() if tickets is not None and life == incarnation else []

    def last_tickets(self, worker: str, incarnation: int) -> list[int]:
        """The same of a life that is over, whose tickets are needed no more."""
        numbers = self.take_back(worker, incarnation)
        life, tickets = self._tickets.get(worker, (0, None))
        if tickets is not None and life == incarnation:
            del self._tickets[worker]
            tickets.close()
        return numbers

    def host(self, spec: WorkerSpec, driver: object) -> WorkerThread:
        """Serve an object of the supervisor's own as a worker."""
        thread = WorkerThread(spec, self._context, driver=driver)
        thread.start()
        return thread

    def reap(self) -> list[tuple[str, int, Exit]]:
        """The incarnations that have ended since the last call: worker, number, how."""
        over, self._lost = self._lost, []
        self.silent_ends = False
        for worker, (incarnation, handle) in list(self.handles.items()):
            exit_ = handle.ended()
            if exit_ is None:
                continue
            del self.handles[worker]
            self.changes += 1
            if handle.is_here:
                self._guardian.gone(handle.pid, self._guardian.token(worker, incarnation))
            if handle.has_streams:
                # What kept its driver from being built it has told itself.
                how = None if exit_.normal or exit_.unusable else exit_.text
                self._logs.forget(worker, incarnation, how)
                exit_ = msgspec.structs.replace(exit_, speaks=how is not None)
            handle.close()
            over.append((worker, incarnation, exit_))
        return over

    def reap_orphans(self, own: Collection[int]) -> None:
        """Reap what others left to this process, but for `own` processes of the supervisor's."""
        orphans.reap(own, shares=self._shares)

    def signal(self, worker: str, how: str) -> None:
        """As `Handle.signal`, for a worker that lives, or is about to."""
        if (launch := self._launches.get(worker)) is not None:
            launch.signals.append(how)
            if how == "kill":  # it takes too long: whoever is at it is stuck
                launch.launcher.give_up(worker)
        elif worker in self.handles:
            handle = self.handles[worker][1]
            handle.signal(how)
            # A thread that is left behind runs on: no sentinel tells that it is given up.
            self.silent_ends |= not handle.has_streams

    def insist(self, worker: str) -> tuple[int, str]:
        """As `Handle.insist`, for a worker that lives: its incarnation, and what was found."""
        if worker not in self.handles:
            return 0, ""
        incarnation, handle = self.handles[worker]
        return incarnation, handle.insist()

    def unblock(self, worker: str) -> None:
        """A worker takes too long: see that it doesn't wait for somebody to read its output."""
        if worker in self.handles:
            self._logs.unblock(worker, self.handles[worker][0])

    def kill_all(self) -> None:
        """Kill the workers that live, and all below them."""
        for worker in list(self.handles):
            self.signal(worker, "kill")

    @property
    def under_way(self) -> list[str]:
        """Workers that are about to live."""
        return list(self._launches)

    def pid(self, worker: str) -> int | None:
        """Process id of a worker that lives."""
        entry = self.handles.get(worker)
        return entry[1].pid if entry else None

    def groups(self) -> list[int]:
        """The process groups of workers that live."""
        return [handle.pid for _, handle in self.handles.values() if handle.is_here]

    def sentinels(self) -> list[int]:
        """File descriptors of which one is readable when some worker has ended."""
        return [handle.sentinel for _, handle in self.handles.values()]

"""An agent: has a rig's workers live on this machine, as long as its lease lasts.

It starts them as the rig's supervisor does on its own machine, and tells their output and their
ends. It never starts one twice: messages come once (`hosts.channel`). When the rig isn't heard any
more, it ends them all, and so does its guardian, a process of its own, should this one be stopped:
another host may have the device next. What ends the agent, ends the workers too: they hang on a
pipe of its (`process.lifeline`).
"""

from __future__ import annotations

import errno
import math
import os
import platform
import secrets
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import zmq

from orchestrator.agent.hold import Hold, say
from orchestrator.agent.pipes import Pipes
from orchestrator.agent.securing import Securing
from orchestrator.core.children import Exit
from orchestrator.hosts import messages
from orchestrator.hosts.channel import ROOM, Channel
from orchestrator.hosts.clock import clock
from orchestrator.hosts.lease import QUESTIONS, AgentLease
from orchestrator.hosts.messages import PROTOCOL, RELIABLE_PARTS, Start, decode, encode
from orchestrator.rig.guardian import Guardian
from orchestrator.rig.launchers.forkserver import ForkServer
from orchestrator.rig.launchers.handle import MayHaveLived
from orchestrator.rig.mailbox import Mailbox
from orchestrator.rig.processes import Processes
from orchestrator.version import version
from transports import frames
from transports.errors import ProtocolError
from transports.keepalive import keep_alive
from workers.errors import EXIT_SUPERVISOR_LOST
from workers.spec import WorkerSpec

ANEW = 0.2, 0.5
"""Silence after which the rig is called anew: as a part of `lost_after`, and seconds at least. When
a cable is in again, an old connection goes on only when tcp next tries, which may be too late."""
AWAY = 1.0
"""Seconds without an answer after which the rig counts as away: until then who writes may wait."""
LAST_WORDS = 600.0
"""Seconds that an agent without a lease goes on to tell what was written, and what ended."""
ORPHANED = 1.0
"""The same for one whose engine has ended, and the rig with it, most likely: since it was heard."""
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


class Lodger(msgspec.Struct, frozen=True):
    """A worker, as launchers want it: see `launchers.handle.Housed`."""

    name: str
    env: dict[str, str]
    python: Path | None
    cwd: Path
    transport: str = "ipc"
    host: str | None = None


class Agent:
    """One agent.

    Args:
        start: What it was given.
        lifeline: Descriptor whose end of file is the end of who started it.
        hold: It is given up when nothing lives here any more, and all is made safe.
    """

    def __init__(self, start: Start, lifeline: int, hold: Hold) -> None:
        self._start = start
        self._lifeline = lifeline
        self._hold: Hold | None = hold
        self._folder = Path(start.folder or "~").expanduser().absolute()
        self._lease = AgentLease(start.lost_after, clock())
        self._channel = Channel()
        self._granted = 0
        self._heard = self._called = clock()
        self._over = ""  # why it ends
        self._fenced = False  # nothing may live here any more
        self._ends_at = self._gives_up_at = math.inf
        self._status = 0
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket = _connected(self._context, start)
        self._mailbox = Mailbox()
        self._guardian = Guardian(held=hold.fd)
        self._guardian.lease_until(self._lease.until)
        self._pipes = Pipes(self._tell, lambda: self._channel.held < ROOM)
        self._fork_server = ForkServer()
        self._processes = Processes(
            self._context,
            self._pipes,
            self._guardian,
            self._fork_server,
            deliver=self._mailbox.tell,
            unlaunched=self._unstarted,
        )
        self._securing = Securing(self._guardian, self._mailbox, self._tell)
        self._told: set[str] = set()  # workers whose start was told

    def run(self) -> int:
        """Serve until the rig is gone or says so; the exit status."""
        with self._mailbox.signals(self._on_signal):
            self._start_fork_server()
            try:
                while not self._is_done():
                    self._turn()
            finally:
                self._processes.kill_all()
                self._guardian.close(5.0)
                self._fork_server.close()
                self._socket.close()
                self._context.term()
        return self._status

    # -- one turn --------------------------------------------------------------------------

    def _is_done(self) -> bool:
        if not self._over or self._has_lives():
            return False
        if self._ends_at > clock() and self._channel.held:
            return False
        if not self._fenced:
            self._fence(self._over, self._status)
        return self._let_go()

    def _has_lives(self) -> bool:
        return bool(self._processes.handles or self._processes.under_way)

    def _let_go(self) -> bool:
        """Once nothing may live here and nothing does: whether another agent may begin.

        That is when the guardian has made safe what is to be: it takes no longer than recipes may.
        """
        if self._hold is None:
            return True
        if not self._fenced or self._has_lives() or not self._securing.leave():
            return False
        self._guardian.finish()
        if self._guardian.is_alive:
            return False
        self._hold.give_up()
        self._hold = None
        return True

    def _turn(self) -> None:
        waits: list[Any] = [self._socket, self._mailbox.fileno(), *self._processes.sentinels()]
        if self._lifeline >= 0:
            waits.append(self._lifeline)
        waits += (
            each.sentinel
            for each in (self._guardian, self._fork_server)
            if each.sentinel >= 0 and not self._fenced  # nobody needs another one then
        )
        if self._fenced and self._hold is not None and self._guardian.is_alive:
            waits.append(self._guardian.sentinel)
        outputs = self._outputs()
        ready = zmq.zmq_poll(
            [(each, int(zmq.POLLIN)) for each in (*waits, *outputs)], self._timeout()
        )
        for source, _ in ready:
            if source is self._socket:
                self._hear()
            elif source == self._mailbox.fileno():
                self._mailbox.answer()
            elif source == self._lifeline:
                self._look_at_lifeline()
            elif source == self._guardian.sentinel and not self._fenced:
                self._revive_guardian()
            elif source == self._fork_server.sentinel:
                self._start_fork_server()
            elif source in outputs:
                self._pipes.read(source)
        self._tick(clock())
        self._reap()
        self._let_go()

    def _timeout(self) -> int:
        now, due = clock(), self._lease.asks_at
        if self._ends_at > now:
            due = min(due, self._ends_at)
        if not self._fenced:
            due = min(due, self._lease.until)
        return max(0, math.ceil((due - now) * 1000))

    def _outputs(self) -> list[int]:
        """The streams that are read: without room who writes waits, unless the rig is away."""
        if self._fenced or clock() - self._heard > AWAY:
            return self._pipes.fds
        return self._pipes.unpaused() if self._channel.held < ROOM else []

    def _tick(self, now: float) -> None:
        if not self._fenced and now >= self._lease.until:
            self._fence(self._unheard(), EXIT_SUPERVISOR_LOST)
        if now < self._lease.asks_at:
            return
        part, least = ANEW
        if now - max(self._heard, self._called) > max(least, part * self._start.lost_after):
            self._called = now
            self._socket.disconnect(self._start.address)
            self._socket.connect(self._start.address)
        if not self._granted:  # the first one may have come to nobody
            self._say(self._hello())
        number = self._lease.ask(now)
        self._channel.asked(number)
        usage = {name: _used(each.pid) for name, (_, each) in self._processes.handles.items()}
        over = "" if usage and not self._fenced else self._over
        held = self._channel.held
        self._say(messages.Renew(number, self._granted, time.time(), held, over, usage))

    def _unheard(self) -> str:
        text = f"rig {self._start.rig!r} was not heard for {self._start.lost_after:g} s"
        if self._granted:
            return text
        at = self._start.address.removeprefix("tcp://")
        return f"{text} at {at}: this host can't reach it; placement: {{address: …}} of the rig?"

    def _fence(self, why: str, status: int) -> None:
        """Nothing may live here any more."""
        if not self._fenced and status:
            say(why)
        self._fenced = True
        self._over, self._status = self._over or why, status
        self._gives_up_at = min(self._gives_up_at, clock() + LAST_WORDS)
        self._ends_at = min(self._ends_at, self._gives_up_at)
        self._processes.kill_all()
        for worker in self._processes.under_way:
            self._processes.signal(worker, "kill")

    def _look_at_lifeline(self) -> None:
        if os.read(self._lifeline, 4096):
            return
        self._lifeline = -1
        self._fence("who started it has ended", EXIT_SUPERVISOR_LOST)
        self._ends_if_unheard()

    def _ends_if_unheard(self) -> None:
        """Go on as long as the rig takes what is left to tell."""
        patience = max(ORPHANED, 2 * self._start.lost_after / QUESTIONS)
        self._ends_at = min(self._gives_up_at, clock() + patience)

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGCHLD:
            pids = (self._guardian.pid, self._fork_server.pid)
            self._processes.reap_orphans([each for each in pids if each is not None])
        elif not self._over:
            self._over = signal.Signals(number).name
            self._ends_at = self._gives_up_at = clock() + LAST_WORDS
            for worker in self._processes.handles:
                self._processes.signal(worker, "term")
        else:
            self._processes.kill_all()

    def _revive_guardian(self) -> None:
        try:
            self._guardian.restart(self._processes.groups())
        except OSError:
            self._fence("no guardian process can be started", 1)

    def _start_fork_server(self) -> None:
        self._fork_server.start(lambda error: self._mailbox.tell(lambda: self._started(error)))

    def _started(self, error: OSError | None) -> None:
        if error is not None:
            self._fence(f"no fork server can be started: {error}", 1)

    # -- what the rig says -------------------------------------------------------------------

    def _hear(self) -> None:
        while frames.has_more(self._socket):
            parts = frames.receive(self._socket, RELIABLE_PARTS)
            if isinstance(parts, frames.TooManyFrames) or len(parts) != RELIABLE_PARTS:
                continue
            self._heard = clock()
            if self._lifeline < 0:
                self._ends_if_unheard()
            try:
                taken = self._channel.take([each.bytes for each in parts])
                if taken is not None:
                    self._obey(decode(taken[0]))
            except (ValueError, ProtocolError) as error:
                self._fence(f"the rig says what this release doesn't know: {error}", 1)
                return

    def _obey(self, message: messages.Message) -> None:
        if isinstance(message, messages.Grant | messages.Taken):
            self._pipes.paused = set(message.paused)
        if isinstance(message, messages.Grant):
            self._answered(message)
        elif isinstance(message, messages.Refused):
            self._channel = Channel()  # nobody wants to know more
            self._fence(message.why, EXIT_SUPERVISOR_LOST)
        elif isinstance(message, messages.Launch):
            self._launch(message)
        elif isinstance(message, messages.Signal):
            self._signal(message)
        elif isinstance(message, messages.Secure):
            self._securing.secure(message.worker, message.incarnation)
        elif isinstance(message, messages.Bye):
            self._channel = Channel()
            self._fence("the rig is down", 0)

    def _answered(self, grant: messages.Grant) -> None:
        self._granted = max(self._granted, grant.number)
        for parts in self._channel.answered(grant.number):
            frames.send(self._socket, parts)
        if grant.renews and not self._fenced and self._lease.granted(grant.number, clock()):
            self._guardian.lease_until(self._lease.until)

    def _launch(self, launch: messages.Launch) -> None:
        life = (launch.worker, launch.incarnation)
        if self._over:
            self._unstarted(*life, OSError(errno.EAGAIN, f"its host ends: {self._over}"))
            return
        try:
            spec = WorkerSpec.from_dict(launch.spec)
            cwd = self._folder / Path(launch.cwd).expanduser()
            spec = msgspec.structs.replace(spec, folder=str(self._folder), cwd=str(cwd))
            python = Path(launch.python) if launch.python else None
            if launch.recipe is not None:
                self._securing.arm(launch, cwd, self._folder)
            self._processes.launch(Lodger(launch.worker, launch.env, python, cwd), spec)
        except (OSError, msgspec.ValidationError) as error:
            self._unstarted(*life, error if isinstance(error, OSError) else OSError(0, str(error)))

    def _signal(self, message: messages.Signal) -> None:
        if message.how == "insist":
            incarnation, held = self._processes.insist(message.worker)
            if held and incarnation == message.incarnation:
                self._tell(messages.Held(message.worker, incarnation, held))
        else:
            self._processes.signal(message.worker, message.how)

    # -- what the rig is told ----------------------------------------------------------------

    def _unstarted(self, worker: str, incarnation: int, error: OSError) -> None:
        text = error.strerror or str(error)
        if error.filename:
            text = f"{text}: {error.filename}"
        lived = isinstance(error, MayHaveLived)
        if not lived:
            self._securing.disarm(worker)
        self._tell(messages.Unstarted(worker, incarnation, error.errno or 0, text, lived))

    def _tell_starts(self) -> None:
        for worker, (incarnation, handle) in self._processes.handles.items():
            if worker not in self._told:
                self._told.add(worker)
                self._tell(messages.Started(worker, incarnation, handle.pid))

    def _reap(self) -> None:
        self._tell_starts()  # one that has ended at once has lived
        for worker, incarnation, exit_ in self._processes.reap():
            self._processes.last_tickets(worker, incarnation)
            self._told.discard(worker)
            self._tell(_ended(worker, incarnation, exit_))

    def _hello(self) -> messages.Hello:
        return messages.Hello(
            protocol=PROTOCOL,
            release=version(),
            python=platform.python_version(),
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            name=platform.node(),
            pid=os.getpid(),
            folder=str(self._folder),
        )

    def _tell(self, message: messages.Told, data: bytes = b"") -> None:
        frames.send(self._socket, self._channel.tell(encode(message), data))

    def _say(self, message: messages.Message) -> None:
        frames.send(self._socket, self._channel.say(encode(message)))


def _ended(worker: str, incarnation: int, exit_: Exit) -> messages.Ended:
    return messages.Ended(
        worker,
        incarnation,
        text=exit_.text,
        normal=exit_.normal,
        unusable=exit_.unusable,
        wants=exit_.wants,
        status=exit_.status,
    )


def _connected(context: zmq.Context[Any], start: Start) -> zmq.Socket[Any]:
    """An agent's socket; what it sends waits until the rig is there."""
    made: zmq.Socket[Any] = context.socket(zmq.DEALER)
    made.set(zmq.LINGER, 500)
    made.set(zmq.SNDHWM, 0)  # bounded by `ROOM`
    made.set(zmq.RCVHWM, 0)
    made.set(zmq.RECONNECT_IVL_MAX, 1000)
    made.setsockopt(zmq.ROUTING_ID, f"{start.token}.{secrets.token_hex(8)}".encode())
    made.setsockopt_string(zmq.CURVE_SERVERKEY, start.server)
    made.setsockopt_string(zmq.CURVE_PUBLICKEY, start.public)
    made.setsockopt_string(zmq.CURVE_SECRETKEY, start.secret)
    keep_alive(made)
    made.connect(start.address)
    return made


def _used(pid: int) -> messages.Usage:
    """What a process has used, as the kernel tells; nothing of one that has just ended."""
    try:
        times = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        pages = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return messages.Usage(0.0, 0)
    return messages.Usage((int(times[11]) + int(times[12])) / _TICKS, int(pages[1]) * _PAGE_SIZE)

"""Workers by way of the fork server, and the fork server itself.

A launch never holds up the loop: one helper thread talks to the fork server, with a deadline for
each answer. A fork server that doesn't answer is killed, and the launch has failed; whoever
watches the sentinel has another one started.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

import msgspec
import multiprocess
from multiprocess.connection import Connection
from multiprocess.reduction import send_handle

from orchestrator.core.children import Exit
from orchestrator.logs.collect.streams import Streams
from orchestrator.rig.launchers.handle import Housed, Launched, MayHaveLived, exit_of
from workers.process import fork_server, lifeline
from workers.process.keeper import STATUS
from workers.search_path import own_environment
from workers.spec import WorkerSpec
from workers.stop_signals import held_back

ANSWER_WITHIN = 5.0
"""Seconds for the fork server to answer a request, which takes it milliseconds."""
IMPORT_WITHIN = 60.0
"""Seconds for it to import what workers need, which takes it half a second."""


def signal_process(pid: int, how: str) -> None:
    """As `Handle.signal`, for a process that leads its group."""
    with suppress(ProcessLookupError):
        if how == "stacks":
            lifeline.ask_for_stacks(pid)
            return
        if how == "kill":
            below = lifeline.descendants(pid)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            lifeline.kill_each([pid, *below])
            return
        if how == "wake":
            os.kill(pid, signal.SIGCONT)
        lifeline.terminate(pid)


class KeptHandle:
    """A worker's process, below its keeper.

    Args:
        pid: The worker.
        keeper: Its keeper.
        status: Read end of the pipe on which the keeper tells the end.
        alive: Write end of the pipe that tells the worker that its supervisor lives.
        memory: Bytes that it may use; None for no limit.
    """

    is_here = has_streams = True

    def __init__(
        self, pid: int, keeper: int, status: int, alive: int, memory: int | None = None
    ) -> None:
        self.pid = pid
        self._keeper = keeper
        self.sentinel = status
        self._alive = alive
        self._memory = memory
        self._over = False
        os.set_blocking(status, False)

    def ended(self) -> Exit | None:
        """How it ended; None if it lives."""
        try:
            told = os.read(self.sentinel, STATUS.size)
        except BlockingIOError:
            return None
        self._over = True
        if len(told) == STATUS.size:
            code, used = STATUS.unpack(told)
            return exit_of(code, used * 1024, self._memory)
        signal_process(self.pid, "kill")  # the kernel has done so; the group may live
        return Exit("killed: its keeper process was killed", normal=False)

    def signal(self, how: str) -> None:
        """As `Handle.signal`."""
        if self._over:
            return
        if how in ("term", "wake", "kill"):  # nobody else tells the worker's end
            with suppress(ProcessLookupError):
                os.kill(self._keeper, signal.SIGCONT)
        signal_process(self.pid, how)

    def insist(self) -> str:
        """As `Handle.insist`."""
        with suppress(ProcessLookupError):
            return "" if self._over else lifeline.force_stacks(self.pid)
        return ""

    def close(self) -> None:
        """Release what is held for it."""
        os.close(self.sentinel)
        os.close(self._alive)


class ForkServer:
    """Keeps a fork server, and has it start workers, in a thread of its own.

    Attributes:
        sentinel: File descriptor that is readable when the server has died; -1 before its start.
        is_given_up: The present server was killed by us.

    Args:
        answer_within: Seconds until a fork server that says nothing is given up.
    """

    def __init__(self, answer_within: float = ANSWER_WITHIN) -> None:
        self.sentinel = -1
        self.is_given_up = False
        self._within = answer_within
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._imported = False
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="launches", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Process id of the present server."""
        process = self._process
        return None if process is None else process.pid

    @property
    def returncode(self) -> int | None:
        """Exit status of the present server, negative for a signal; None while it runs."""
        process = self._process
        return None if process is None else process.poll()

    def start(self, started: Callable[[OSError | None], None]) -> None:
        """Start a server, in the place of one that died.

        Args:
            started: Called in the helper thread when it runs, or couldn't be started.
        """

        def job() -> None:
            try:
                self._start()
            except OSError as error:
                started(error)
            else:
                started(None)

        self._jobs.put(job)

    def launch(
        self,
        message: dict[str, Any],
        stdin: bytes | None,
        streams: Streams,
        tickets: int,
        done: Launched,
    ) -> None:
        """Have a worker started.

        Args:
            message: The request, as `fork_server` takes it.
            stdin: What the worker reads first from the pipe that tells that its supervisor lives.
            streams: The write ends of its output; closed when it has copies of its own.
            tickets: The reading end of its tickets, open until `done` is called.
            done: Called in the helper thread with the outcome.
        """

        def job() -> None:
            try:
                with streams:
                    handle = self._launch(message, stdin, streams, tickets)
            except OSError as error:
                done(error)
            else:
                done(handle)

        self._jobs.put(job)

    def give_up(self) -> None:
        """Kill the server, whatever it is at: launches fail then. From any thread."""
        process = self._process
        if process is not None:
            self.is_given_up = True
            process.kill()

    def close(self) -> None:
        """End the server; workers don't depend on it."""
        self._jobs.put(self._end)
        self._jobs.put(None)
        self._thread.join(self._within)

    # -- in the helper thread -------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _start(self) -> None:
        self._end()
        ours, theirs = multiprocess.Pipe()
        try:
            _bound(ours, self._within)
            with theirs:
                self._process = _started(theirs)
            self.is_given_up = False
            self.sentinel = os.pidfd_open(self._process.pid)
            _send(ours, {"path": sys.path})
        except OSError:
            ours.close()
            raise
        self._connection = ours
        self._imported = False

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self.sentinel >= 0:
            os.close(self.sentinel)
            self.sentinel = -1

    def _launch(
        self, message: dict[str, Any], stdin: bytes | None, streams: Streams, tickets: int
    ) -> KeptHandle:
        opened: list[int] = []
        try:
            for _ in range(2):
                opened += os.pipe()
            alive, ours, status, theirs = opened
            fds = (alive, streams.stdout, streams.stderr, streams.records, tickets, theirs)
            answer = self._ask(message, fds)
            if stdin is not None:
                _write(ours, stdin, self._within)
        except MayHaveLived:
            _close(alive, ours, theirs)  # a worker that lives all the same ends with its pipe
            _wait_for_end(status, self._within)
            os.close(status)
            raise
        except BaseException:
            _close(*opened)
            raise
        os.close(alive)
        os.close(theirs)
        memory = message.get("memory")
        return KeptHandle(answer["worker"], answer["keeper"], status, ours, memory)

    def _ask(self, message: dict[str, Any], fds: tuple[int, ...]) -> dict[str, Any]:
        connection, process = self._connection, self._process
        if connection is None or process is None:
            raise OSError(errno.EAGAIN, "there is no fork server")
        lost: type[OSError] = OSError
        try:
            if not self._imported:
                _receive(connection, IMPORT_WITHIN)
                self._imported = True
            lost = MayHaveLived
            _send(connection, message)
            for fd in fds:
                send_handle(connection, fd, process.pid)
            answer = _receive(connection, self._within)
        except (BlockingIOError, TimeoutError):
            self.give_up()
            self._cut_off(process)
            text = f"the fork server didn't answer within {self._within:g} s"
            raise lost(errno.EAGAIN, text) from None
        except (ConnectionError, EOFError):
            self._cut_off(process)
            text = "the fork server was given up" if self.is_given_up else "the fork server died"
            raise lost(errno.EAGAIN, text) from None
        if "errno" in answer:
            file = (answer["file"],) if answer["file"] else ()
            raise OSError(answer["errno"], answer["error"], *file)
        return answer

    def _cut_off(self, process: subprocess.Popen[bytes]) -> None:
        """Kill it: nobody could use what it may still answer, and the sentinel tells."""
        process.kill()
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _started(connection: Connection) -> subprocess.Popen[bytes]:
    """A fork server at the other end of a connection. Raises OSError."""
    with held_back():
        return subprocess.Popen(
            [sys.executable, "-m", fork_server.__name__, str(connection.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[connection.fileno()],
            cwd="/",
            env=own_environment(dict(os.environ)),
            start_new_session=True,
        )


def _bound(connection: Connection, seconds: float) -> None:
    """Have each read and write end within so many seconds, by BlockingIOError."""
    limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    with socket.fromfd(connection.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as end:
        for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            end.setsockopt(socket.SOL_SOCKET, option, limit)


def _close(*fds: int) -> None:
    for fd in fds:
        os.close(fd)


def _wait_for_end(status: int, within: float) -> None:
    """Wait until a worker that may live, and all below it, is over: its keeper tells that."""
    end = select.poll()
    end.register(status, select.POLLIN)
    end.poll(within * 1000)


def _send(connection: Connection, message: dict[str, Any]) -> None:
    connection.send_bytes(json.dumps(message).encode())


def _receive(connection: Connection, within: float) -> dict[str, Any]:
    """The next message. Raises TimeoutError, EOFError, ConnectionError."""
    if not connection.poll(within):
        raise TimeoutError
    message: dict[str, Any] = json.loads(connection.recv_bytes())
    return message


class ForkLauncher:
    """Launches workers as processes that have the libraries imported already.

    That takes milliseconds, and their memory is shared.
    """

    def __init__(self, server: ForkServer) -> None:
        self._server = server

    def launch(
        self,
        config: Housed,
        spec: WorkerSpec,
        env: dict[str, str],
        streams: Streams | None,
        tickets: int,
        done: Launched,
    ) -> None:
        """As `Launcher.launch`."""
        assert streams is not None
        data = msgspec.structs.replace(spec, env=env).to_dict()
        message = {"worker": spec.worker, "spec": data, "memory": spec.limits.memory}
        self._server.launch(message, None, streams, tickets, done)

    def give_up(self, worker: str) -> None:
        """As `Launcher.give_up`: whoever is at it is stuck, so others' launches fail too."""
        self._server.give_up()


def _write(fd: int, data: bytes, within: float) -> None:
    """Write to a pipe that may not be read; what nobody reads any more is no error."""
    deadline = time.monotonic() + within
    os.set_blocking(fd, False)
    room = select.poll()
    room.register(fd, select.POLLOUT)
    while data:
        if not room.poll(max(0, (deadline - time.monotonic()) * 1000)):
            raise OSError(errno.EAGAIN, f"its interpreter read nothing within {within:g} s")
        try:
            data = data[os.write(fd, data) :]
        except BrokenPipeError:
            return

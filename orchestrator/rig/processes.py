"""Worker processes and threads: the only file that starts, signals and reaps them.

A worker runs in one of three ways. By default it is forked from a server process that has the
libraries imported already, which takes milliseconds and shares their memory. With an interpreter
or environment of its own it is a fresh process, because the dynamic loader and many libraries
read their environment once, at start. Over INPROC it is a thread of the supervisor.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import msgspec
import multiprocess
import zmq
from multiprocess.connection import Connection

from orchestrator.config.loader import WorkerConfig
from orchestrator.core.children import Exit
from orchestrator.logs.collect.handle import LogCollector, Streams
from orchestrator.rig.reaper import TOKEN
from workers import search_path
from workers.errors import EXIT_BOOT_FAILED, EXIT_SUPERVISOR_LOST, EXIT_TERMINATED
from workers.process import bootstrap, child, lifeline
from workers.process.thread import WorkerThread
from workers.spec import WorkerSpec

PRELOAD = (
    "workers.process.fork_server",
    "workers.process.child",
    "workers.serving.server",
    "workers.output.records",
    "orch",
    "numpy",
)
"""Modules that the fork server imports once for all workers."""


class Handle(Protocol):
    """One living incarnation."""

    @property
    def pid(self) -> int:
        """Process id; the supervisor's own for a thread."""

    @property
    def sentinel(self) -> int:
        """File descriptor that is readable when it has ended."""

    def ended(self) -> Exit | None:
        """How it ended; None if it lives."""

    def signal(self, how: str) -> None:
        """Make it end, by `term`, `wake` (continue, then terminate) or `kill`, or tell its stacks.

        `stacks` asks for them; `forced stacks`, a while later, insists.
        """

    def close(self) -> None:
        """Release what is held for it."""


_MEANINGS = {
    EXIT_BOOT_FAILED: "it can't be hosted; the log has the reason",
    EXIT_SUPERVISOR_LOST: "it lost its supervisor",
    EXIT_TERMINATED: "ended by its supervisor's signal",
}


def exit_of(code: int | None) -> Exit:
    """An exit status in words; negative numbers are signals."""
    if code is None:
        return Exit("ended", normal=False)
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return Exit(f"killed by {name}", normal=False)
    meaning = _MEANINGS.get(code)
    text = f"exit status {code}" + (f", {meaning}" if meaning else "")
    return Exit(text, normal=code == 0, unusable=code == EXIT_BOOT_FAILED)


def _signal_process(pid: int, how: str) -> None:
    with suppress(ProcessLookupError):
        if how == "stacks":
            lifeline.ask_for_stacks(pid)
            return
        if how == "forced stacks":
            lifeline.force_stacks(pid)
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


class _ForkedHandle:
    """A process of the fork server."""

    def __init__(self, process: Any, alive: Connection) -> None:
        self._process = process
        self._alive = alive
        self.pid: int = process.pid
        self.sentinel: int = process.sentinel

    def ended(self) -> Exit | None:
        code = self._process.exitcode
        if code is None:
            return None
        if code == 255 and _lives(self.pid):
            # The fork server died and took the status with it, not the process.
            _signal_process(self.pid, "kill")
            return Exit("killed: its fork server died", normal=False)
        return exit_of(code)

    def signal(self, how: str) -> None:
        _signal_process(self.pid, how)

    def close(self) -> None:
        self._alive.close()
        self._process.join(1.0)
        self._process.close()


class _OwnHandle:
    """A process with an interpreter or environment of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid
        self.sentinel = self._watch()

    def _watch(self) -> int:
        if hasattr(os, "pidfd_open"):
            return os.pidfd_open(self.pid)
        # Elsewhere a thread waits for the process and says so on a pipe.
        import threading

        read, write = os.pipe()

        def wait() -> None:
            self._process.wait()
            os.close(write)

        threading.Thread(target=wait, daemon=True, name=f"wait-{self.pid}").start()
        return read

    def ended(self) -> Exit | None:
        code = self._process.poll()
        return None if code is None else exit_of(code)

    def signal(self, how: str) -> None:
        if self._process.poll() is None:
            _signal_process(self.pid, how)

    def close(self) -> None:
        os.close(self.sentinel)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()


class _ThreadHandle:
    """A thread of the supervisor. It can be asked, not made, to end."""

    def __init__(self, thread: WorkerThread) -> None:
        self._thread = thread
        self.pid = os.getpid()
        self.sentinel: int = thread.sentinel
        self._abandoned = False

    def ended(self) -> Exit | None:
        if self._thread.is_alive() and not self._abandoned:
            return None
        if self._abandoned:
            return Exit("its thread was left behind: it doesn't end", normal=False)
        if self._thread.error is not None:
            error = self._thread.error
            return Exit(f"its thread ended by {type(error).__name__}: {error}", normal=False)
        return exit_of(self._thread.exitcode)

    def signal(self, how: str) -> None:
        if how == "kill":
            self._abandoned = True
        elif how == "stacks":
            self._thread.record_stack()

    def close(self) -> None:
        self._thread.join(0 if self._abandoned else 1.0)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Guardian:
    """The process that ends what a killed supervisor leaves behind."""

    def __init__(self) -> None:
        self.secret = secrets.token_hex(8)
        path = Path(__file__).with_name("reaper.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(path), self.secret],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd="/" if os.path.isdir("/") else None,
            start_new_session=hasattr(os, "setsid"),
        )

    def token(self, worker: str, incarnation: int) -> str:
        """What an incarnation's processes carry in their environment."""
        return f"{self.secret}.{worker}.{incarnation}"

    def add(self, pid: int) -> None:
        """Watch over a process group."""
        self._tell(f"add {pid}")

    def gone(self, pid: int, token: str) -> None:
        """An incarnation is over: what it left behind is killed."""
        self._tell(f"gone {pid} {token}.")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()

    def close(self, timeout: float) -> None:
        """Let it do its last work and end."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Processes:
    """Starts workers and knows those that live.

    Args:
        context: For INPROC workers: the one of the rig's sockets.
        logs: Collects what they write.
        guardian: Ends what they leave behind.

    Attributes:
        handles: The incarnation and handle of each worker that lives.
        changes: Goes up whenever `handles` changes.
        silent_ends: Whether some worker may have ended without its sentinel being readable.
    """

    def __init__(self, context: zmq.Context[Any], logs: LogCollector, guardian: Guardian) -> None:
        self._context = context
        self._logs = logs
        self._guardian = guardian
        methods = multiprocess.get_all_start_methods()
        self._forks = "forkserver" in methods
        self._multiprocess: Any = multiprocess.get_context("forkserver" if self._forks else "spawn")
        self.handles: dict[str, tuple[int, Handle]] = {}
        self.changes = 0
        self.silent_ends = False

    def warm_up(self) -> None:
        """Start the fork server, so that it imports while the rig is being set up."""
        if self._forks:
            from multiprocess import forkserver

            forkserver.set_forkserver_preload(list(PRELOAD))
            with search_path.own_environment_set():
                forkserver.ensure_running()

    def launch(self, config: WorkerConfig, spec: WorkerSpec) -> Handle:
        """Start an incarnation.

        Raises:
            OSError: Its interpreter or folder isn't there, or the system is out of something.
        """
        if config.transport == "inproc":
            thread = WorkerThread(spec, self._context)
            thread.start()
            handle: Handle = _ThreadHandle(thread)
        else:
            token = self._guardian.token(config.name, spec.incarnation)
            env = {**config.env, TOKEN: f"{token}."}
            with self._logs.open_streams(config.name, spec.incarnation) as streams:
                if config.env or config.python:
                    handle = self._launch_own(config, spec, env, streams)
                else:
                    handle = self._launch_forked(spec, env, streams)
            self._guardian.add(handle.pid)
        self.handles[config.name] = (spec.incarnation, handle)
        self.changes += 1
        return handle

    def _launch_forked(self, spec: WorkerSpec, env: dict[str, str], streams: Streams) -> Handle:
        self.warm_up()  # the fork server may have died since
        try:
            os.getcwd()
        except FileNotFoundError:  # replaced since
            os.chdir(spec.folder)
        theirs, ours = self._multiprocess.Pipe(duplex=False)
        data = msgspec.structs.replace(spec, env=env).to_dict()
        outputs = [
            Connection(os.dup(fd), readable=False)
            for fd in (streams.stdout, streams.stderr, streams.records)
        ]
        process = self._multiprocess.Process(
            target=child.main, args=(data, theirs, *outputs), name=spec.worker
        )
        try:
            process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            for connection in (theirs, *outputs):
                connection.close()
        return _ForkedHandle(process, ours)

    def _launch_own(
        self, config: WorkerConfig, spec: WorkerSpec, env: dict[str, str], streams: Streams
    ) -> Handle:
        python = str(config.python or sys.executable)
        # The private fd keeps its number in the child, whatever the interpreter opens.
        os.set_inheritable(streams.records, True)
        process = subprocess.Popen(
            bootstrap.command(python),
            stdin=subprocess.PIPE,
            stdout=streams.stdout,
            stderr=streams.stderr,
            pass_fds=(streams.records,),
            cwd=config.cwd,
            env={**os.environ, **env},
        )
        assert process.stdin is not None
        data = msgspec.structs.replace(spec, env=env).to_dict()
        line = bootstrap.start_line(data, streams.records)
        with suppress(BrokenPipeError):
            process.stdin.write(line)
            process.stdin.flush()
        return _OwnHandle(process)

    def host(self, spec: WorkerSpec, driver: object) -> WorkerThread:
        """Serve an object of the supervisor's own as a worker."""
        thread = WorkerThread(spec, self._context, driver=driver)
        thread.start()
        return thread

    def reap(self) -> list[tuple[str, int, Exit]]:
        """The incarnations that have ended since the last call: worker, number, how."""
        over = []
        self.silent_ends = False
        for worker, (incarnation, handle) in list(self.handles.items()):
            exit_ = handle.ended()
            if exit_ is None:
                continue
            del self.handles[worker]
            self.changes += 1
            if handle.pid != os.getpid():
                self._guardian.gone(handle.pid, self._guardian.token(worker, incarnation))
                how = None if exit_.normal else exit_.text
                self._logs.forget(worker, incarnation, how)
            handle.close()
            over.append((worker, incarnation, exit_))
        return over

    def signal(self, worker: str, how: str) -> None:
        """As `Handle.signal`, for a worker that lives."""
        if worker in self.handles:
            handle = self.handles[worker][1]
            handle.signal(how)
            # A thread that is left behind runs on: no sentinel tells that it is given up.
            self.silent_ends |= handle.pid == os.getpid()

    def unblock(self, worker: str) -> None:
        """A worker takes too long: see that it doesn't wait for somebody to read its output."""
        if worker in self.handles:
            self._logs.unblock(worker, self.handles[worker][0])

    def kill_all(self) -> None:
        """Kill the workers that live, and all below them."""
        for worker in list(self.handles):
            self.signal(worker, "kill")

    def pid(self, worker: str) -> int | None:
        """Process id of a worker that lives."""
        entry = self.handles.get(worker)
        return entry[1].pid if entry else None

    def sentinels(self) -> list[int]:
        """File descriptors of which one is readable when some worker has ended."""
        return [handle.sentinel for _, handle in self.handles.values()]

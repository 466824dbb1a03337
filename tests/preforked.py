"""Commands of orch from a process that has imported everything: 20 ms each instead of 250.

`tests.rigs` and the tests of commands use it, but for tests that are marked `fresh_processes`:
those start Python anew, as users do.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from tests import spares
from tests.becoming import COMMANDS, MEASURES, become, measure, measured_imports

ROOT = Path(__file__).resolve().parents[1]
NUMBER = struct.Struct("i")
"""Of a process, and of its exit status, which may follow at once."""
PRELOAD = (
    "coverage",
    "orchestrator.cli.main",
    "orchestrator.check.drivers",
    "orchestrator.client",
    "orchestrator.logs.read.api",
    "orchestrator.logs.show.display",
    "orchestrator.rig.supervisor",
    "rich.console",
    "rich.table",
)

_measured: dict[str, str] = {}


class Command:
    """A running command: the part of `subprocess.Popen` that tests use.

    Attributes:
        pid: Its process.
        returncode: Its exit status, negative for a signal; None while it isn't known.
    """

    def __init__(self, pid: int, status: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def __del__(self) -> None:
        if self._status >= 0:
            os.close(self._status)

    def poll(self) -> int | None:
        """Its exit status, if it has ended."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises `subprocess.TimeoutExpired`."""
        status = self._look(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("orch", timeout or 0.0)
        return status

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None and _ready([self._status], timeout):
            told = os.read(self._status, NUMBER.size)
            assert told, "who waits for the command was killed"
            (self.returncode,) = NUMBER.unpack(told)
            os.close(self._status)
            self._status = -1
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal it, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it ends just now
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


def start(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    cwd: Path,
    stdout: int,
    stderr: int,
    *,
    new_session: bool = False,
    coverage: str | None = None,
) -> Command:
    """Start `orch` with these arguments; its standard input is empty.

    Args:
        arguments: The arguments.
        environ: Its environment.
        cwd: Its working directory.
        stdout: Where its standard output goes.
        stderr: Where its standard error goes.
        new_session: Whether it leads a session of its own.
        coverage: How what runs in it is measured, but not in processes that it starts; what the
            environment says of that holds for these too.
    """
    reader, writer = os.pipe()
    with open(os.devnull) as nothing:
        message = [list(arguments), dict(environ), str(cwd), new_session, coverage]
        fds = [nothing.fileno(), stdout, stderr, writer]
        socket.send_fds(_server(), [json.dumps(message).encode()], fds)
    os.close(writer)
    return Command(*NUMBER.unpack(os.read(reader, NUMBER.size)), reader)


def run(
    arguments: Sequence[str], environ: Mapping[str, str], cwd: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run `orch` to its end on pipes. Raises `subprocess.TimeoutExpired`."""
    out, err = os.pipe(), os.pipe()
    measures = os.environ.get(COMMANDS)
    command = start(arguments, environ, cwd, out[1], err[1], coverage=measures)
    os.close(out[1])
    os.close(err[1])
    read = {out[0]: b"", err[0]: b""}
    left, end = set(read), time.monotonic() + timeout
    try:
        while left:
            ready = _ready(left, max(0.0, end - time.monotonic()))
            if not ready:
                command.kill()
                raise subprocess.TimeoutExpired(["orch", *arguments], timeout)
            for fd in ready:
                chunk = os.read(fd, 65536)
                read[fd] += chunk
                if not chunk:
                    left.discard(fd)
    finally:
        os.close(out[0])
        os.close(err[0])
    texts = [_text(read[fd]) for fd in (out[0], err[0])]
    status = command.wait(max(0.0, end - time.monotonic()))
    return subprocess.CompletedProcess(["orch", *arguments], status, *texts)


def _ready(fds: Iterable[int], timeout: float | None) -> list[int]:
    poll = select.poll()  # not `select`: a test may have thousands of files open
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return [fd for fd, _ in poll.poll(None if timeout is None else timeout * 1000)]


def _text(data: bytes) -> str:
    return data.decode().replace("\r\n", "\n").replace("\r", "\n")


def measure_imports(config: str) -> None:
    """Have what is imported for all commands measured: before the first of them."""
    _measured[COMMANDS] = config


@cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environ = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", MEASURES)
    } | _measured
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.preforked", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        cwd=ROOT,
        env=environ,
        start_new_session=True,  # no Ctrl-C of a test reaches it
    )
    theirs.close()

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours


# -- the server ---------------------------------------------------------------------------------


def serve(requests: socket.socket) -> None:
    """Fork a command for each request until nobody can ask any more."""
    with measured_imports():
        spares.import_modules()
        for module in PRELOAD:
            importlib.import_module(module)
    base = sys.path[1:]
    gc.collect()
    gc.freeze()  # nobody who is forked looks through it for what is unused
    while True:
        data, fds, _, _ = socket.recv_fds(requests, 1 << 20, 4)
        if not data:
            return
        if os.fork() == 0:
            requests.close()
            _hold(json.loads(data), fds, base)
        for fd in fds:
            os.close(fd)
        while _reap():
            pass


def _reap() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def _hold(message: list[Any], fds: list[int], base: list[str]) -> NoReturn:
    """Fork the command, and tell how it ended."""
    *streams, status = fds
    pid = os.fork()
    if pid == 0:
        os.close(status)
        _be_command(*message, streams, base)
    for fd in streams:
        os.close(fd)
    os.write(status, NUMBER.pack(pid))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        os.write(status, NUMBER.pack(code))
    finally:
        os._exit(0)


def _be_command(
    arguments: list[str],
    environ: dict[str, str],
    cwd: str,
    new_session: bool,
    coverage: str | None,
    streams: list[int],
    base: list[str],
) -> NoReturn:
    if new_session:
        os.setsid()
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)

    def run() -> None:
        spares.keep_for(arguments, base)
        measure(coverage)
        from orchestrator.__main__ import main

        main()

    become(run, ["orch", *arguments], environ, cwd, base)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))

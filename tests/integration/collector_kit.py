"""The collector process, and processes in the place of workers."""

from __future__ import annotations

import os
import resource
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.logs.collect.handle import LogCollector
from orchestrator.logs.collect.streams import Streams
from orchestrator.logs.read.lookup import Entry, Query
from orchestrator.logs.read.query import Logs

PATIENCE = 30.0
PREFACE = "import os, signal, sys\nfd = int(sys.argv[1])\n"
PYTHONPATH = os.pathsep.join(filter(None, sys.path))


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a condition of another process, and give its value."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {what}"
        time.sleep(0.005)
    return value


def wait_readable(fd: int) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    assert poll.poll(PATIENCE * 1000)


class Screen:
    """A pipe in the place of stderr; nobody reads it but when asked."""

    def __init__(self) -> None:
        self.read_fd, self.fd = os.pipe()
        self.text = ""

    def read_until(self, text: str) -> str:
        while text not in self.text:
            wait_readable(self.read_fd)
            self.text += os.read(self.read_fd, 1 << 20).decode()
        return self.text

    def read_all(self) -> str:
        """What is shown until the collector has ended; call after `close`."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        while chunk := os.read(self.read_fd, 1 << 20):
            self.text += chunk.decode()
        return self.text

    def close(self) -> None:
        os.close(self.read_fd)
        if self.fd >= 0:
            os.close(self.fd)


class Rig:
    def __init__(self, folder: Path, screen: Screen, **options: Any) -> None:
        self.folder = folder
        self.screen = screen
        self.collector = LogCollector.start(folder, stderr=screen.fd, rig="bench", **options)

    def records(self) -> list[Entry]:
        return list(Logs(self.folder).read(Query()))

    def events(self, worker: str = "stage") -> list[str]:
        return [record.event for record in self.records() if record.worker == worker]

    def count(self) -> int:
        return len(self.records())

    def size(self) -> int:
        return sum(file.stat().st_size for file in self.folder.glob("*.db*"))

    def close(self) -> list[Entry]:
        self.collector.close(PATIENCE)
        assert self.collector.returncode == 0
        return self.records()


@contextmanager
def worker(rig: Rig, code: str, incarnation: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process with the streams of worker `stage`; `fd` is its record stream."""
    with rig.collector.open_streams("stage", incarnation) as streams:
        process = subprocess.Popen(
            [sys.executable, "-c", f"{PREFACE}{code}", str(streams.records)],
            stdin=subprocess.PIPE,
            stdout=streams.stdout,
            stderr=streams.stderr,
            pass_fds=[streams.records],
            env={**os.environ, "PYTHONPATH": PYTHONPATH},
        )
    try:
        yield process
        process.stdin.close()  # type: ignore[union-attr]
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.communicate()


def run(rig: Rig, code: str, incarnation: int = 1) -> int:
    with worker(rig, code, incarnation) as process:
        process.wait(PATIENCE)
    return process.returncode


def write_all(streams: Streams, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(streams.stdout, rest) :]


def say(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text.encode() + b"\n")
    process.stdin.flush()


def limit_files(rig: Rig, size: int) -> int:
    """Let the collector write no file beyond a size; gives the former limit."""
    former, hard = resource.prlimit(rig.collector.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(rig.collector.pid, resource.RLIMIT_FSIZE, (size, hard))
    return former

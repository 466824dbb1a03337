"""Runs `orchestrator.check.probe` in processes that are thrown away, some at a time."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["PROBE", "TOLD_AFTER", "Job", "Outcome", "run"]

TOLD_AFTER: Final = 2.0
"""Seconds after which it is told what is waited for."""

PROBE: Final = Path(__file__).with_name("probe.py")
"""The program of the processes."""

_GRACE: Final = 5.0
"""Seconds after its deadline that a probe has to tell where it hangs."""

_STACKS: Final = re.compile(
    rf'^Timeout \(.*^  File "{re.escape(str(PROBE))}", line [0-9]+ in <module>$', re.M | re.S
)
"""What a probe tells at its deadline, as far as the last line of the thread that imports."""

_LONGEST_ANSWER: Final = 8 << 20  # bytes for each worker
_CHUNK: Final = 1 << 16
_TAIL: Final = 1 << 15  # bytes of standard error that are kept, from its end


@dataclass(frozen=True)
class Job:
    """One worker's driver to look at.

    Attributes:
        name: what the outcome is filed under.
        interpreter: path of a Python.
        spec: what the probe is told of the driver; values that JSON can carry.
        look: what it is told of how this worker uses it; values that JSON can carry.
        env: the whole environment.
        cwd: the folder to run in; None for the present one.
        place: where the driver stands in the config.
    """

    name: str
    interpreter: str
    spec: dict[str, Any]
    look: dict[str, Any]
    env: dict[str, str]
    cwd: Path | None
    place: object = None

    @property
    def process(self) -> str:
        """Equal for jobs that one process can do, which imports their driver once."""
        whole = [self.interpreter, self.spec, sorted(self.env.items()), str(self.cwd)]
        return json.dumps(whole)


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        failure: why no process could be started; None when one was.
        answer: what the probe found; None when it gave no answer.
        ran: whether the probe itself began to run: the interpreter is a Python.
        overdue: whether it was ended for its deadline.
        status: the exit status when it ended by itself without an answer; negative for a signal.
        errors: the end of what it wrote to standard error.
    """

    failure: str | None = None
    answer: dict[str, Any] | None = None
    ran: bool = False
    overdue: bool = False
    status: int | None = None
    errors: str = ""


def run(
    jobs: Iterable[Job], *, at_once: int, waits: Callable[[Job, float], None] | None = None
) -> dict[str, Outcome]:
    """The outcomes by name. When this returns or raises, no process of it is left.

    Workers with the same driver, interpreter, environment and folder share a process.

    Args:
        jobs: what to look at; `deadline` in its `spec` is how many seconds the interpreter has to
            begin, and then the probe to answer.
        at_once: how many processes there may be at a time.
        waits: is called once for each process that takes longer than `TOLD_AFTER`, with its time.
    """
    shared: dict[str, list[Job]] = {}
    for job in jobs:
        shared.setdefault(job.process, []).append(job)
    waiting = deque(shared.values())
    running: set[_Process] = set()
    outcomes: dict[str, Outcome] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    alike = waiting.popleft()
                    try:
                        running.add(_Process(alike, selector))
                    except (OSError, ValueError) as error:  # ValueError: a text no C string holds
                        reason = (isinstance(error, OSError) and error.strerror) or str(error)
                        outcomes |= {job.name: Outcome(failure=reason) for job in alike}
                if running:
                    soonest = min(
                        process.expires if waits is None else process.look for process in running
                    )
                    for key, _ in selector.select(max(0.0, soonest - time.monotonic())):
                        key.data()
                for process in [one for one in running if one.is_over()]:
                    running.discard(process)
                    outcomes |= process.end()
                if waits is not None:
                    for process in running:
                        process.tell(waits)
        finally:
            for process in running:
                process.end()
    return outcomes


class _Process:
    """One probe. Its group, and what left the group but is still below it, ends with `end`."""

    def __init__(self, jobs: Sequence[Job], selector: selectors.BaseSelector) -> None:
        job = self._job = jobs[0]
        self._names = [each.name for each in jobs]
        self._begun = time.monotonic()
        self.expires: float = self._begun + job.spec["deadline"]
        self._is_told = False
        self._runs = False
        self._selector = selector
        self._unsent = memoryview(
            json.dumps({**job.spec, "looks": [each.look for each in jobs]}).encode("ascii") + b"\n"
        )
        self._received = bytearray()
        self._errors = bytearray()
        self._exited = False
        self._link, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [job.interpreter, str(PROBE)],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    cwd=job.cwd,
                    env=job.env,
                    start_new_session=True,
                )
        except BaseException:
            self._link.close()
            raise
        assert self._process.stderr is not None
        self._stderr = self._process.stderr
        self._link.setblocking(False)
        os.set_blocking(self._stderr.fileno(), False)
        self._pidfd = _pidfd_of(self._process.pid)
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        selector.register(self._link, both, self._on_link)
        selector.register(self._stderr, selectors.EVENT_READ, self._read_errors)
        if self._pidfd is not None:
            selector.register(self._pidfd, selectors.EVENT_READ, self._on_exit)

    @property
    def look(self) -> float:
        """When it is to be looked at, though it does nothing."""
        return self.expires if self._is_told else min(self._begun + TOLD_AFTER, self.expires)

    def tell(self, waits: Callable[[Job, float], None]) -> None:
        """Tell once that it takes long."""
        taken = time.monotonic() - self._begun
        if taken >= TOLD_AFTER and not self._is_told:
            self._is_told = True
            waits(self._job, taken)

    def is_over(self) -> bool:
        """Whether there is an answer, or none to come."""
        if self._exited or len(self._lines()) > 1 or time.monotonic() >= self.expires:
            return True
        return _STACKS.search(self._errors.decode("utf-8", "replace")) is not None

    def end(self) -> dict[str, Outcome]:
        """Kill all of it, take what it left, release what it held; the outcomes by name."""
        # Before it is waited for: until then the system keeps its number for it.
        self._kill()
        status = self._process.wait()
        self._read_link()
        self._read_errors()
        self._unregister(self._link, self._stderr, self._pidfd)
        self._link.close()
        self._stderr.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
        lines = self._lines()
        answered = _answer_in(lines[1]) if len(lines) > 1 else None
        answers = [None] * len(self._names) if answered is None else answered["answers"]
        return {
            name: Outcome(
                answer=answer,
                ran=bool(lines) and _answer_in(lines[0]) is not None,
                overdue=answer is None and not self._exited,
                status=status if answer is None and self._exited else None,
                errors=self._errors.decode("utf-8", "replace"),
            )
            for name, answer in zip(self._names, answers, strict=True)
        }

    def _lines(self) -> list[bytes]:
        return bytes(self._received).split(b"\n")[:-1]

    def _kill(self) -> None:
        import psutil

        below: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            below = psutil.Process(self._process.pid).children(recursive=True)
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        for process in below:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def _on_link(self) -> None:
        try:
            if self._unsent:
                self._unsent = self._unsent[self._link.send(self._unsent) :]
        except BlockingIOError:
            pass
        except ConnectionError:  # it is gone; what it said before can still be read
            self._unsent = memoryview(b"")
        if not self._unsent:
            self._selector.modify(self._link, selectors.EVENT_READ, self._on_link)
        ended = self._read_link()
        if not self._runs and b"\n" in self._received:
            # From now on the probe keeps its deadline itself.
            self._runs = True
            self.expires = time.monotonic() + self._job.spec["deadline"] + _GRACE
        if ended:
            self._unregister(self._link)
            if self._pidfd is None:
                # No other news of its end will come. It closed the link in exiting, most likely.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout=1)
                self._exited = True

    def _read_link(self) -> bool:
        """Read what there is; whether that was the last of it."""
        try:
            while data := self._link.recv(_CHUNK):
                self._received += data
                if len(self._received) > _LONGEST_ANSWER * len(self._names):
                    return True
        except BlockingIOError:
            return False
        except ConnectionError:
            pass
        return True

    def _read_errors(self) -> None:
        try:
            data = os.read(self._stderr.fileno(), _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._unregister(self._stderr)
        self._errors = (self._errors + data)[-_TAIL:]

    def _on_exit(self) -> None:
        self._exited = True
        self._unregister(self._pidfd)

    def _unregister(self, *sources: Any) -> None:
        for source in sources:
            if source is not None and source in self._selector.get_map():
                self._selector.unregister(source)


def _pidfd_of(pid: int) -> int | None:
    """What becomes readable when the process exits; None where the system has no such thing."""
    try:
        return os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
    except OSError:
        return None


def _answer_in(line: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None

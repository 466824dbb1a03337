"""Entry of a worker process."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn, Protocol

import zmq

from workers import forks, limits, threads
from workers.driver.build import Target, import_driver
from workers.errors import (
    EXIT_BOOT_FAILED,
    EXIT_CRASHED,
    EXIT_STOPPED,
    EXIT_TERMINATED,
    EXIT_WANTING,
    BootError,
    Terminated,
)
from workers.output import streams as output
from workers.process import lifeline
from workers.serving.links import LINGER
from workers.serving.progress import alarms, at
from workers.serving.server import Server
from workers.spec import WorkerSpec
from workers.stop_signals import take_up

log = logging.getLogger("workers")

THREADS = 8
"""Threads that a worker has before its driver starts any."""
PATIENCE = 1.0
"""Seconds that each of the last steps of a process may take."""


class HasFileno(Protocol):
    """A connection or a file."""

    def fileno(self) -> int:
        """Its file descriptor."""
        ...


File = int | HasFileno | None


def main(
    spec: dict[str, Any],
    alive: File,
    stdout: File,
    stderr: File,
    records: File,
    tickets: File = None,
) -> NoReturn:
    """Be a worker until told to stop; end the process with one of the statuses in `errors`.

    Args:
        spec: A `WorkerSpec` as builtins.
        alive: Read end of a pipe whose write end the supervisor alone holds, and to which nobody
            writes; None when nobody supervises.
        stdout: Where standard output goes; None leaves it.
        stderr: Where standard error goes, crash dumps included; None leaves it.
        records: Write end of the stream of records; None leaves logging as it is.
        tickets: Reading end of the tickets for its operations; None when nobody gives any.
    """
    settings = WorkerSpec.from_dict(spec)
    term = _TermHandler()
    _leave_to_supervisor(settings.worker, alone=alive is None)
    signal.signal(lifeline.TERMINATE, term)
    if alive is None:
        signal.signal(signal.SIGTERM, term)
    take_up()
    lifeline.lead_group()
    _redirect(stdout, stderr)
    _see_that_threads_can_start()
    if alive is not None:
        lifeline.tie(_fd(alive))
    stacks = {number for number in (lifeline.STACKS, lifeline.FORCED_STACKS) if number}
    forks.guard(stacks, lifeline.FORCED_STACKS, lifeline.TERMINATE)
    os.environ.update(settings.env)
    if records is not None:
        _configure_records(_fd(records), settings)
    claimed = None if tickets is None or not settings.claims else _fd(tickets)
    worker = _Worker(settings, term, claimed)
    # before there are threads: a driver may patch what they are made of, or fork
    imported = worker.import_driver()
    lifeline.write_stacks()
    if alive is not None:
        lifeline.watch(_fd(alive))
    _leave(worker.run(imported), term)


def _see_that_threads_can_start() -> None:
    """End the process for want of threads while it can tell so: ZeroMQ would abort it."""
    enough = threads.Event()
    tried = [threads.Thread(enough.wait, "tried") for _ in range(THREADS)]
    try:
        for thread in tried:
            thread.start()
    except RuntimeError as error:
        sys.stderr.write(f"orch: {error}\n")
        sys.stderr.flush()
        os._exit(EXIT_WANTING)
    finally:
        enough.set()
    for thread in tried:
        thread.join()


class _TermHandler:
    """The supervisor's signal: interrupts the driver where its code runs, else wakes the loop."""

    def __init__(self) -> None:
        self.wake, sender = socket.socketpair()
        self.wake.setblocking(False)
        sender.setblocking(False)
        self._sender = sender
        self.server: Server | None = None
        self.came = False
        self.interrupts = False  # what runs now, which is the driver's
        # written by the C handler: a signal just before the loop blocks isn't lost
        signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        server = self.server
        if server is not None:
            server.terminating = True
            if server.busy:
                server.busy = False
                raise Terminated
        if self.interrupts:
            raise Terminated


def _leave_to_supervisor(worker: str, *, alone: bool) -> None:
    """What comes to all processes of a rig at once is for the supervisor alone to act on.

    Not ignored: that would be inherited by the programs that a driver starts. A SIGHUP that was
    ignored before, by nohup, stays so for them too.
    """
    signal.signal(signal.SIGINT, _do_nothing)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _do_nothing)
    hint = f"orch: SIGTERM is left to the supervisor; to end this worker: orch stop {worker}\n"

    def refuse(number: int, frame: FrameType | None) -> None:
        signal.signal(number, _do_nothing)  # said once
        os.write(2, hint.encode())  # a print could wait for a lock that this thread holds

    if not alone:
        signal.signal(signal.SIGTERM, refuse)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass


class _Worker:
    """The worker of this process."""

    def __init__(self, settings: WorkerSpec, term: _TermHandler, tickets: int | None) -> None:
        self._settings = settings
        self._term = term
        self._tickets = tickets
        self._context: zmq.Context[Any] | None = None
        self._server: Server | None = None
        self._imported: Callable[[], Target] | None = None

    def import_driver(self) -> Callable[[], Target] | int:
        """Import the driver, while this process has one thread alone.

        Returns:
            What gives the class or factory, or raises what its import raised; or the status with
            which to end at once.
        """
        settings, term = self._settings, self._term
        if term.came:
            return EXIT_TERMINATED
        term.interrupts = True
        try:
            with alarms(self._tell):
                _limit(settings)
                target = import_driver(settings, settings.cwd)
                term.interrupts = False
        except BootError as error:
            failure = error
        except Terminated:
            return EXIT_TERMINATED
        else:
            return lambda: target
        finally:
            term.interrupts = False

        def fail() -> Target:
            raise failure

        return fail

    def _tell(self, frame: FrameType | None) -> None:
        self._made_server().tell_progress(at(frame))

    def _made_server(self) -> Server:
        if self._server is None:
            self._context = zmq.Context()
            self._server = Server(
                self._settings,
                self._context,
                wake=self._term.wake,
                imported=self._give,
                tickets=self._tickets,
            )
        return self._server

    def _give(self) -> Target:
        assert self._imported is not None
        return self._imported()

    def run(self, imported: Callable[[], Target] | int) -> int:
        """Serve until told to stop; give the status with which to end."""
        if isinstance(imported, int):
            return imported
        self._imported = imported
        server, term = self._made_server(), self._term
        term.server = server
        if term.came:
            server.terminating = True
        status = EXIT_STOPPED
        try:
            server.start()
            server.serve()
        except BootError:
            status = EXIT_BOOT_FAILED
        except Terminated:
            status = EXIT_TERMINATED
        except BaseException as error:
            log.exception("the worker's runtime failed")
            status = limits.status_of(error, self._settings.limits)
        try:
            server.close()
        except BaseException:
            log.exception("the worker's runtime failed at its end")
            status = status or EXIT_CRASHED
        if status == EXIT_STOPPED and server.terminating:
            status = EXIT_TERMINATED
        assert self._context is not None
        # waits for the last messages, and for ever should a thread of the driver keep a socket open
        _bounded(self._context.term, LINGER / 1000 + PATIENCE)
        return status


def _limit(settings: WorkerSpec) -> None:
    try:
        limits.apply(settings.limits)
    except (OSError, NotImplementedError) as error:
        if settings.place:
            error.add_note(f"{settings.place}: limits")
        raise BootError("limits", error) from error


def _leave(status: int, term: _TermHandler) -> NoReturn:
    """End the process, also with threads of the driver that never end."""
    import atexit

    before = sys.unraisablehook

    def tell(unraisable: sys.UnraisableHookArgs) -> None:
        nonlocal status
        if not isinstance(unraisable.exc_value, Terminated):
            before(unraisable)
            return
        status = status or EXIT_TERMINATED
        name = getattr(unraisable.object, "__qualname__", repr(unraisable.object))
        log.warning("the time was up before %s, registered with atexit, had ended", name)

    # Libraries close devices there, and os._exit leaves it out. Each signal that comes when closing
    # has had its time interrupts one of them; `atexit` goes on with the next, and tells the hook.
    sys.unraisablehook = tell
    term.interrupts = True
    try:
        atexit._run_exitfuncs()
        term.interrupts = False
    except Terminated:  # it came when the last of them had ended
        term.interrupts = False
    sys.unraisablehook = before
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    lifeline.kill_each(lifeline.descendants(os.getpid()))
    os._exit(status)


def _bounded(function: Callable[[], object], seconds: float) -> None:
    thread = threads.Thread(function, "bounded")
    thread.start()
    thread.join(seconds)


def _fd(file: int | HasFileno) -> int:
    return file if isinstance(file, int) else file.fileno()


def _redirect(stdout: File, stderr: File) -> None:
    """Put the supervisor's pipes in the place of the standard streams, for C code too."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    for target, number in ((stdout, 1), (stderr, 2)):
        if target is not None:
            os.dup2(_fd(target), number)
    # whole lines at once: those before a crash aren't lost in a buffer
    output.flush_by_line()
    faulthandler.enable(file=2, all_threads=True)
    lifeline.hold_stacks()


def _configure_records(fd: int, settings: WorkerSpec) -> None:
    from workers.output import records

    records.configure(
        fd, worker=settings.worker, incarnation=settings.incarnation, level=settings.log_level
    )

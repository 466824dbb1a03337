"""Workers as threads of the supervisor."""

from __future__ import annotations

import errno
import os
from typing import Any

import zmq

from orchestrator.core.children import Exit
from orchestrator.logs.collect.streams import Streams
from orchestrator.rig.launchers.handle import Housed, Launched, exit_of
from workers.process.thread import WorkerThread
from workers.spec import WorkerSpec


class ThreadHandle:
    """A thread of the supervisor. It can be asked, not made, to end."""

    is_here = has_streams = False

    def __init__(self, thread: WorkerThread) -> None:
        self._thread = thread
        self.pid = os.getpid()
        self.sentinel: int = thread.sentinel
        self._abandoned = False

    def ended(self) -> Exit | None:
        """How it ended; None if it lives. One that is left behind counts as ended."""
        if self._thread.is_alive() and not self._abandoned:
            return None
        if self._abandoned:
            return Exit("its thread is left behind: it doesn't end", normal=False)
        if self._thread.error is not None:
            error = self._thread.error
            return Exit(f"its thread ended by {type(error).__name__}: {error}", normal=False)
        return exit_of(self._thread.exitcode)

    def signal(self, how: str) -> None:
        """As `Handle.signal`; all that `kill` can do is to leave the thread behind."""
        if how == "kill":
            self._abandoned = True
            self._thread.abandon()
        elif how == "stacks":
            self._thread.record_stack()

    def insist(self) -> str:
        """As `Handle.insist`: this thread runs, so the interpreter's lock isn't held."""
        return ""

    def close(self) -> None:
        """Release what is held for it."""
        self._thread.join(0 if self._abandoned else 1.0)


class ThreadLauncher:
    """Launches workers as threads.

    Args:
        context: The ZeroMQ context of the rig's sockets.
    """

    def __init__(self, context: zmq.Context[Any]) -> None:
        self._context = context

    def launch(
        self,
        config: Housed,
        spec: WorkerSpec,
        env: dict[str, str],
        streams: Streams | None,
        tickets: int,
        done: Launched,
    ) -> None:
        """As `Launcher.launch`; `env` and `streams` have no meaning in a thread."""
        try:
            thread = WorkerThread(spec, self._context, tickets=tickets)
            thread.start()
        except OSError as error:
            done(error)
        except RuntimeError as error:  # "can't start new thread"
            done(OSError(errno.EAGAIN, str(error)))
        else:
            done(ThreadHandle(thread))

    def give_up(self, worker: str) -> None:
        """As `Launcher.give_up`; a thread is started at once, or not at all."""

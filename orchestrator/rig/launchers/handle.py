"""What is known of a living incarnation, however it was launched, and how its end is told."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from orchestrator.core.children import Exit
from orchestrator.logs.collect.streams import Streams
from workers.errors import (
    EXIT_BOOT_FAILED,
    EXIT_NO_FILES,
    EXIT_NO_MEMORY,
    EXIT_SUPERVISOR_LOST,
    EXIT_TERMINATED,
    EXIT_WANTING,
)
from workers.limits import MIB
from workers.process.lifeline import TERMINATE
from workers.spec import WorkerSpec

Launched = Callable[["Handle | OSError"], None]
"""Is told the outcome of a launch: what lives, or why nothing does."""


class MayHaveLived(OSError):
    """A launch of which nothing was heard any more: whatever began of it has ended by now."""


class Handle(Protocol):
    """One living incarnation."""

    @property
    def pid(self) -> int:
        """Process id; the supervisor's own for a thread."""

    @property
    def is_here(self) -> bool:
        """Whether it is a process of its own on this machine, which leads a group."""

    @property
    def has_streams(self) -> bool:
        """Whether what it writes comes by streams of its own: not that of a thread."""

    @property
    def sentinel(self) -> int:
        """File descriptor that is readable when it has ended."""

    def ended(self) -> Exit | None:
        """How it ended; None if it lives."""

    def signal(self, how: str) -> None:
        """Make it end, by `term`, `wake` (continue, then terminate) or `kill`, or, by `stacks`, ask
        for its stacks."""

    def insist(self) -> str:
        """Have one that was asked for its stacks a while ago write them, if it couldn't.

        Returns:
            What keeps it from running Python code; empty if nothing does.
        """

    def close(self) -> None:
        """Release what is held for it."""


class Housed(Protocol):
    """What is to be known of a worker to give it a process: of its config, or of another host's."""

    @property
    def name(self) -> str:
        """The worker."""

    @property
    def host(self) -> str | None:
        """The machine on which it is to run; None for this one."""

    @property
    def transport(self) -> str:
        """`ipc` for a process, `inproc` for a thread."""

    @property
    def env(self) -> Mapping[str, str]:
        """Variables to add to its environment."""

    @property
    def python(self) -> Path | None:
        """Its interpreter; None for this one."""

    @property
    def cwd(self) -> Path:
        """Its folder."""


class Launcher(Protocol):
    """One way to bring a worker to life."""

    def launch(
        self,
        config: Housed,
        spec: WorkerSpec,
        env: dict[str, str],
        streams: Streams | None,
        tickets: int,
        done: Launched,
    ) -> None:
        """Start an incarnation; returns at once, whatever the system does meanwhile.

        Args:
            config: What is known of the worker.
            spec: What its process is told.
            env: Variables to add to its environment.
            streams: The write ends of its output, closed when it has copies of its own; None for
                a thread, which writes where the supervisor does.
            tickets: The reading end of its tickets, open until `done` is called.
            done: Called once, in any thread, with what lives or with the error; see `is_want`.
        """

    def give_up(self, worker: str) -> None:
        """The launch of a worker takes too long: see that it fails."""


_WANTS = (
    *(errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE),
    *(errno.ENOSPC, errno.EDQUOT, errno.ENOBUFS, errno.ECHILD),
)


def is_want(error: OSError) -> bool:
    """Whether a launch failed for want of something, so that it may go better another time."""
    return error.errno in _WANTS


NEAR = 0.75
"""Which part of its memory a worker has used that died near its limit."""
_MEANINGS = {
    EXIT_BOOT_FAILED: "it can't be hosted; the log has the reason",
    EXIT_SUPERVISOR_LOST: "it lost its supervisor",
    EXIT_TERMINATED: "ended by its supervisor's signal",
    EXIT_NO_MEMORY: "its limit of memory was reached",
    EXIT_NO_FILES: "its limit of open files was reached",
    EXIT_WANTING: "the system has no threads left for it",
}


def exit_of(code: int | None, used: int = 0, memory: int | None = None) -> Exit:
    """An exit status in words; negative numbers are signals.

    Args:
        code: The status; None if it isn't known.
        used: The most bytes of memory that it had.
        memory: How many it might have; None for no limit.
    """
    exit_ = _exit_of(code)
    if memory is None or exit_.normal or used < memory * NEAR:
        return exit_
    told = f"{exit_.text}, near its limit of memory: {used / MIB:.0f} of {memory / MIB:.0f} MiB"
    return msgspec.structs.replace(exit_, text=told)


def _exit_of(code: int | None) -> Exit:
    if code is None:
        return Exit("ended", normal=False)
    if code == -TERMINATE:
        return Exit("ended by its supervisor's signal", normal=False)  # before it had a handler
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return Exit(f"killed by {name}", normal=False, status=128 - code)
    meaning = _MEANINGS.get(code)
    text = f"exit status {code}" + (f", {meaning}" if meaning else "")
    return Exit(
        text,
        normal=code == 0,
        unusable=code == EXIT_BOOT_FAILED,
        wants=code == EXIT_WANTING,
        status=code,
    )

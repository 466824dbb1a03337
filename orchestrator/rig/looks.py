"""What the log collector finds in what workers write: stacks, for whoever asked, and last lines."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future

from orchestrator.core.rig import Rig
from orchestrator.logs.collect.control import LastLines, News, Stacks
from orchestrator.rig.processes import Processes
from workers.process.lifeline import STOPPED

WITHIN = 5.0
"""Seconds for the stacks of a worker to come, which takes it milliseconds, or a quarter of a second
if it holds the interpreter's lock."""


class Looks:
    """Stacks that were asked for.

    Args:
        rig: The core, which has workers asked and is told what was found.
        processes: Who lives.
        call_later: Has something called after so many seconds.
    """

    def __init__(
        self,
        rig: Rig,
        processes: Processes,
        call_later: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self._rig = rig
        self._processes = processes
        self._call_later = call_later
        self._waiting: dict[str, list[Future[str]]] = {}

    def ask(self, worker: str) -> Future[str]:
        """Have a worker write its stacks; the future has them.

        Raises:
            ProcessLookupError: It doesn't live.
        """
        if worker not in self._processes.handles:
            state = self._rig.children[worker].status
            raise ProcessLookupError(f"worker {worker!r} has no process: it is {state}")
        future: Future[str] = Future()
        self._waiting.setdefault(worker, []).append(future)
        self._rig.look(worker, time.monotonic())
        self._call_later(WITHIN, lambda: self._give_up(worker, future))
        return future

    def heard(self, news: News) -> None:
        """The log collector has told something."""
        if isinstance(news, LastLines):
            self._rig.wrote(news.worker, news.incarnation, news.lines)
        else:
            self.came(news)

    def came(self, stacks: Stacks) -> None:
        """A worker has written its stacks, whoever asked."""
        self._rig.found(stacks.worker, stacks.incarnation, where=stacks.where)
        self._answer(stacks.worker, f"{stacks.where}\n\n{stacks.text}")

    def found(self, worker: str, incarnation: int, held: str) -> None:
        """Something keeps a worker from running Python code."""
        self._rig.found(worker, incarnation, held=held)
        if held == STOPPED:
            pid = self._processes.pid(worker)
            self._answer(worker, f"{held}, and can't write its stacks; kill -CONT {pid} wakes it")

    def _answer(self, worker: str, text: str) -> None:
        for future in self._waiting.pop(worker, ()):
            future.set_result(text)

    def _give_up(self, worker: str, future: Future[str]) -> None:
        if not future.done():
            self._waiting[worker].remove(future)
            text = f"worker {worker!r} wrote no stacks within {WITHIN:g} s"
            future.set_exception(TimeoutError(text))

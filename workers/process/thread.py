"""A worker as a thread of the supervisor's process."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Any

import zmq

from workers import forks
from workers.errors import (
    EXIT_BOOT_FAILED,
    EXIT_CRASHED,
    EXIT_STOPPED,
    EXIT_TERMINATED,
    BootError,
    Terminated,
)
from workers.output import records
from workers.output.stacks import stack_of
from workers.output.streams import thread_output
from workers.serving.dispatch import performed_in
from workers.serving.server import Server
from workers.spec import WorkerSpec

log = logging.getLogger("workers")


class WorkerThread:
    """Hosts a driver in a daemon thread, over inproc addresses of the given context.

    It is stopped over the link, as a worker process is. A thread can't be killed: a driver
    that doesn't return is left behind, see `abandon`; one that never does stays behind until the
    process ends.

    Example:
        ```python
        worker = WorkerThread(spec, context)
        worker.start()
        ...                     # the broker sends Stop
        os.read(worker.sentinel, 1)
        worker.exitcode         # 0
        ```

    Attributes:
        name: Name of the worker.
        sentinel: A file descriptor that becomes readable when the thread has ended; `join`
            closes it.
        exitcode: None while it runs, then one of the statuses in `workers.errors`.
        error: What ended it, if it wasn't told to stop.

    Args:
        spec: What to host; its `env` and `cwd` have no meaning in a thread.
        context: The ZeroMQ context of the broker.
        driver: An object to host in place of what `spec.driver` names.
        tickets: Reading end of the tickets for its operations; None when nobody gives any.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        context: zmq.Context[Any],
        driver: object | None = None,
        tickets: int | None = None,
    ) -> None:
        self.name = spec.worker
        self.exitcode: int | None = None
        self.error: BaseException | None = None
        # its own, since it may be left behind
        self._tickets = None if tickets is None else os.dup(tickets)
        try:
            self.sentinel, self._end = os.pipe()
        except OSError:
            self._close_tickets()
            raise
        self._spec = spec
        self._context = context
        self._driver = driver
        self._server: Server | None = None
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name=spec.worker, daemon=True)

    def start(self) -> None:
        """Start the thread. Raises RuntimeError if it was started before."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the worker runs; no more once the sentinel is readable."""
        return self.exitcode is None and self._thread.is_alive()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end of the thread.

        Args:
            timeout: Seconds; None waits for ever.

        Returns:
            Whether it has ended; then the sentinel is closed.
        """
        self._thread.join(timeout)
        if self._thread.is_alive():
            return False
        if self.sentinel >= 0:
            os.close(self.sentinel)
            self.sentinel = -1
        return True

    def abandon(self) -> None:
        """Have it never serve again: once what runs has ended, the driver is closed."""
        self._abandoned = True
        if self._server is not None:
            self._server.terminating = True

    def record_stack(self) -> None:
        """Write a record of what the thread does now; may be called from another thread."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        if frame is not None:
            where, stack = stack_of(frame)
            request, member = performed_in(frame) or (None, None)
            fields: dict[str, Any] = {"incarnation": self._spec.incarnation, "exception": stack}
            fields |= {"request": request, "member": member}
            records.write_about(self.name, "warning", where, fields)

    def _run(self) -> None:
        status = EXIT_CRASHED
        try:
            with self._register():
                status = self._serve()
        except BaseException as error:
            self.error = error
            log.exception("worker %s failed", self.name)
        finally:
            if self._abandoned:
                about = {"incarnation": self._spec.incarnation}
                records.write_about(self.name, "info", "a thread left behind has ended", about)
            self._close_tickets()
            self.exitcode = status
            os.close(self._end)

    def _serve(self) -> int:
        forks.guard()
        self._server = server = Server(
            self._spec, self._context, enter=self._register, tickets=self._tickets
        )
        server.terminating = self._abandoned
        try:
            server.start(self._driver)
            server.serve()
        except BootError as failure:
            self.error = failure.error
            return EXIT_BOOT_FAILED
        except Terminated:
            return EXIT_TERMINATED
        finally:
            server.close()
        return EXIT_STOPPED

    def _close_tickets(self) -> None:
        if self._tickets is not None:
            os.close(self._tickets)

    def _register(self) -> Any:
        return thread_output(self._spec.worker, self._spec.incarnation)

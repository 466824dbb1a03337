"""The concurrent lane of a worker, where it is needed; `server` has the queued one."""

from __future__ import annotations

import logging
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import zmq

from transports.link import (
    CONCURRENT,
    CONTROL,
    Barrier,
    Control,
    Fenced,
    Interrupt,
    LaneOpen,
    decode_control,
    encode_control,
)
from transports.serializers import Buffer
from workers import threads
from workers.serving.executor import CAPACITY, Enter, ThreadPool
from workers.serving.fence import Fence
from workers.serving.interrupts import Interrupts
from workers.serving.links import Request, open_link, send_control
from workers.serving.polling import Poller
from workers.serving.slots import reply
from workers.spec import WorkerSpec

log = logging.getLogger("workers")


class ConcurrentLane:
    """Serves members beside the queued ones: one thread for the socket, others for the calls.

    Args:
        context: The process's ZeroMQ context.
        spec: Of the worker: where the broker is, and the secret that opens its link.
        poller: Polls.
        interrupts: Performs the requests, and interrupts some.
        fence: Knows which requests come too late.
        enter: A context in which each thread runs.
        barrier: Waits until subscriptions have come, see `transports.link.Barrier`.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        spec: WorkerSpec,
        poller: Poller,
        interrupts: Interrupts,
        fence: Fence,
        enter: Enter,
        barrier: Callable[[int], None],
    ) -> None:
        name = spec.worker
        self._link = open_link(context, spec, CONCURRENT)
        self._poller = poller
        self._interrupts = interrupts
        self._fence = fence
        self._enter = enter
        self._await_barrier = barrier
        self._pool = ThreadPool(f"{name}-concurrent", CAPACITY, enter)
        self._done: deque[list[Buffer]] = deque()
        self._polled: deque[tuple[str, float]] = deque()
        self._wake_sender, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._wake_sender.setblocking(False)
        self._stopping = False
        self._thread = threads.Thread(self._run, f"{name}-link")

    def start(self) -> None:
        """Announce the lane and serve it."""
        send_control(self._link, LaneOpen())
        self._thread.start()  # from here on the link is that thread's

    def stop(self, patience: float = 1.0) -> None:
        """Send the answers that are there and end; calls that still run are left behind.

        Args:
            patience: Seconds to wait.
        """
        self._stopping = True
        self._nudge()
        self._pool.stop()
        self._thread.join(patience)

    def _nudge(self) -> None:
        try:
            self._wake_sender.send(b"\0")
        except BlockingIOError:
            pass  # full of wake-ups: the thread wakes anyway
        except OSError:
            log.debug("an answer came after the lane had ended")

    def _run(self) -> None:
        with self._enter():
            try:
                self._serve()
            finally:
                self._link.close()
                self._wake.close()
                self._wake_sender.close()

    def _serve(self) -> None:
        schedule = self._poller.beside
        schedule.begin(time.monotonic())
        link = self._link
        link.watch(self._wake.fileno())
        while True:
            for ready in link.wait(schedule.wait(time.monotonic())):
                if ready is link:
                    request = link.receive()
                    if request is None:
                        continue
                    if request[0] == CONTROL:
                        self._obey(decode_control(request[1]))
                    else:
                        self._pool.submit(self._call(request))
                else:
                    self._wake.recv(4096)
            while self._polled:
                schedule.taken(*self._polled.popleft())
            while name := schedule.take(time.monotonic()):
                self._pool.submit(self._poll(name))
            while self._done:
                link.send(self._done.popleft())
            if self._stopping:
                return

    def _obey(self, control: Control) -> None:
        if isinstance(control, Interrupt):
            self._interrupts.begin(control)
        elif isinstance(control, Fenced):
            self._fence.rise(control)
        elif isinstance(control, Barrier):
            self._await_barrier(control.number)

    def _poll(self, name: str) -> Any:
        def call() -> None:
            began = time.monotonic()
            told = self._poller.poll(name)
            if told is not None:
                self._done.append([CONTROL, encode_control(told), b"", b""])
            self._polled.append((name, began))
            self._nudge()

        return call

    def _call(self, request: Request) -> Any:
        number, header, payload, raw = request

        def call() -> None:
            answer = self._interrupts.perform(number, header, payload, raw)
            self._done.append(reply(number, answer))
            self._nudge()

        return call

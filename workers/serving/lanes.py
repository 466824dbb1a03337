"""A worker's ends of the link: the queued lane and, where it is needed, the concurrent one."""

from __future__ import annotations

import logging
import socket
import time
from collections import deque
from typing import Any

import zmq
from zmq.backend import Socket as BackendSocket

from transports import frames
from transports.link import (
    CONCURRENT,
    CONTROL,
    Control,
    Fenced,
    Interrupt,
    LaneOpen,
    decode_control,
    encode_control,
    routing_id,
)
from transports.serializers import Buffer
from workers import threads
from workers.serving.executor import CAPACITY, Enter, ThreadPool
from workers.serving.fence import Fence
from workers.serving.interrupts import Interrupts
from workers.serving.keys import show_key
from workers.serving.polling import Poller
from workers.serving.slots import reply
from workers.spec import Curve, WorkerSpec

log = logging.getLogger("workers")

LINGER = 500
"""Milliseconds that last messages may take to leave at the end."""

_recv = BackendSocket.recv

Request = tuple[bytes, bytes, bytes, Buffer]
"""Number, header, payload, raw frame."""


def open_lane(
    context: zmq.Context[Any], address: str, token: str, lane: str, curve: Curve | None = None
) -> zmq.Socket[Any]:
    """Connect a lane's DEALER; the broker hears of it with `send_control(LaneOpen())`."""
    dealer: zmq.Socket[Any] = context.socket(zmq.DEALER)
    dealer.setsockopt(zmq.ROUTING_ID, routing_id(token, lane))
    dealer.setsockopt(zmq.LINGER, LINGER)
    dealer.setsockopt(zmq.RCVHWM, 0)  # bounded by the lane's credit
    show_key(dealer, curve)
    dealer.connect(address)
    return dealer


def receive(dealer: zmq.Socket[Any]) -> Request:
    """Receive one message that is there: its four frames, the last one uncopied.

    The frames are counted by the broker, which composed them.
    """
    number = _recv(dealer)
    header = _recv(dealer)
    payload = _recv(dealer)
    raw = _recv(dealer, 0, False)
    return number, header, payload, raw.buffer if len(raw) else b""


def send_control(dealer: zmq.Socket[Any], control: Any, payload: bytes = b"") -> None:
    """Send a control message. Raises zmq.ZMQError."""
    frames.send(dealer, [CONTROL, encode_control(control), payload, b""])


class ConcurrentLane:
    """Serves members beside the queued ones: one thread for the socket, others for the calls.

    Args:
        context: The process's ZeroMQ context.
        spec: Of the worker: where the broker is, and the secret that opens its link.
        poller: Polls.
        interrupts: Performs the requests, and interrupts some.
        fence: Knows which requests come too late.
        enter: A context in which each thread runs.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        spec: WorkerSpec,
        poller: Poller,
        interrupts: Interrupts,
        fence: Fence,
        enter: Enter,
    ) -> None:
        name = spec.worker
        self._dealer = open_lane(context, spec.link, spec.token, CONCURRENT, spec.curve)
        self._poller = poller
        self._interrupts = interrupts
        self._fence = fence
        self._enter = enter
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
        send_control(self._dealer, LaneOpen())
        self._thread.start()  # from here on the socket is that thread's

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
                self._dealer.close()
                self._wake.close()
                self._wake_sender.close()

    def _serve(self) -> None:
        schedule = self._poller.beside
        schedule.begin(time.monotonic())
        watched: list[Any] = [(self._dealer, zmq.POLLIN), (self._wake.fileno(), zmq.POLLIN)]
        while True:
            for ready, _ in zmq.zmq_poll(watched, schedule.wait(time.monotonic())):
                if ready is self._dealer:
                    request = receive(self._dealer)
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
                frames.send(self._dealer, self._done.popleft())
            if self._stopping:
                return

    def _obey(self, control: Control) -> None:
        if isinstance(control, Interrupt):
            self._interrupts.begin(control)
        elif isinstance(control, Fenced):
            self._fence.rise(control)

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

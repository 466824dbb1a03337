"""A worker at work: boots its driver, opens its lanes, serves until it is told to stop."""

from __future__ import annotations

import contextlib
import functools
import logging
import socket
from collections.abc import Callable
from typing import Any

import msgspec
import zmq

from transports import frames
from transports.headers import STREAM_BESIDE
from transports.link import (
    CONTROL,
    QUEUED,
    ClientLeft,
    Failed,
    LaneOpen,
    Ready,
    SetLevel,
    Stop,
    decode_control,
)
from workers.driver import build as boot
from workers.driver.describe import concurrent_members
from workers.driver.markers import BoundEvent
from workers.errors import BootError, Terminated
from workers.failures import failure_body
from workers.output import capture, records
from workers.serving.dispatch import Dispatcher
from workers.serving.events import ChangeWatcher, EventPublisher
from workers.serving.executor import CAPACITY, Enter, EventLoop
from workers.serving.lanes import LINGER, ConcurrentLane, open_lane, receive, send_control
from workers.serving.progress import Progress
from workers.spec import WorkerSpec

log = logging.getLogger("workers")


SUBSCRIPTIONS_WITHIN = 5.0
"""Seconds for the rig's subscriptions to come: milliseconds, unless its machine is overloaded."""


class Server:
    """One incarnation of a worker, run by one thread.

    Attributes:
        busy: Code of the driver runs in the serving thread: a signal handler may interrupt it
            with `Terminated`.
        terminating: Set by a signal handler, or for a thread that is left behind; the loop ends
            when it sees it.

    Args:
        spec: What to host, and where.
        context: A ZeroMQ context; for inproc addresses the one of the broker.
        wake: A socket that becomes readable when a signal came; None where none do.
        enter: A context for each thread that runs code of the driver.
        owns_process: The process is this worker's alone, its working directory too.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        context: zmq.Context[Any],
        *,
        wake: socket.socket | None = None,
        enter: Enter = contextlib.nullcontext,
        owns_process: bool = False,
    ) -> None:
        self.busy = False
        self.terminating = False
        self._spec = spec
        self._context = context
        self._wake = wake
        self._enter = enter
        self._directory = spec.cwd if owns_process else None
        self._hosted: boot.Hosted | None = None
        self._lane: ConcurrentLane | None = None
        self._attached: list[BoundEvent] = []
        self._detach: Callable[[], None] = _do_nothing
        self._end_streams: Callable[[], None] = _do_nothing
        self._loop = EventLoop(f"{spec.worker}-asyncio", enter)
        self._link = open_lane(context, spec.link, spec.token, QUEUED)
        self._events = EventPublisher(
            context,
            spec.events,
            rig=spec.rig,
            worker=spec.worker,
            base=spec.event_base,
            token=spec.token,
        )

    def start(self, driver: object | None = None) -> None:
        """Boot the driver and report READY, or what it failed with.

        Args:
            driver: An object to host in place of what the spec names.

        Raises:
            BootError: The driver couldn't be booted; the broker was told.
            Terminated: The supervisor ends the process by a signal.
        """
        self.busy = True
        try:
            with Progress(self._link):
                try:
                    hosted = boot.host(self._spec, self._loop.wait, driver, self._directory)
                finally:
                    self.busy = False  # what the other thread has is given back undisturbed
        except BootError as failure:
            self.busy = False
            self._report(failure)
            raise
        finally:
            self.busy = False
        self._hosted = hosted
        self._attach_events(hosted)
        spec = self._spec
        self._dispatcher = Dispatcher(
            hosted.driver,
            hosted.description,
            rig=spec.rig,
            worker=spec.worker,
            wait=self._loop.wait,
            seen=_leave_alone if hosted.attach else ChangeWatcher(self._events).seen,
            request_addresses=spec.request_addresses,
            event_addresses=spec.event_addresses,
        )
        self._end_streams = self._dispatcher.streams.close
        capture.install()
        concurrent = concurrent_members(hosted.description)
        send_control(self._link, LaneOpen())
        if concurrent:
            self._lane = ConcurrentLane(
                self._context, spec.link, spec.token, self._dispatcher, spec.worker, self._enter
            )
            self._lane.start()
        if not self._events.await_subscriptions(SUBSCRIPTIONS_WITHIN):
            log.warning(
                "the rig didn't tell its subscriptions within %g s: first events may be missed",
                SUBSCRIPTIONS_WITHIN,
            )
        if concurrent:
            concurrent = (*concurrent, STREAM_BESIDE)
        ready = Ready(concurrent=concurrent, capacity=CAPACITY if concurrent else 0)
        send_control(self._link, ready, msgspec.json.encode(hosted.description))

    def serve(self) -> None:
        """Perform requests one after the other until the broker says stop.

        Raises:
            Terminated: The supervisor ends it otherwise.
        """
        link, respond = self._link, self._dispatcher.respond
        subscriptions = self._events.fd
        watched: list[Any] = [(link, zmq.POLLIN), (subscriptions, zmq.POLLIN)]
        if self._wake is not None:
            watched.append((self._wake.fileno(), zmq.POLLIN))
        streams = self._dispatcher.streams
        while not self.terminating:
            for ready, _ in zmq.zmq_poll(watched, streams.patience):
                if ready is not link:
                    if ready == subscriptions:
                        self._events.take_subscriptions()
                    else:
                        self._drain_wake()
                    continue
                number, header, payload, raw = receive(link)
                if number == CONTROL:
                    control = decode_control(header)
                    if isinstance(control, Stop):
                        return
                    if isinstance(control, SetLevel):
                        records.set_level(control.level)
                    if isinstance(control, ClientLeft):
                        streams.client_left(control.client)
                    continue
                self.busy = True
                try:
                    answer = respond(header, payload, raw)
                finally:
                    self.busy = False
                frames.send(link, [number, *answer])
                del answer, payload, raw  # they may be large, and the next request far away
            streams.end_idle()
        raise Terminated

    def close(self) -> None:
        """Close the driver, then let the last messages leave and end all threads."""
        self._close_driver()
        for event in self._attached:
            event.attach(None)
        self._detach()
        self._loop.stop()
        if self._lane is not None:
            self._lane.stop()
        self._events.close(LINGER)
        self._link.close(linger=LINGER)

    def _close_driver(self) -> None:
        hosted, self._hosted = self._hosted, None
        if hosted is None:
            return
        try:
            # a driver that hangs while it closes may be interrupted, but only by a first signal
            self.busy = not self.terminating
            self._end_streams()
            if hosted.close is not None:
                boot.close(hosted.close, hosted.close_name, self._loop.wait)
        except Terminated:
            log.warning("the time was up before %s of the driver had ended", hosted.close_name)
        finally:
            self.busy = False

    def _attach_events(self, hosted: boot.Hosted) -> None:
        if hosted.attach is not None:
            hosted.attach(self._events.publish)
            self._detach = functools.partial(hosted.attach, None)
            return
        for name in hosted.description["events"]:
            event = getattr(hosted.driver, name)
            if isinstance(event, BoundEvent):
                event.attach(self._publisher_of(name))
                self._attached.append(event)

    def _publisher_of(self, name: str) -> Any:
        publish = self._events.publish
        return lambda value: publish(name, value)

    def _report(self, failure: BootError) -> None:
        body = failure_body(failure.error)
        log.error("the driver failed at its %s", failure.stage, exc_info=failure.error)
        send_control(self._link, LaneOpen())
        send_control(self._link, Failed(stage=failure.stage, exception=body))

    def _drain_wake(self) -> None:
        # what the signal's handler had to do is done; only the byte is left
        with contextlib.suppress(BlockingIOError):
            if self._wake is not None:
                self._wake.recv(4096)


def _do_nothing() -> None:
    pass


def _leave_alone(name: str, value: Any) -> None:
    """A driver that publishes by itself sees to the changes of its properties too."""

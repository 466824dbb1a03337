"""A worker at work: boots its driver, opens its lanes, serves until it is told to stop."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import socket
import time
from collections.abc import Callable
from typing import Any

import msgspec
import zmq

from transports import link as messages
from transports.headers import CACHED, STREAM_BESIDE
from transports.link import CONTROL, QUEUED, Control, decode_control
from workers import changes
from workers.driver import build as boot
from workers.driver.describe import concurrent_members
from workers.driver.finding import look_along
from workers.driver.offer import Offer
from workers.driver.opening import close
from workers.driver.settle import outcome
from workers.errors import BootError, Terminated
from workers.failures import strip
from workers.output import capture, records
from workers.serving import first_steps
from workers.serving.callbacks import Callbacks
from workers.serving.claims import Claims
from workers.serving.dispatch import Dispatcher
from workers.serving.events import AttachedEvents, ChangeWatcher, EventPublisher
from workers.serving.executor import CAPACITY, Enter, EventLoop
from workers.serving.interrupts import Interrupts
from workers.serving.lanes import ConcurrentLane
from workers.serving.links import LINGER, open_link, send_control
from workers.serving.nudges import Nudges, drain
from workers.serving.polling import of_polled, sooner
from workers.serving.progress import Progress, report
from workers.serving.slots import Slots, reply
from workers.spec import WorkerSpec

log = logging.getLogger("workers")


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
        imported: Gives the class or factory, or raises what its import raised; None imports it.
        tickets: Reading end of the tickets for its operations; None when nobody gives any.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        context: zmq.Context[Any],
        *,
        wake: socket.socket | None = None,
        enter: Enter = contextlib.nullcontext,
        imported: Callable[[], boot.Target] | None = None,
        tickets: int | None = None,
    ) -> None:
        self.busy = False
        self.terminating = False
        self._spec = spec
        self._context = context
        self._wake = wake
        self._enter = enter
        self._imported = imported
        self._claims_any = tickets is not None
        self._claim = Claims(tickets).take
        self._told = ""
        self._hosted: boot.Hosted | None = None
        self._lane: ConcurrentLane | None = None
        self._offer: Offer | None = None
        self._is_stale = False  # there are other members than were described
        self._found: dict[str, Any] = {}  # what showed at its use, by path
        self._has_other_subscribers = True
        self._nudges = Nudges()
        self._unlisten = self._detach = self._end_streams = _do_nothing
        self._loop = EventLoop(f"{spec.worker}-asyncio", enter)
        self._link = open_link(context, spec, QUEUED)
        self._events = EventPublisher(
            context,
            spec.events,
            rig=spec.rig,
            worker=spec.worker,
            base=spec.event_base,
            token=spec.token,
            curve=spec.curve,
        )
        self._attached = AttachedEvents(self._events.publish)
        self._changes = ChangeWatcher(self._events)
        self._callbacks = Callbacks(
            self._events.publish, self._changes.seen, self._events.is_wanted
        )

    def tell_progress(self, doing: str) -> None:
        """Tell the rig what the import of the driver is at; before `start`."""
        if doing and doing != self._told:
            self._told = doing
            send_control(self._link, messages.Starting(doing))

    def start(self, driver: object | None = None) -> None:
        """Boot the driver and report READY, or what it failed with.

        Args:
            driver: An object to host in place of what the spec names.

        Raises:
            BootError: The driver couldn't be booted; the broker was told.
            Terminated: The supervisor ends the process by a signal.
        """
        try:
            with Progress(self._link):  # what its thread has is given back undisturbed
                hosted: boot.Hosted = self._run_busy(
                    lambda: boot.host(self._spec, self._loop, driver, self._imported)
                )
        except BootError as failure:
            report(self._link, failure, self._spec)
            raise
        self._hosted = hosted
        spec = self._spec
        self._dispatcher = Dispatcher(
            hosted.driver,
            hosted.offer.description,
            rig=spec.rig,
            worker=spec.worker,
            wait=self._loop.wait,
            call=hosted.call,
            seen=of_polled(spec.poll, self._changes.seen) if hosted.attach else self._changes.seen,
            request_addresses=spec.request_addresses,
            event_addresses=spec.event_addresses,
            targets=hosted.offer.targets,
            refresh=self._look_again,
            met=self._met if hosted.describe else None,
            spans=spec.spans,
            slots=Slots(spec.slots, spec.token),
        )
        self._interrupts = Interrupts(self._dispatcher, self._loop, spec, self._wake is not None)
        self._attach_events(hosted)
        self._unlisten = changes.listen(self._members_changed)
        self._end_streams = self._dispatcher.streams.close
        capture.install()
        send_control(self._link, messages.LaneOpen())
        concurrent, capacity = self._open_concurrent(hosted.offer)
        self._events.await_subscriptions()
        self._events.subscribed = self._subscribed
        self._adjust_callbacks()
        self._take_first_steps(hosted.offer, spec)
        self._poll_all()
        ready = messages.Ready(concurrent, capacity, os.getpid(), self._claims_any)
        send_control(self._link, ready, msgspec.json.encode(hosted.offer.description))

    def serve(self) -> None:
        """Perform requests one after the other until the broker says stop.

        Raises:
            Terminated: The supervisor ends it otherwise.
        """
        link, perform = self._link, self._interrupts.perform
        subscriptions, nudged = self._events.fd, self._nudges.fileno()
        woken = () if self._wake is None else (self._wake.fileno(),)
        link.watch(subscriptions, nudged, *woken)
        dispatcher = self._dispatcher
        schedule, streams, slots = dispatcher.poller.queued, dispatcher.streams, dispatcher.slots
        schedule.begin(time.monotonic())
        while not self.terminating:
            wait = sooner(schedule.wait(time.monotonic()), streams.patience, slots.patience)
            came = link.wait(wait)
            # what waits goes first, but for a whole interval at most
            now = time.monotonic()
            if name := schedule.take(now, patience=1.0 if came else 0.0):
                self._poll(name)
                schedule.taken(name, now)
                continue
            for ready in came:
                if ready is not link:
                    if ready == subscriptions:
                        self._events.take_subscriptions()
                    elif ready == nudged:
                        self._take_nudges()
                    elif self._wake is not None:
                        drain(self._wake)  # what its signal's handler had to do is done
                    continue
                request = link.receive()
                if request is None:
                    continue
                number, header, payload, raw = request
                if number == CONTROL:
                    control = decode_control(header)
                    if isinstance(control, messages.Stop):
                        return
                    self._obey(control)
                    continue
                if not self._claim(number):
                    link.send([number, b"", b"", b""])
                    continue
                if self._callbacks:
                    # who subscribed before a request hears what the request causes
                    self._events.take_subscriptions()
                    self._adjust_callbacks()
                self.busy = True
                try:
                    answer = perform(number, header, payload, raw)
                finally:
                    self.busy = False
                if self._is_stale:
                    self._describe_changes()  # before the answer, so that its reader finds them
                link.send(reply(number, answer))
                del request, answer, payload, raw  # large, maybe, and the next one far away
            streams.end_idle()
            slots.give_up_unused()
        raise Terminated

    def _obey(self, control: Control) -> None:
        if isinstance(control, messages.SetLevel):
            records.set_level(control.level)
        elif isinstance(control, messages.Reopen):
            self._reopen(control)
        elif isinstance(control, messages.ClientLeft):
            self._dispatcher.streams.client_left(control.client)
        elif isinstance(control, messages.Fenced):
            self._dispatcher.fence.rise(control)
        elif isinstance(control, messages.Barrier):
            self._events.await_barrier(control.number)
        elif isinstance(control, messages.Watch):
            for told in self._dispatcher.poller.watch(control.members):
                send_control(self._link, told)

    def _take_first_steps(
        self, offer: Offer, spec: WorkerSpec, before: Callable[[], None] | None = None
    ) -> None:
        perform = self._dispatcher.perform
        try:
            with Progress(self._link):
                self._run_busy(before or _do_nothing)
                self._run_busy(lambda: first_steps.take(spec, offer.description, perform))
        except BootError as failure:
            self._close_driver()
            report(self._link, failure, self._spec)
            raise

    def _reopen(self, control: messages.Reopen) -> None:
        spec = first_steps.with_kept(self._spec, control.kept)
        if (hosted := self._hosted) is not None:
            self._take_first_steps(hosted.offer, spec, hosted.reopen)

    def _poll_all(self) -> None:
        """Read what is polled for the first time, so that each has a value, or an error."""
        if names := self._dispatcher.poller.names:
            with Progress(self._link):
                for name in names:
                    self._poll(name)

    def _poll(self, name: str) -> None:
        told = self._run_busy(lambda: self._dispatcher.poller.poll(name))
        if told is not None:
            send_control(self._link, told)

    def close(self) -> None:
        """Close the driver, then let the last messages leave and end all threads."""
        self._unlisten()
        self._events.subscribed = _do_nothing
        self._stop_callbacks()
        self._close_driver()
        self._attached.replace({})
        self._detach()
        self._loop.stop()
        if self._lane is not None:
            self._lane.stop()
        self._events.close(LINGER)
        self._link.close()
        self._nudges.close()

    def _close_driver(self) -> None:
        hosted, self._hosted = self._hosted, None
        if hosted is None:
            return
        try:
            # a driver that hangs while it closes may be interrupted, but only by a first signal
            self.busy = not self.terminating
            self._end_streams()
            if hosted.close is not None:
                close(hosted.close, hosted.close_name, self._loop)
        except Terminated:
            log.warning("the time was up before %s of the driver had ended", hosted.close_name)
        finally:
            self.busy = False

    def _attach_events(self, hosted: boot.Hosted) -> None:
        if hosted.attach is not None:
            hosted.attach(self._events.publish)
            self._detach = functools.partial(hosted.attach, None)
            return
        self._attach_offer(hosted.offer)

    def _attach_offer(self, offer: Offer) -> None:
        self._attached.replace(offer.events)
        self._callbacks.offer(offer.sources, offer.description)
        self._offer = offer

    # -- other members than before

    def _members_changed(self, part: object) -> None:
        """The driver says so, in any thread."""
        if self._offer is not None and self._offer.parts.get(id(part)) is part:
            self._is_stale = True
            self._nudges.give()

    def _met(self, path: str, value: Any) -> bool:
        """A property was read; a part that it gave is described from now on. Whether it is one."""
        holds = self._offer is not None and self._offer.holds_parts(value)
        if holds and path not in self._found:
            self._found[path] = value
            self._is_stale = True
            self._nudges.give()
        return holds

    def _look_again(self, path: str = "") -> None:
        """Describe the driver anew, with what is along a path. Raises what the driver does."""
        hosted = self._hosted
        if hosted is None or not path:
            self._describe_anew()
            return
        get = functools.partial(outcome, hosted.call, self._loop.wait)
        look_along(path, self._found, lambda: self._offer, get, self._describe_anew)

    def _describe_changes(self) -> None:
        """Describe anew what has changed; what was served goes on if that fails."""
        try:
            self._run_busy(self._describe_anew)
        except Terminated:
            raise
        except BaseException as error:  # looking may run code of the driver's, such as `__dir__`
            strip(error)
            log.error("the driver can't be described anew", exc_info=error)

    def _describe_anew(self) -> None:
        """Look at the driver again, serve what it has now, and tell the rig.

        Raises:
            Exception: Whatever code of the driver's raises that looking runs.
        """
        self._is_stale = False
        hosted = self._hosted
        if hosted is None or hosted.describe is None:
            return
        offer = hosted.describe(self._found)
        self._dispatcher.offer(offer.description, offer.targets)
        self._attach_offer(offer)
        self._has_other_subscribers = True
        self._adjust_callbacks()
        concurrent, capacity = self._open_concurrent(offer)
        message = messages.Described(concurrent=concurrent, capacity=capacity)
        send_control(self._link, message, msgspec.json.encode(offer.description))

    def _open_concurrent(self, offer: Offer) -> tuple[tuple[str, ...], int]:
        """Serve the members that are concurrent; which these are, and how many run at once."""
        concurrent = concurrent_members(offer.description)
        if self._spec.poll:
            concurrent = (*concurrent, CACHED)
        if concurrent:
            concurrent = (*concurrent, STREAM_BESIDE)
        spec = self._spec
        if (concurrent or spec.interrupts) and self._lane is None:
            interrupts, fence = self._interrupts, self._dispatcher.fence
            poller = self._dispatcher.poller
            more = fence, self._enter, self._events.await_barrier
            self._lane = ConcurrentLane(self._context, spec, poller, interrupts, *more)
            self._lane.start()
        return concurrent, CAPACITY if concurrent else 0

    def _subscribed(self) -> None:
        """Subscriptions have begun or ended; in any thread."""
        self._has_other_subscribers = True
        if self._callbacks:
            self._nudges.give()

    def _adjust_callbacks(self) -> None:
        if self._callbacks and self._has_other_subscribers:
            self._has_other_subscribers = False
            self._run_busy(self._callbacks.adjust)

    def _stop_callbacks(self) -> None:
        if self._callbacks and not self.terminating:
            with contextlib.suppress(Terminated):
                self._run_busy(self._callbacks.stop)

    def _run_busy(self, call: Callable[[], Any]) -> Any:
        self.busy = True  # it is the driver's code
        try:
            return call()
        finally:
            self.busy = False

    def _take_nudges(self) -> None:
        self._nudges.take()
        if self._is_stale:
            self._describe_changes()
        self._adjust_callbacks()


def _do_nothing() -> None:
    pass

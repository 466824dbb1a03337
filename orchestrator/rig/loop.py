"""The loop: the only file with poll, clock and signals.

It waits for sockets, ended processes, questions from other threads and the next deadline, feeds
the two cores, and performs what they ask for.
"""

from __future__ import annotations

import math
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import zmq

from orchestrator.core.broker import Broker
from orchestrator.core.children import Exit
from orchestrator.core.effects import (
    AskToStop,
    Describe,
    Effect,
    Fact,
    Hold,
    Launch,
    Lost,
    Overran,
    Recovered,
    Terminate,
    ToClient,
    ToWorker,
    WorkerReady,
    WorkerUnbuilt,
)
from orchestrator.core.supervision import Supervision
from orchestrator.logs.collect.handle import STUCK
from orchestrator.rig.backlog import Outbox
from orchestrator.rig.processes import Processes
from orchestrator.rig.sockets import Ports
from transports.frames import TooManyFrames, has_more, receive, send
from transports.headers import FRAMES, PROBE

T = TypeVar("T")
BATCH = 64
"""Messages taken from one socket before the others get their turn."""
LONGEST_POLL = 86_400.0
"""Seconds of one poll at most."""
INSIST_AFTER = 0.25
"""Seconds in which a worker that can run Python code writes its stacks."""
REASON_WITHIN = 0.25
"""Seconds for what a worker sent at its end to come through."""


class Loop:
    """Runs a rig's cores on its sockets, in the thread that calls `run`.

    Args:
        ports: The bound sockets.
        broker: The core that routes.
        supervision: The core that keeps workers.
        processes: Starts and ends workers.
        launch: Starts an incarnation of a worker: name, number.
        describe: Answers a request for a Thing Description: message type and payload.
        record: Writes a record: level, text, fields.
        after_turn: Called with `now` after each turn.
    """

    def __init__(
        self,
        *,
        ports: Ports,
        broker: Broker,
        supervision: Supervision,
        processes: Processes,
        launch: Callable[[str, int], None],
        describe: Callable[[Describe], tuple[str, bytes]],
        record: Callable[[str, str, dict[str, Any]], None],
        after_turn: Callable[[float], None],
    ) -> None:
        self._ports = ports
        self._broker = broker
        self._supervision = supervision
        self._processes = processes
        self._launch = launch
        self._describe = describe
        self._record = record
        self._after_turn = after_turn
        self._outbox = Outbox(ports.front)
        self._questions: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._signals: deque[int] = deque()
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._asked: set[str] = set()  # for their stacks, a moment ago
        self._watched: dict[int, Callable[[], None]] = {}
        self._watch_changes = 0
        self._items: list[tuple[Any, int]] = []
        self._items_of = (-1, -1)  # the changes that `_items` knows of
        self._perform_by: dict[type[Any], Callable[[Any, float], None]] = {
            ToClient: self._to_client,
            ToWorker: self._to_worker,
            Describe: self._to_description,
            WorkerReady: self._worker_ready,
            WorkerUnbuilt: self._worker_unbuilt,
            Overran: self._overran,
            Recovered: self._recovered,
            Launch: self._start,
            AskToStop: self._ask_to_stop,
            Terminate: self._terminate,
            Lost: self._lost,
            Hold: self._hold,
            Fact: self._note,
        }

    # -- from other threads ---------------------------------------------------------------

    def ask(self, question: Callable[[], T]) -> Future[T]:
        """Have a function called in the loop's thread, between two turns."""
        future: Future[T] = Future()
        self._questions.append((question, future))
        self._wake()
        return future

    def _wake(self) -> None:
        try:
            self._waker.send(b"\0")
        except BlockingIOError:
            return  # full of wake-ups already

    # -- the loop's own thread ------------------------------------------------------------

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call back whenever a file descriptor is readable."""
        self._watched[fd] = callback
        self._watch_changes += 1

    def unwatch(self, fd: int) -> None:
        """Stop watching a file descriptor."""
        self._watched.pop(fd, None)
        self._watch_changes += 1

    @contextmanager
    def signals(self, on_signal: Callable[[int], None]) -> Iterator[None]:
        """Have SIGINT, SIGTERM and SIGHUP delivered as calls between two turns.

        Afterwards they are ignored: the rig has ended, the process is about to, and its exit
        status is no longer theirs to change.
        """
        self._on_signal = on_signal
        numbers = [
            getattr(signal, name)
            for name in ("SIGINT", "SIGTERM", "SIGHUP")
            if hasattr(signal, name)
        ]
        for number in numbers:
            signal.signal(number, lambda number, _: self._signals.append(number))
        fd = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(fd)
            for number in numbers:
                signal.signal(number, signal.SIG_IGN)

    def run(self, until: Callable[[], bool], deadline: float = math.inf) -> None:
        """Turn until `until` says so after a turn, or the deadline (monotonic seconds) comes."""
        now = time.monotonic()
        self._perform(now)
        while not until() and now < deadline:
            ready = zmq.zmq_poll(self._poll_items(), self._timeout(now, deadline))
            now = time.monotonic()
            # To ask a socket for more costs more than a poll that finds it, unless it is busy.
            most = 1 if len(ready) == 1 else BATCH
            for source, _ in ready:
                if source is self._ports.front:
                    self._from_clients(now, most)
                elif source is self._ports.back:
                    self._from_workers(now, most)
                elif source is self._ports.collector:
                    self._forward_events()
                elif source is self._ports.publisher:
                    self._forward_subscriptions()
                elif source == self._woken.fileno():
                    self._answer_questions()
                elif source in self._watched:
                    self._watched[source]()
                else:
                    self.reap(now)
            self._tick(now)
            self._perform(now)
            self._after_turn(now)
            self._perform(now)

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something called between two turns, once, after so many seconds."""
        self._later.append((time.monotonic() + seconds, call))

    def flush(self, timeout: float) -> None:
        """Give lagging clients a last chance to take their answers."""
        deadline = time.monotonic() + timeout
        self._perform(time.monotonic())
        while len(self._outbox) and time.monotonic() < deadline:
            zmq.zmq_poll([(self._woken.fileno(), zmq.POLLIN)], 20)
            self._outbox.retry(time.monotonic())

    def close(self) -> None:
        """Release the wake-up sockets. The ports are their owner's."""
        self._woken.close()
        self._waker.close()

    def reap(self, now: float) -> None:
        """Tell the supervision of workers that have ended."""
        for worker, incarnation, exit_ in self._processes.reap():
            # What the worker sent before it died has arrived: it is read first.
            while has_more(self._ports.back):
                self._from_workers(now)
            if exit_.unusable and not self._supervision.lives[worker].unbuilt:
                # Arrived in this machine, but perhaps not yet in this process: its reason.
                late = partial(self._exited, worker, incarnation, exit_)
                self.call_later(REASON_WITHIN, late)
            else:
                self._supervision.exited(worker, incarnation, exit_, now)

    def _exited(self, worker: str, incarnation: int, exit_: Exit) -> None:
        self._supervision.exited(worker, incarnation, exit_, time.monotonic())

    def _poll_items(self) -> list[tuple[Any, int]]:
        if self._items_of == (self._processes.changes, self._watch_changes):
            return self._items
        self._items_of = (self._processes.changes, self._watch_changes)
        ports = self._ports
        pollin = int(zmq.POLLIN)
        self._items = [
            (ports.front, pollin),
            (ports.back, pollin),
            (ports.collector, pollin),
            (ports.publisher, pollin),
            (self._woken.fileno(), pollin),
            *((fd, pollin) for fd in self._watched),
            *((fd, pollin) for fd in self._processes.sentinels()),
        ]
        return self._items

    def _timeout(self, now: float, deadline: float) -> int:
        """Milliseconds until something is due, rounded up; -1 while nothing is."""
        earliest = deadline
        for due in (
            self._broker.next_deadline,
            self._supervision.next_deadline,
            self._outbox.next_deadline(now),
            min((due for due, _ in self._later), default=None),
        ):
            if due is not None and due < earliest:
                earliest = due
        if earliest == math.inf:
            return -1
        # zmq_poll takes a C int; a deadline of years is none to wait for in one go
        return max(0, math.ceil(min(earliest - time.monotonic(), LONGEST_POLL) * 1000))

    def _tick(self, now: float) -> None:
        if self._later:
            due = [call for at, call in self._later if at <= now]
            self._later = [entry for entry in self._later if entry[0] > now]
            for call in due:
                call()
        deadline = self._broker.next_deadline
        if deadline is not None and deadline <= now:
            self._broker.tick(now)
        deadline = self._supervision.next_deadline
        if deadline is not None and deadline <= now:
            self._supervision.tick(now)
        if len(self._outbox):
            for client in self._outbox.retry(now):
                self._record(
                    "warning", "client reads nothing, its answers dropped", {"client": repr(client)}
                )

    # -- in -------------------------------------------------------------------------------

    def _from_clients(self, now: float, most: int) -> None:
        front, broker = self._ports.front, self._broker
        for left in reversed(range(most)):
            frames = receive(front, FRAMES)
            if isinstance(frames, TooManyFrames):
                broker.receive_client(frames.first, now, frames.count)
            else:
                broker.receive_client(frames, now)
            self._perform(now)
            if not left or not has_more(front):
                return

    def _from_workers(self, now: float, most: int = BATCH) -> None:
        back, broker = self._ports.back, self._broker
        for left in reversed(range(most)):
            frames = receive(back, FRAMES)
            broker.receive_link(frames.first if isinstance(frames, TooManyFrames) else frames, now)
            self._perform(now)
            if not left or not has_more(back):
                return

    def _forward_events(self) -> None:
        collector = self._ports.collector
        for _ in range(BATCH):
            frames = receive(collector, FRAMES)
            if isinstance(frames, TooManyFrames) or len(frames) != FRAMES:
                self._record("error", "malformed event of a worker dropped", {})
            else:
                send(self._ports.publisher, frames)
            if not has_more(collector):
                return

    def _forward_subscriptions(self) -> None:
        publisher = self._ports.publisher
        for _ in range(BATCH):
            frames = receive(publisher, 1)
            if not isinstance(frames, TooManyFrames):
                message = frames[0].bytes
                topic = message[1:]
                if not topic.startswith(PROBE):
                    send(self._ports.collector, [message])
                elif message[0] == 1:
                    send(publisher, [topic, b"", b"", b"", b""])
            if not has_more(publisher):
                return

    def _answer_questions(self) -> None:
        try:
            self._woken.recv(4096)
        except BlockingIOError:
            return
        while self._signals:
            self._on_signal(self._signals.popleft())
        while self._questions:
            question, future = self._questions.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(question())
            except Exception as error:  # noqa: BLE001  it belongs to whoever asked
                future.set_exception(error)

    # -- out ------------------------------------------------------------------------------

    def _perform(self, now: float) -> None:
        broker, supervision = self._broker, self._supervision
        while broker.effects or supervision.effects:
            effects: list[Effect] = broker.take_effects()
            if supervision.effects:
                effects += supervision.take_effects()
            for effect in effects:
                self._perform_by[type(effect)](effect, now)

    def _to_client(self, effect: ToClient, now: float) -> None:
        self._outbox.send(effect.frames, now)

    def _to_worker(self, effect: ToWorker, now: float) -> None:
        try:
            send(self._ports.back, effect.frames)
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self._broker.unreachable(effect.number, now)

    def _to_description(self, effect: Describe, now: float) -> None:
        self._broker.described(effect.number, *self._describe(effect))

    def _worker_ready(self, effect: WorkerReady, now: float) -> None:
        if effect.worker in self._supervision.lives:
            self._supervision.ready(effect.worker, effect.incarnation, now)

    def _worker_unbuilt(self, effect: WorkerUnbuilt, now: float) -> None:
        self._supervision.unbuilt(
            effect.worker, effect.incarnation, effect.stage, effect.exception, now
        )

    def _overran(self, effect: Overran, now: float) -> None:
        if effect.worker in self._supervision.lives:
            # After a short timeout it is too early to tell, so once more.
            self._processes.unblock(effect.worker)
            self.call_later(2 * STUCK, lambda: self._processes.unblock(effect.worker))
            self._ask_for_stacks(effect.worker)
            self._supervision.overran(
                effect.worker, effect.incarnation, effect.member, now, stalls=effect.stalls
            )

    def _ask_for_stacks(self, worker: str) -> None:
        if worker in self._asked:
            return
        self._asked.add(worker)
        self._processes.signal(worker, "stacks")

        def insist() -> None:
            self._asked.discard(worker)
            self._processes.signal(worker, "forced stacks")

        self.call_later(INSIST_AFTER, insist)

    def _recovered(self, effect: Recovered, now: float) -> None:
        if effect.worker in self._supervision.lives:
            self._supervision.recovered(effect.worker, effect.incarnation, now)

    def _start(self, effect: Launch, now: float) -> None:
        try:
            self._launch(effect.worker, effect.incarnation)
        except OSError as error:
            self._supervision.unlaunched(
                effect.worker, effect.incarnation, f"couldn't be started: {error}", now
            )

    def _ask_to_stop(self, effect: AskToStop, now: float) -> None:
        reason = f"worker {effect.worker!r} is stopping"
        if not self._broker.ask_to_stop(effect.worker, now, hold=effect.hold, reason=reason):
            self._supervision.untold(effect.worker, now)

    def _terminate(self, effect: Terminate, now: float) -> None:
        self._processes.signal(effect.worker, effect.how)
        self.reap(now)

    def _lost(self, effect: Lost, now: float) -> None:
        self._broker.lost(effect.worker, now, reason=effect.reason, holds=effect.holds)

    def _hold(self, effect: Hold, now: float) -> None:
        self._broker.hold(effect.worker)

    def _note(self, effect: Fact, now: float) -> None:
        self._record(effect.level, effect.text, effect.fields)

"""The loop: the one place that polls, and that gives the core its `now`.

It waits for sockets, ended processes, the mailbox and the next deadline, feeds the rig's core,
and has performed what that leaves, in order.
"""

from __future__ import annotations

import heapq
import math
import time
import traceback
from collections.abc import Callable
from typing import Any

import zmq

from orchestrator.core.effects import Effect, ToClient, ToWorker
from orchestrator.core.manners import MOST_FRAMES
from orchestrator.core.own_ids import is_own
from orchestrator.core.queues import earliest
from orchestrator.core.rig import Rig
from orchestrator.core.tally import shorten
from orchestrator.rig.backlog import Backlog
from orchestrator.rig.connections import Connection, Connections
from orchestrator.rig.event_relay import EventRelay
from orchestrator.rig.lanes import Guest, Lanes
from orchestrator.rig.mailbox import Mailbox
from orchestrator.rig.poller import Poller
from orchestrator.rig.processes import Processes
from orchestrator.rig.sockets import Sockets
from transports.frames import TooManyFrames, drop_rest, has_more, receive_routed
from transports.headers import FRAMES

BATCH = 64
"""Messages taken from one socket before the others get their turn."""
STRANGERS_BATCH = 8
"""The same for clients and subscribers, who may send without end, and all that is rubbish."""
LAST_WORDS = 4096
"""Messages read before the end of a worker is told, which may be behind its last answers, and
before the clients' socket is closed. More than its lanes' credit is never under way from a worker,
whatever the others send meanwhile."""
EFFECTS = 4096
"""Effects performed in one turn; what is left then comes first in the next."""
LONGEST_POLL = 86_400.0
"""Seconds of one poll at most."""
_BY_FIRST = (ToClient, ToWorker)
"""Effects that touch nothing but the two sockets that are polled each time."""


class Loop:
    """Runs a rig's core on its sockets, in the thread that calls `run`.

    Args:
        rig: The core.
        sockets: The rig's sockets, bound.
        processes: The workers' processes.
        mailbox: What other threads and signals ask for.
        backlog: Answers that clients have no room for.
        relay: Passes events on.
        connections: Who is connected.
        perform: Does what an effect says.
        record: Writes a record: level, text, fields.
        lanes: Those of workers and clients; None where there are none.

    Attributes:
        poller: Waits.
        emptied: How often clients had sent nothing more than was read.
    """

    def __init__(
        self,
        *,
        rig: Rig,
        sockets: Sockets,
        processes: Processes,
        mailbox: Mailbox,
        backlog: Backlog,
        relay: EventRelay,
        connections: Connections,
        perform: Callable[[Effect, float], None],
        record: Callable[[str, str, dict[str, Any]], None],
        lanes: Lanes | None = None,
    ) -> None:
        self._rig = rig
        self._sockets = sockets
        self._processes = processes
        self._mailbox = mailbox
        self._backlog = backlog
        self._relay = relay
        self._connections = connections
        self._gate = sockets.gate
        self._perform_one = perform
        self._record = record
        self.emptied = 0
        self._torn: set[zmq.Socket[Any]] = set()  # where a message's rest is to be dropped
        self._later: list[tuple[float, int, Callable[[], None]]] = []  # a heap
        self._calls = 0
        self._due = math.inf  # of the core, as it was before this turn
        self._watched: dict[Any, Callable[[], None]] = {}
        self._watch_changes = 0
        self._next_fault = 0.0
        self.poller = self._poller = Poller()
        self._lanes = lanes
        self._watched_of = (-1, -1, -1)  # the changes that the poller knows of
        connections.left = self._left
        if lanes is not None:
            lanes.left = rig.client_left

    def _left(self, connection: Connection) -> None:
        self._relay.forget(connection)
        if connection.identity is not None:
            self._rig.client_left(connection.identity)

    def watch(self, source: int | zmq.Socket[Any], callback: Callable[[], None]) -> None:
        """Call back whenever a file descriptor or socket is readable."""
        self._watched[source] = callback
        self._watch_changes += 1

    def unwatch(self, fd: int) -> None:
        """Stop watching a file descriptor."""
        self._watched.pop(fd, None)
        self._watch_changes += 1

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something called between two turns, once, after so many seconds."""
        self._calls += 1  # calls can't be compared
        heapq.heappush(self._later, (time.monotonic() + seconds, self._calls, call))

    def last_messages(self, is_over: Callable[[], bool], seconds: float) -> list[Any]:
        """Read what clients have sent, until there can't come more or for so many seconds."""
        front, messages = self._sockets.front, list[Any]()
        deadline = time.monotonic() + seconds
        items = [(source, int(zmq.POLLIN)) for source in (front, *self._connections.monitors)]
        while front in self._torn:
            self._receive(front)
        while len(messages) < LAST_WORDS:
            over = is_over()  # asked first: what came before the end is read after it
            if frames := receive_routed(front, FRAMES):
                messages.append(frames)
                continue
            left = deadline - time.monotonic()
            if over or left <= 0:
                break
            zmq.zmq_poll(items, math.ceil(left * 1000))
        return messages

    def take_up(self, messages: list[Any]) -> None:
        """Feed the core with clients' messages."""
        now = time.monotonic()
        for frames in messages:
            self._take(frames, now)
            self._perform(now)

    def run(self, until: Callable[[], bool], deadline: float = math.inf) -> None:
        """Turn until `until` says so after a turn, or the deadline (monotonic seconds) comes."""
        sockets = self._sockets
        before: list[Any] = []
        now = time.monotonic()
        self._perform(now)
        self._poller.look()
        while not until() and now < deadline:
            self._watch_all()
            ready = self._poller.wait(self._timeout(now, deadline), is_used=sockets.is_used)
            sockets.is_used = False
            now = time.monotonic()
            # To find a socket empty costs more than to poll both, unless they are busy: then two
            # are ready at once, or one is again and again.
            is_busy = len(ready) != 1 or ready == before
            # A lane among several gives one message each turn, which costs nothing to find empty.
            is_alone = is_busy and len(ready) == 1
            before = ready
            if sockets.front not in ready:
                self.emptied += 1
            for source in ready:
                try:
                    if source is sockets.front:
                        self._sockets.is_used = True
                        self._from_clients(now, STRANGERS_BATCH if is_busy else 1)
                    elif source is sockets.back:
                        self._from_workers(now, BATCH if is_busy else 1)
                    elif type(source) is Guest:
                        self._from_lane(source, now, _batch(source) if is_alone else 1)
                    else:
                        self._poller.look()
                        self._from_others(source, now)
                        self._perform(now)
                except Exception as error:  # noqa: BLE001  it costs the message that it came of
                    self._fault(error)
            try:
                self._tick(now)
                self._perform(now)
                if self._processes.silent_ends:
                    self._reap(now)
                    self._perform(now)
            except Exception as error:  # noqa: BLE001  what is due comes again
                self._fault(error)

    def flush(self, timeout: float) -> None:
        """Give lagging clients a last chance to take their answers."""
        now = time.monotonic()
        deadline = now + timeout
        self._perform(now)
        while len(self._backlog) and now < deadline:
            due = self._backlog.next_deadline(now) or now
            zmq.zmq_poll([(self._mailbox.fileno(), zmq.POLLIN)], math.ceil((due - now) * 1000))
            now = time.monotonic()
            self._connections.update()  # or libzmq may wait, and send nothing
            self._backlog.retry(now)

    # -- how ------------------------------------------------------------------------------

    def _watch_all(self) -> None:
        changes = (self._processes.changes, self._watch_changes, self._connections.changes)
        if self._watched_of == changes:
            return
        self._watched_of = changes
        sockets = self._sockets
        self._poller.watch(
            (sockets.front, sockets.back),
            (
                sockets.collector,
                sockets.publisher,
                *self._connections.monitors,
                self._mailbox.fileno(),
                *self._watched,
                *self._processes.sentinels(),
            ),
        )

    def _from_others(self, source: Any, now: float) -> None:
        """Take what has come where little comes."""
        if source is self._sockets.collector:
            self._relay.forward_events(BATCH, now)
        elif source is self._sockets.publisher:
            self._relay.forward_subscriptions(STRANGERS_BATCH, now)
        elif source == self._mailbox.fileno():
            self._mailbox.answer()
        elif source in self._watched:
            self._watched[source]()
        elif source in self._connections.monitors:
            self._connections.update()
        else:
            self._reap(now)

    def _timeout(self, now: float, deadline: float) -> int:
        """Milliseconds until something is due, rounded up; -1 while nothing is."""
        due = self._rig.next_deadline
        self._due = math.inf if due is None else due
        if self._rig.effects or self._processes.silent_ends:
            return 0
        later = self._later[0][0] if self._later else None
        first = earliest(due, deadline, self._backlog.next_deadline(now), later)
        if first is None or first == math.inf:
            return -1
        # zmq_poll takes a C int; a deadline of years is none to wait for in one go
        return max(0, math.ceil(min(first - time.monotonic(), LONGEST_POLL) * 1000))

    def _tick(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            _, _, call = heapq.heappop(self._later)
            self._poller.look()
            try:
                call()
            except Exception as error:  # noqa: BLE001  the others are called all the same
                self._fault(error)
        if self._due <= now:
            self._rig.tick(now)
        if len(self._backlog):
            self._sockets.is_used = True
            for client in self._backlog.retry(now):
                text = "client reads nothing, its answers dropped"
                self._rig.broker.ledger.tally.tell("warning", text, now, client=repr(client))

    def _receive(self, source: zmq.Socket[Any]) -> list[Any] | TooManyFrames:
        """One message; none if there is none, or while one of very many frames is read.

        No other of that socket's can be read before its end, but the loop goes on.
        """
        if source in self._torn:
            if not drop_rest(source, MOST_FRAMES):
                self._torn.discard(source)
            return []
        frames = receive_routed(source, FRAMES, MOST_FRAMES)
        if isinstance(frames, TooManyFrames) and frames.has_rest:
            self._torn.add(source)
        return frames

    def _from_clients(self, now: float, most: int) -> None:
        front = self._sockets.front
        for _ in range(most):
            frames = self._receive(front)
            if not frames:
                return
            self._take(frames, now)
            self._perform(now)

    def _take(self, frames: list[Any] | TooManyFrames, now: float) -> None:
        count: int | None = None
        if isinstance(frames, TooManyFrames):
            count, frames = frames.count, frames.first
        identity = frames[0]
        if identity not in self._connections.heard:
            # a stranger takes itself for the rig, or for who came by a lane
            if is_own(identity) or (self._lanes is not None and identity in self._lanes.clients):
                self._rig.broker.ledger.stranger(now, None)
                return
            self._poller.look()  # it reads a monitor
            self._connections.hear(self._sockets.front, identity, frames[-1])
        if not self._gate.asks:
            self._rig.receive_client(frames, now, count)
        elif (visitor := self._gate.visitor(frames[-1])) is not None:
            self._rig.receive_client(frames, now, count, visitor)
        else:  # its key was revoked meanwhile
            self._connections.cut(self._sockets.front, frames[-1])

    def _from_workers(self, now: float, most: int) -> None:
        back, rig = self._sockets.back, self._rig
        self._sockets.is_used = True
        for _ in range(most):
            frames = self._receive(back)
            if not frames:
                return
            rig.receive_link(frames.first if isinstance(frames, TooManyFrames) else frames, now)
            self._perform(now)

    def _from_lane(self, guest: Guest, now: float, most: int) -> None:
        """Take what has come by a lane."""
        lanes, rig = self._lanes, self._rig
        assert lanes is not None
        if not guest.identity and not lanes.greet(guest):
            return
        identity, asks = guest.identity, self._gate.asks
        for _ in range(most):
            frames = lanes.receive(guest)
            if frames is None:
                return
            if not guest.is_client:
                rig.receive_link([identity, *frames], now)
            elif asks:
                rig.receive_client([identity, *frames], now, None, guest.visitor)
            else:
                rig.receive_client([identity, *frames], now)
            self._perform(now)

    def _reap(self, now: float) -> None:
        """Tell the core of workers that have ended, after what they sent before that."""
        ended = self._processes.reap()
        self._sockets.is_used = True
        try:
            for guest in self._lanes.servers if ended and self._lanes is not None else ():
                self._from_lane(guest, now, LAST_WORDS)
            if ended and has_more(self._sockets.back):
                self._from_workers(now, LAST_WORDS)
            if ended and has_more(self._sockets.collector):
                self._relay.forward_events(LAST_WORDS, now)
        except Exception as error:  # noqa: BLE001  that they have ended must be told
            self._fault(error)
        for worker, incarnation, exit_ in ended:
            try:
                numbers = self._processes.last_tickets(worker, incarnation)
                self._rig.taken_back(worker, incarnation, numbers, now)
                self._rig.exited(worker, incarnation, exit_, now)
            except Exception as error:  # noqa: BLE001  so must the others' end
                self._fault(error)
        if self._lanes is not None:
            self._lanes.ended()

    def _fault(self, error: Exception) -> None:
        """Tell of a fault of our own, with its traceback, and go on.

        One that comes again and again is told once a second, and counted each time.
        """
        counts, now = self._rig.broker.counts, time.monotonic()
        counts["faults"] += 1
        if now < self._next_fault:
            return
        self._next_fault = now + 1.0
        place = traceback.extract_tb(error.__traceback__)[-1]
        fields = {
            "place": f"{place.filename}:{place.lineno}",
            "faults": counts["faults"],
            "exception": "".join(traceback.format_exception(error)),
        }
        text = f"fault in the rig, it goes on: {type(error).__name__}: {error}"
        self._record("error", shorten(text), fields)

    def _perform(self, now: float) -> None:
        """Perform what the core has left, in order; what comes of it joins the queue."""
        effects = self._rig.effects
        if not effects:
            return
        for _ in range(EFFECTS):
            if not effects:
                return
            effect = effects.popleft()
            if type(effect) not in _BY_FIRST:
                self._poller.look()
            try:
                self._perform_one(effect, now)
            except Exception as error:  # noqa: BLE001  the effects behind it are performed
                self._fault(error)


def _batch(guest: Guest) -> int:
    """How many messages are taken from a lane in a row that is ready again and again."""
    return STRANGERS_BATCH if guest.is_client else BATCH

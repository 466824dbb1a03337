"""What is done about connections, keys and memory, and told of it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import zmq

from orchestrator.core.broker import Broker
from orchestrator.rig.backlog import Backlog
from orchestrator.rig.connections import Connection, Connections
from orchestrator.rig.loop import Loop
from orchestrator.rig.memory import PERIOD, MemoryGuard
from orchestrator.rig.sockets import Sockets

LAST_ANSWERS = 0.05
"""Seconds for answers to leave by a socket that is to be closed."""
LAST_MESSAGES = 0.3
"""Seconds at most in which what clients have sent is read from it."""
REBIND = 0.1
"""Seconds until an address is tried again that the closed socket still has."""


class Strangers:
    """Caps connections, and cuts off who makes the rig's process grow.

    Args:
        context: Of the sockets.
        sockets: The rig's sockets, not bound yet.
        broker: What it holds is accounted for; its counts and sums tell what was done.
        backlog: So is what it holds.
        cap: How many connections there may be by tcp, and how many by ipc.
        worker_cap: How many there may be where workers come in.

    Attributes:
        connections: Who is connected.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        sockets: Sockets,
        broker: Broker,
        backlog: Backlog,
        cap: int,
        worker_cap: int,
    ) -> None:
        watched = (sockets.front, sockets.publisher)
        workers = (sockets.back, sockets.collector)
        self.connections = Connections(context, watched, cap, self._refused, workers, worker_cap)
        sockets.meanwhile = self.connections.meanwhile
        self._gate = self.connections.gate = sockets.gate
        self._gate.record = lambda level, text, fields: broker.ledger.fact(level, text, **fields)
        self._gate.changed = self._cut_revoked
        self._gate.refused = self._unknown
        self._memory = MemoryGuard(
            self.connections,
            lambda: broker.ledger.held.total + backlog.size,
            self._cut_off,
            lambda: self.connections.unheard(sockets.front),
            lambda: self._loop.emptied,
            self._renew,
        )
        self._broker = broker
        self._sockets = sockets
        self._backlog = backlog
        self._loop: Loop
        self._is_watching = False
        self._unbound: Iterable[str] = ()  # addresses that the closed socket still has

    def watch(self, loop: Loop) -> None:
        """Look after memory in a loop's thread, from now on and while anybody is connected."""
        self._loop = loop
        self.connections.came = self._go_on
        self._gate.watch(loop)
        self._go_on()

    def _go_on(self) -> None:
        if not self._is_watching:
            self._is_watching = True
            self._loop.call_later(PERIOD, self._look)

    def _look(self) -> None:
        self._is_watching = False
        if len(self.connections):
            self._go_on()  # first: a look that fails isn't the last
            self._memory.look()

    def _cut_revoked(self) -> None:
        """Cut off those whose keys were revoked; others by such keys are as soon as they send."""
        gone = self.connections.cut_those(lambda user: not self._gate.knows(user))
        self._broker.counts["cut off"] += gone

    def _unknown(self, address: str) -> None:
        text = "it has shown no key that this rig knows"
        self._tell("keys refused", "client refused", address, text)

    def _refused(self, address: str, cap: int) -> None:
        text = f"there are {cap} already"
        self._tell("connections refused", "connection refused", address, text)

    def _cut_off(self, connection: Connection, size: int) -> None:
        text = f"the rig's process had grown to {size >> 20} MiB, and it sent the most"
        self._tell("cut off", "connection cut off", connection.endpoint, text)

    def _renew(self, size: int) -> None:
        """Make the clients' socket anew: it gives back what strangers' connections left there."""
        text = f"the rig's process had grown to {size >> 20} MiB, and cutting off gives none back"
        self._tell("fronts renewed", "all clients have to connect again", self._sockets.rig, text)
        # Answers leave first; then clients are told that they have to come again. What they
        # sent until then is read, and answered when they have come.
        messages = self._loop.last_messages(lambda: False, LAST_ANSWERS)
        messages += self._loop.last_messages(
            lambda: not self.connections.send_away(self._sockets.front), LAST_MESSAGES
        )
        old, new = self._sockets.replace_front()
        self.connections.replace(old, new)
        self._backlog.move_to(new, time.monotonic())
        self._sockets.close_front(old)
        self._unbound = self._sockets.addresses
        self._bind()
        self._loop.take_up(messages)

    def _bind(self) -> None:
        self._unbound = taken = self._sockets.bind_front(self._unbound)
        for address, reason in taken.items():
            text = f"can't be bound yet; tried again in {REBIND:g} s"
            now = time.monotonic()
            self._broker.ledger.tally.tell("warning", text, now, address=address, reason=reason)
        if taken:
            self._loop.call_later(REBIND, self._bind)

    def _tell(self, count: str, what: str, address: str, reason: str) -> None:
        self._broker.counts[count] += 1
        now = time.monotonic()
        self._broker.ledger.tally.tell("warning", what, now, address=address, reason=reason)

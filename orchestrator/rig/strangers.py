"""What is done about connections and memory, and told of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import zmq

from orchestrator.core.broker import Broker
from orchestrator.rig.backlog import Backlog
from orchestrator.rig.connections import Connection, Connections
from orchestrator.rig.memory import PERIOD, MemoryGuard
from orchestrator.rig.sockets import Sockets


class Strangers:
    """Caps connections, and cuts off who makes the rig's process grow.

    Args:
        context: Of the sockets.
        sockets: The rig's sockets, not bound yet.
        broker: What it holds is accounted for; its counts and sums tell what was done.
        backlog: So is what it holds.
        cap: How many connections there may be by tcp, and how many by ipc.

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
    ) -> None:
        watched = (sockets.front, sockets.publisher)
        self.connections = Connections(context, watched, cap, self._refused)
        self._memory = MemoryGuard(
            self.connections, lambda: broker.ledger.held_bytes + backlog.size, self._cut_off
        )
        self._broker = broker

    def watch(self, call_later: Callable[[float, Callable[[], None]], None]) -> None:
        """Look after memory from now on; `call_later` has something called after seconds."""
        if len(self.connections):
            self._memory.look()
        period = PERIOD if len(self.connections) else 4 * PERIOD
        call_later(period, lambda: self.watch(call_later))

    def _refused(self, address: str) -> None:
        text = f"there are {self.connections.cap} already"
        self._tell("connections refused", "connection refused", address, text)

    def _cut_off(self, connection: Connection, size: int) -> None:
        text = f"the rig's process had grown to {size >> 20} MiB, and it sent the most"
        self._tell("cut off", "connection cut off", connection.endpoint, text)

    def _tell(self, count: str, what: str, address: str, reason: str) -> None:
        self._broker.counts[count] += 1
        now = time.monotonic()
        self._broker.ledger.tally.tell("warning", what, now, address=address, reason=reason)

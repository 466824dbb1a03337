"""Performs what the rig's core leaves to be done, on sockets and processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import zmq

from orchestrator.core.effects import (
    Describe,
    Effect,
    Fact,
    Launch,
    OrderDone,
    RigUp,
    Signal,
    ToClient,
    ToWorker,
    Unblock,
)
from orchestrator.core.rig import Rig
from orchestrator.rig.backlog import Backlog
from orchestrator.rig.processes import Processes
from orchestrator.rig.sockets import Sockets
from transports.frames import send


class Host(Protocol):
    """What only the rig's composition root can do."""

    def launch(self, worker: str, incarnation: int) -> None:
        """Have an incarnation started; the core is told if it can't be."""

    def describe(self, request: Describe) -> tuple[str, bytes]:
        """Message type and payload of the answer to a request for a Thing Description."""

    def record(self, level: str, text: str, fields: dict[str, Any]) -> None:
        """Write a record."""

    def order_done(self, done: OrderDone) -> None:
        """Tell whoever waits for an order."""

    def rig_up(self, up: RigUp) -> None:
        """Announce the rig."""


class Performer:
    """One method for each kind of effect.

    Args:
        rig: The core, which is told of what couldn't be done.
        sockets: The rig's sockets.
        backlog: Sends answers to clients.
        processes: Signals workers.
        host: Does the rest.
    """

    def __init__(
        self, rig: Rig, sockets: Sockets, backlog: Backlog, processes: Processes, host: Host
    ) -> None:
        self._rig = rig
        self._sockets = sockets
        self._backlog = backlog
        self._processes = processes
        self._host = host
        self._by_kind: dict[type[Any], Callable[[Any, float], None]] = {
            ToClient: self._to_client,
            ToWorker: self._to_worker,
            Describe: self._describe,
            Launch: self._launch,
            Signal: self._signal,
            Unblock: self._unblock,
            OrderDone: self._order_done,
            RigUp: self._rig_up,
            Fact: self._fact,
        }

    def perform(self, effect: Effect, now: float) -> None:
        """Do what an effect says; what comes of it is left in the core's queue."""
        self._by_kind[type(effect)](effect, now)

    def _to_client(self, effect: ToClient, now: float) -> None:
        self._backlog.send(effect.frames, now)

    def _to_worker(self, effect: ToWorker, now: float) -> None:
        try:
            send(self._sockets.back, effect.frames)
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self._rig.unreachable(effect.number, now)

    def _describe(self, effect: Describe, now: float) -> None:
        self._rig.described(effect.number, *self._host.describe(effect))

    def _launch(self, effect: Launch, now: float) -> None:
        self._host.launch(effect.worker, effect.incarnation)

    def _signal(self, effect: Signal, now: float) -> None:
        self._processes.signal(effect.worker, effect.how)

    def _unblock(self, effect: Unblock, now: float) -> None:
        self._processes.unblock(effect.worker)

    def _order_done(self, effect: OrderDone, now: float) -> None:
        self._host.order_done(effect)

    def _rig_up(self, effect: RigUp, now: float) -> None:
        self._host.rig_up(effect)

    def _fact(self, effect: Fact, now: float) -> None:
        self._host.record(effect.level, effect.text, effect.fields)

"""Performs what the rig's core leaves to be done, on sockets and processes."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import zmq

from orchestrator.core.effects import (
    Alarmed,
    Asked,
    CancelDone,
    Cut,
    Describe,
    DropSlot,
    Effect,
    Fact,
    FreeSlot,
    HandSlot,
    KeepNumber,
    Launch,
    Moved,
    OrderDone,
    Recorded,
    RigUp,
    Secure,
    Signal,
    TakeBack,
    ToClient,
    ToWorker,
    Unblock,
)
from orchestrator.core.own_ids import is_own
from orchestrator.core.rig import Rig
from orchestrator.core.slots import reader_of
from orchestrator.rig.backlog import Backlog
from orchestrator.rig.connections import Connections
from orchestrator.rig.event_relay import EventRelay
from orchestrator.rig.lanes import Lanes, Waits
from orchestrator.rig.launchers.handle import is_want
from orchestrator.rig.lease_numbers import LeaseNumbers
from orchestrator.rig.processes import Processes
from orchestrator.rig.recorder import Recorder
from orchestrator.rig.slots import SlotKeeper
from orchestrator.rig.sockets import Sockets
from transports.exceptions import exception_payload
from transports.frames import send
from transports.headers import ERROR
from transports.link import CONTROL, Barrier, encode_control
from transports.references import REFERENCE, SLOTTED, Reference, unpack


class Host(Protocol):
    """What only the rig's composition root can do."""

    def launch(self, worker: str, incarnation: int) -> None:
        """Have an incarnation started.

        Raises:
            OSError: There are no file descriptors for it.
        """

    def describe(self, request: Describe) -> tuple[str, bytes]:
        """Message type and payload of the answer to a request for a Thing Description."""

    def record(self, level: str, text: str, fields: dict[str, Any]) -> None:
        """Write a record."""

    def asked(self, fact: Fact, asked: Asked, now: float) -> dict[str, Any]:
        """The fields of a record about an operation that was asked for."""

    def found(self, worker: str, incarnation: int, *, held: str) -> None:
        """What keeps a worker from running Python code."""

    def moved(self, change: Moved) -> None:
        """Publish the change of a worker's state."""

    def alarmed(self, change: Alarmed) -> None:
        """Tell of an alarm, or that it isn't known."""

    def order_done(self, done: OrderDone) -> None:
        """Tell whoever waits for an order."""

    def secure(self, secure: Secure) -> None:
        """Have a worker's device made safe."""

    def cancel_done(self, done: CancelDone) -> None:
        """Tell whoever wants a request cancelled."""

    def rig_up(self, up: RigUp) -> None:
        """Announce the rig."""


class Performer:
    """One method for each kind of effect.

    Args:
        rig: The core, which is told of what couldn't be done.
        sockets: The rig's sockets.
        backlog: Sends answers to clients.
        processes: Signals workers.
        connections: Cuts clients off.
        host: Does the rest.

    Attributes:
        lanes: Those of workers.
        slots: Has the frames that are in shared memory.
    """

    def __init__(
        self,
        rig: Rig,
        sockets: Sockets,
        backlog: Backlog,
        processes: Processes,
        connections: Connections,
        host: Host,
    ) -> None:
        self._rig = rig
        self._sockets = sockets
        self._backlog = backlog
        self._processes = processes
        self._connections = connections
        self._host = host
        self._barrier: Callable[[], int] = lambda: 0
        self._recorder: Recorder | None = None
        self._numbers: LeaseNumbers | None = None
        backlog.given_up = self._given_up
        self.lanes = backlog.lanes = Lanes(rig.broker.publishers, connections, self._tell)
        self.slots = slots = SlotKeeper(rig.slots, rig.broker.publishers, host.record)
        self._by_kind: dict[type[Any], Callable[[Any, float], None]] = {
            ToClient: self._to_client,
            ToWorker: self._to_worker,
            TakeBack: self._take_back,
            HandSlot: lambda effect, _: slots.hand(effect),
            FreeSlot: lambda effect, _: slots.free(effect),
            DropSlot: lambda effect, _: slots.drop(effect),
            Cut: self._cut,
            Describe: self._describe,
            KeepNumber: self._keep_number,
            Launch: self._launch,
            Secure: self._secure,
            Signal: self._signal,
            Unblock: self._unblock,
            Moved: self._moved,
            Alarmed: self._alarmed,
            OrderDone: self._order_done,
            CancelDone: self._cancel_done,
            RigUp: self._rig_up,
            Recorded: self._recorded,
            Fact: self._fact,
        }

    def begin(self, file: Path | None, folder: Path, relay: EventRelay) -> None:
        """Keep what outlives the rig from now on.

        Args:
            file: In which all operations and events are recorded; None if they aren't.
            folder: The rig's, where the numbers of leases go on from.
            relay: Has the events.

        Raises:
            OSError: The file can't be written.
        """
        self._barrier = lambda: relay.barrier
        self._numbers = LeaseNumbers(folder, self._host.record)
        self._rig.broker.leasing.begin_after(self._numbers.read())
        if file is not None:
            self._recorder = Recorder(file, self._rig)
            self._rig.broker.ledger.watch(records=True)
            relay.record(self._recorder.keep_event)

    def open(self, folder: Path, loop: Waits) -> None:
        """Listen for who comes by other ways than ZeroMQ's, in the folder of the rig's sockets.

        Raises:
            AddressError: One of them can't be bound.
        """
        self._sockets.slots = self.slots.open(folder, loop)
        clients = self._sockets.is_open_to_users
        self._sockets.lanes = self.lanes.open(folder, loop, clients=clients)

    def restore(self) -> list[str]:
        """Make their files anew that somebody removed; returns their names. Raises as `open`."""
        return [*self.slots.restore(), *self.lanes.restore()]

    def _tell(self, text: str, address: str, reason: str) -> None:
        """Of what strangers do."""
        broker, now = self._rig.broker, time.monotonic()
        broker.counts["cut off"] += 1
        broker.ledger.tally.tell("warning", text, now, address=address, reason=reason)

    def disconnect(self) -> None:
        """Let nobody in by them any more."""
        self.lanes.close()
        self.slots.close()

    def close(self) -> None:
        """Write down what is still to be recorded."""
        if self._recorder is not None:
            self._recorder.close()

    def perform(self, effect: Effect, now: float) -> None:
        """Do what an effect says; what comes of it is left in the core's queue."""
        self._by_kind[type(effect)](effect, now)

    def _to_client(self, effect: ToClient, now: float) -> None:
        if is_own(effect.frames[0]):
            self._rig.answered(effect.frames, now)
            return
        frames = effect.frames
        if type(frames[-1]) is Reference:
            frames[-1] = self.slots.answer(frames[0], frames[-1])
        if frames[0] not in self.lanes.clients:
            self._sockets.is_used = True
        self._backlog.send(frames, now)

    def _given_up(self, frames: list[Any]) -> None:
        """A client isn't sent an answer after all; it holds no frame that this refers to."""
        if len(frames[-1]) == REFERENCE and SLOTTED.encode() in bytes(frames[2]):
            reference = unpack(bytes(frames[-1]))
            self._rig.slots.returned(frames[0], reference.slot, reference.generation)

    def _to_worker(self, effect: ToWorker, now: float) -> None:
        frames = effect.frames
        if type(frames[-1]) is Reference:
            frames[-1] = self.slots.raw(reader_of(frames[0]), frames[-1])
        try:
            if effect.ticket:
                self._processes.give_ticket(effect.ticket, effect.number)
            guest = self.lanes.workers.get(frames[0])
            if guest is None:
                self._sockets.is_used = True
                send(self._sockets.back, frames)
                return
            if effect.number and guest.barrier != (number := self._barrier()):
                # who subscribed before a request sees what the request causes
                guest.barrier = number
                barrier = encode_control(Barrier(guest.barrier))
                self.lanes.to_worker(guest, [CONTROL, barrier, b"", b""])
            if not self.lanes.to_worker(guest, frames[1:]):
                self._rig.unreachable(effect.number, now)
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self._rig.unreachable(effect.number, now)

    def _take_back(self, effect: TakeBack, now: float) -> None:
        numbers = self._processes.take_back(effect.worker, effect.incarnation)
        self._rig.taken_back(effect.worker, effect.incarnation, numbers, now)

    def _cut(self, effect: Cut, now: float) -> None:
        guest = self.lanes.clients.get(effect.client)
        if guest is None:
            self._connections.cut(self._sockets.front, effect.frame)
        else:
            self.lanes.leave(guest)

    def _describe(self, effect: Describe, now: float) -> None:
        try:
            answer = self._host.describe(effect)
        except Exception as error:
            # a fault of our own, which the loop tells; whoever asked needn't wait for nothing
            self._rig.described(effect.number, ERROR, exception_payload(error))
            raise
        self._rig.described(effect.number, *answer)

    def _keep_number(self, effect: KeepNumber, now: float) -> None:
        if self._numbers is not None:
            self._numbers.keep(effect.number)

    def _launch(self, effect: Launch, now: float) -> None:
        try:
            self._host.launch(effect.worker, effect.incarnation)
        except OSError as error:
            self.unlaunched(effect.worker, effect.incarnation, error, now)
        except Exception as error:
            reason = f"couldn't be started, by a fault of the rig: {error}"
            self._rig.unlaunched(effect.worker, effect.incarnation, reason, now, wants=False)
            raise

    def unlaunched(self, worker: str, incarnation: int, error: OSError, now: float) -> None:
        """Tell the core that a launch has failed, at once or later, and whether for good."""
        ours = error.errno == errno.EAGAIN and error.filename is None  # its words say it all
        reason = f"couldn't be started: {error.strerror if ours else error}"
        self._rig.unlaunched(worker, incarnation, reason, now, wants=is_want(error))

    def _secure(self, effect: Secure, now: float) -> None:
        self._host.secure(effect)

    def _signal(self, effect: Signal, now: float) -> None:
        if effect.how != "forced stacks":
            self._processes.signal(effect.worker, effect.how)
            return
        incarnation, held = self._processes.insist(effect.worker)
        if held:
            self._host.found(effect.worker, incarnation, held=held)

    def _unblock(self, effect: Unblock, now: float) -> None:
        self._processes.unblock(effect.worker)

    def _moved(self, effect: Moved, now: float) -> None:
        self._host.moved(effect)

    def _alarmed(self, effect: Alarmed, now: float) -> None:
        self._host.alarmed(effect)

    def _order_done(self, effect: OrderDone, now: float) -> None:
        self._host.order_done(effect)

    def _cancel_done(self, effect: CancelDone, now: float) -> None:
        self._host.cancel_done(effect)

    def _rig_up(self, effect: RigUp, now: float) -> None:
        self._host.rig_up(effect)

    def _recorded(self, effect: Recorded, now: float) -> None:
        if self._recorder is not None:
            self._recorder.keep(effect, now)

    def _fact(self, effect: Fact, now: float) -> None:
        asked = effect.asked
        fields = effect.fields if asked is None else self._host.asked(effect, asked, now)
        self._host.record(effect.level, effect.text, fields)

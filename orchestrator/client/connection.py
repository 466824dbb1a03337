"""A connection to a rig, shared by any number of threads, that costs a lone caller no thread.

A zmq socket belongs to one thread at a time. Whoever makes a blocking call while nobody does the
connection's I/O takes that role, sends and receives in its own thread, and settles on the way
what others wait for. Meanwhile others queue their requests, wake the leader, and wait. A leader
that has its answer hands the role to one of them, or, if only futures are outstanding, leaves it
to whoever waits for one, and to the completer, a thread that is started with the first future.

Whoever waits for a future takes the role as well. Those that have callbacks, or are looked at in
another way, are completed by the completer and never while it leads: callbacks are foreign code
that may take long, or call the rig again.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import weakref
from collections.abc import Callable
from time import monotonic
from typing import Any

import zmq

from orchestrator.access.keys import ClientKey
from orchestrator.client.cancelled import cancel, wish
from orchestrator.client.channel import Channel
from orchestrator.client.completer import WATCH, Completer
from orchestrator.client.exchange import Exchange, Leader, compose, compose_handshake
from orchestrator.client.futures import RequestFuture
from orchestrator.client.plug import FORKED, need_threads_for
from orchestrator.client.slots import RawFrames
from orchestrator.errors import OrchError, OutcomeUnknown, RigNotReachable
from transports.durations import duration
from transports.headers import Operation

CONNECT_TIMEOUT = 2.0
_ONCE = 0.25  # seconds that a first connection may take, whatever the timeout: 0 tries once
_CONFIRM = 1.0  # seconds in which a rig must have taken oneway requests before it is cut
_CLOSED_HERE = "was disconnected: the connection was closed here"
_PATIENCE = 5.0  # seconds for the leader to notice that the connection is closed


class Connection:
    """The channel to a rig and how it is shared. Requests leave in the order of submission.

    Args:
        address: Such as `ipc:///run/…/front.ipc` or `tcp://host:5570`.
        timeout: Seconds to wait for a connection, at first and for each request later.
        context: Where the socket is made; the process's own if left out.
        zero_copy: Whether frames in shared memory are read where they lie.
        key: By which a rig knows this client; kept as an attribute.

    Raises:
        RigNotReachable: Nobody answers there within `timeout`.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float = CONNECT_TIMEOUT,
        context: zmq.Context[Any] | None = None,
        zero_copy: bool = False,
        key: ClientKey | None = None,
    ) -> None:
        self.key = key
        self.leases: dict[str, dict[str, int]] = {}  # by worker, as `compose` takes them
        self._timeout = timeout = math.inf if (most := duration(timeout)) is None else most
        self._lock = threading.Lock()  # guards who leads, who follows, and the outbox's order
        self._leader: Leader | None = None
        self._followers: dict[Exchange, None] = {}
        # Where there is an event loop: is told that somebody has to do the I/O.
        self.need: weakref.WeakMethod[Callable[[], None]] | None = None
        self._closed, self._process = False, os.getpid()
        self._unplugged = threading.Event()
        need_threads_for(address, context)
        self._completer = completer = Completer(
            *(self.take_role, self._lead_for_futures),
            lambda: bool(channel.pending or channel.outbox),
            lambda: bool(channel.outbox),
        )
        where = address, context or zmq.Context.instance()
        self._channel = channel = Channel(*where, completer.notify, zero_copy=zero_copy, key=key)
        self._dropped = weakref.finalize(self, _drop, channel, completer, self._process)
        self._dropped.atexit = False
        try:
            self._channel.plug()
        except RigNotReachable:
            self._dropped.detach()
            self._channel.wakeup.close()
            raise
        try:
            self._channel.patience = max(timeout, _ONCE)
            self._channel.rig = self._shake_hands(timeout)
            self._channel.patience = timeout
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> str:
        """Where it is connected."""
        return self._channel.address

    @property
    def rig(self) -> str:
        """Id of the rig, as it gave it itself."""
        return self._channel.rig

    @property
    def raw_frames(self) -> RawFrames:
        """What encodes the arguments of its requests."""
        return self._channel.raw_frames

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def signs(self) -> tuple[int, float, int, bool]:
        """Its descriptor (-1: closed), when it has to do, how often it was made, if it is full."""
        return self._channel.signs

    def compose(self, worker: str, operation: Operation, member: str, **options: Any) -> Exchange:
        """Encode a request; `options` and errors are those of `exchange.compose`."""
        channel = self._channel
        options = {"by_slot": channel.raw_frames.by_slot, **options, **self.leases.get(worker, {})}
        return compose(
            channel.next_id(), channel.sender, channel.rig, worker, operation, member, **options
        )

    def request(self, exchange: Exchange) -> Any:
        """Send a request and wait for its answer; if it is oneway, only until it is sent.

        Raises:
            OrchError: Any of the tree.
            Exception: The driver's own, if it is a builtin one.
            KeyboardInterrupt: The operation has been cancelled, as far as it can be; a note says
                what came of it. A second interrupt doesn't wait for that.
        """
        try:
            self._carry_out(exchange)
        except KeyboardInterrupt as interrupt:
            if exchange.given_up and exchange.worker not in ("", self.rig):
                cancel(self, exchange, interrupt)
            raise
        except BaseException:  # what else ends threads of control, such as a signal's handler
            if exchange.given_up:
                self.withdraw(exchange.id)
            raise
        return exchange.result()

    def _carry_out(self, exchange: Exchange) -> None:
        """Have a request settled."""
        try:
            if self._enter(exchange):
                self.lead(exchange)
            else:
                self._follow(exchange)
        finally:
            # First, without a call in which an interrupt could strike: whoever finds a leader
            # that doesn't lead takes the role over.
            exchange.leading = False
            if self._leader is exchange or exchange.gate is not None or not exchange.settled:
                exchange.given_up = exchange.sent and not exchange.settled
                self.leave(exchange)

    def submit(self, exchange: Exchange) -> RequestFuture:
        """Send a request; its answer goes into the future.

        Raises:
            RigNotReachable: The connection is closed.
        """
        exchange.future = future = RequestFuture(exchange, self)
        self._completer.start()
        self.send(exchange)
        return future

    def send(self, exchange: Exchange, *, drain: bool = False) -> None:
        """Send a request that has a future, without waiting, and take what came if asked to.

        Raises:
            RigNotReachable: The connection is closed.
        """
        try:
            if self._enter(exchange):
                self._channel.flush()
                if drain:
                    self._channel.drain()
        finally:
            exchange.leading = False
            if self._leader is exchange:
                self.leave(exchange)

    def watch(self, future: RequestFuture) -> None:
        """Have a future completed as soon as it is settled."""
        if not future.watched:
            future.watched = True  # before it is looked at whether it is settled; see `settle`
            self._completer.watch(future)

    def post(self, exchange: Exchange) -> None:
        """Send a oneway request soon, without waiting; for destructors, which may come anywhere."""
        if self._closed or self._process != os.getpid() or sys.is_finalizing():
            return
        exchange.give_up = monotonic() + self._timeout
        self._channel.outbox.append(exchange)
        self._completer.start()
        self._completer.wake()
        self._channel.wakeup.wake()

    def withdraw(self, request_id: str, *, restart: bool = False) -> None:
        """Ask the rig, without waiting, to withdraw a request, or to end what has started."""
        self.post(wish(self, request_id, restart=restart))

    def close(self) -> None:
        """Close the connection. Requests that are outstanding fail."""
        if self._process != os.getpid():
            return  # it is the parent's
        if (self._channel.unconfirmed or self._channel.outbox) and not self._closed:
            self._confirm()
        closer = Leader()
        with self._lock:
            if self._closed:
                return
            self._closed = True
            busy = self._leader is not None and self._leader.leading
            if not busy:
                closer.leading = True
                self._leader = closer
        if busy:
            self._channel.wakeup.wake()  # the leader settles everything, and unplugs on leaving
            self._unplugged.wait(_PATIENCE)
        else:
            self._channel.abandon(_CLOSED_HERE)
            self._unplug()
        self._completer.stop()

    def _shake_hands(self, timeout: float) -> str:
        exchange = compose_handshake(self._channel.next_id(), self._channel.sender)
        exchange.deadline = monotonic() + max(timeout, _ONCE)
        try:
            return str(self.request(exchange))
        except OutcomeUnknown as error:
            raise RigNotReachable(f"no rig answers at {self.address}: {error}") from error

    def _confirm(self) -> None:
        """See that the rig has taken what was sent or queued before, which closing would drop."""
        try:
            self._shake_hands(_CONFIRM)
        except OrchError:
            return  # the rig is gone, and oneway requests promise nothing

    # -- the role: who does the I/O ------------------------------------------------------

    def _enter(self, exchange: Exchange) -> bool:
        """Queue a request. Returns whether its caller leads from now on."""
        now = monotonic()
        channel = self._channel
        exchange.give_up = now + channel.patience
        if self._process != os.getpid():  # before the lock, which may have been forked while held
            exchange.settled = True
            raise RigNotReachable(FORKED.format(self._process), **exchange.where)
        with self._lock:
            if self._closed:
                exchange.settled = True
                raise RigNotReachable("the connection is closed", **exchange.where)
            if not exchange.oneway:
                if not channel.pending:
                    channel.liveness.begin(now)
                channel.pending[exchange.id] = exchange
            channel.outbox.append(exchange)
            if self._leader is None or not self._leader.leading:
                exchange.leading = True
                self._leader = exchange
                return True
            if exchange.future is None:
                exchange.wait_outside()
                self._followers[exchange] = None
        channel.wakeup.wake()
        return False

    def _follow(self, exchange: Exchange) -> None:
        """Wait until another thread has settled a request, or made this one lead."""
        gate = exchange.gate
        assert gate is not None
        while not exchange.settled:
            if exchange.leading:
                self.lead(exchange)
            elif not gate.acquire(timeout=WATCH):
                # An interrupt can strike a leader that is just about to hand over.
                with self._lock:
                    if self._leader is None or not self._leader.leading:
                        exchange.leading = True
                        self._leader = exchange

    def lead(self, leader: Leader) -> None:
        """Do the channel's I/O until a leader has what it waits for."""
        channel = self._channel
        while not leader.settled:
            if channel.outbox:
                self._flush()
                if leader.settled:
                    return
            self._turn(leader)

    def look(self, leader: Leader) -> None:
        """Do the channel's I/O as far as it goes without waiting."""
        try:
            self._channel.look(leader)
        except zmq.ZMQError as error:
            self._break(error)

    def _lead_for_futures(self, leader: Leader) -> None:
        """Do the channel's I/O until a future can be completed, or nothing is outstanding."""
        channel = self._channel
        try:
            while not self._completer.ready and (channel.pending or channel.outbox):
                if channel.outbox:
                    self._flush()
                if channel.pending or channel.outbox:
                    self._turn(leader)
        finally:
            leader.leading = False
            self.leave(leader)

    def _flush(self) -> None:
        if self._closed:
            self._channel.abandon(_CLOSED_HERE)
            return
        try:
            self._channel.flush()
        except zmq.ZMQError as error:
            self._break(error)

    def _turn(self, leader: Leader) -> None:
        try:
            self._channel.turn(leader)
        except zmq.ZMQError as error:
            self._break(error)
        if self._closed:
            self._channel.abandon(_CLOSED_HERE)

    def _break(self, error: zmq.ZMQError) -> None:
        """The socket can't be used any more: its context was terminated."""
        self._closed = True
        self._channel.abandon(f"was disconnected: {error.strerror}")

    def leave(self, leader: Leader) -> None:
        """Hand the role over, and forget the request of a caller that was interrupted."""
        with self._lock:
            if isinstance(leader, Exchange):
                self._followers.pop(leader, None)
                if leader.future is None and not leader.settled:
                    leader.settled = True
                    self._channel.pending.pop(leader.id, None)
            if self._leader is not leader:
                return
            self._leader = None
            if not self._closed:
                self._choose()
                return
        self._channel.abandon(_CLOSED_HERE)
        self._unplug()

    def _choose(self) -> None:
        """Find the next leader; the lock is held."""
        while self._followers:
            follower = next(iter(self._followers))
            del self._followers[follower]
            if not follower.settled:
                follower.leading = True
                self._leader = follower
                follower.rouse()
                return
        if self._channel.pending or self._channel.outbox:
            need = self.need and self.need()
            (need or self._completer.need)()

    def take_role(self, leader: Leader, *, idle: bool = False) -> bool:
        """Have somebody lead that is no caller: for futures that are outstanding.

        Whoever takes it sets `leading` to False before all else when it has led, and leaves.

        Args:
            leader: Who leads.
            idle: Also if nothing is outstanding.

        Returns:
            False if another thread leads, or there is nothing to do.
        """
        with self._lock:
            free = self._leader is None or not self._leader.leading
            wanted = idle or self._channel.pending or self._channel.outbox
            if not free or self._closed or not wanted:
                return False
            leader.leading = True
            self._leader = leader
            return True

    def _unplug(self) -> None:
        with self._lock:
            if self._unplugged.is_set():
                return
            self._unplugged.set()
        self._dropped.detach()
        self._channel.unplug()
        self._channel.wakeup.close()


def _drop(channel: Channel, completer: Completer, process: int) -> None:
    """A connection is collected that was never closed: nobody waits for anything any more."""
    if process != os.getpid():
        return  # it is the parent's
    completer.end()
    channel.unplug()
    channel.wakeup.close()

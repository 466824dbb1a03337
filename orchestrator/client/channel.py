"""The socket to a rig with what is queued, outstanding and received on it.

Everything here that touches the socket is called by one thread at a time, the leader; see
`connection`. The outbox and the table of outstanding requests are filled by all.
"""

from __future__ import annotations

import itertools
import math
import select
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any
from uuid import uuid4

import msgspec
import zmq

from orchestrator.access.keys import ClientKey
from orchestrator.client.completer import WATCH
from orchestrator.client.exchange import Exchange, Leader, compose
from orchestrator.client.handshakes import HandshakeWatch, ask
from orchestrator.client.heads import held_in, id_of
from orchestrator.client.identity import new_id
from orchestrator.client.liveness import BATCH, MARGIN, Liveness
from orchestrator.client.plugs import Plug, lane_to, socket_to
from orchestrator.client.slots import RawFrames
from orchestrator.client.wakeup import Wakeup
from orchestrator.errors import (
    KeyRefused,
    NotStarted,
    OutcomeUnknown,
    ResultUnsendable,
    RigLost,
    RigNotReachable,
)
from transports.errors import SerializationError
from transports.frames import UNUSED
from transports.headers import REPLY, Operation, ResponseHeader, decode_response_header
from transports.serializers import JSON, Buffer, encode


class Channel:
    """A connection that is replaced by another one, with another id, when the rig is lost.

    Args:
        address: Where to connect.
        context: Where sockets are made.
        settled: Called after a request was settled.
        zero_copy: Whether frames in shared memory are read where they lie.
        key: By which the rig knows this client; None without.

    Attributes:
        rig: Id of the rig, empty until it is known.
        sender: Routing id of the socket.
        pending: Outstanding requests by message id.
        outbox: Requests to send, in order.
        liveness: Whether the rig is still there.
        wakeup: Ends the leader's wait.
        unconfirmed: A oneway request was sent.
        patience: Seconds that a request waits for the connection.
        raw_frames: What the raw frames of its answers are.
        plugs: How often it was connected.
    """

    def __init__(
        self,
        address: str,
        context: zmq.Context[Any],
        settled: Callable[[Exchange], None],
        *,
        zero_copy: bool = False,
        key: ClientKey | None = None,
    ) -> None:
        self.address, self.key = address, key
        self._hands: HandshakeWatch | None = None
        self._is_dead = False  # the rig refused it: libzmq tries no more
        self.rig = self.sender = ""
        self.pending: dict[str | int, Exchange] = {}
        self.outbox: deque[Exchange] = deque()
        self._leaving: deque[Exchange] = deque()
        self.liveness = Liveness()
        self.wakeup = Wakeup()
        self.unconfirmed = False
        self.patience = math.inf
        self.plugs = 0
        self._context = context
        self._settled = settled
        self._zero_copy = zero_copy
        self.next_id = map(f"{str(uuid4())[:24]}{{:012x}}".format, itertools.count(1)).__next__

    @property
    def name(self) -> str:
        """The rig as errors name it."""
        return f"rig {self.rig} at {self.address}" if self.rig else f"rig at {self.address}"

    # -- the socket -----------------------------------------------------------------------

    def plug(self) -> None:
        """Make a socket with a new id and connect it.

        Raises:
            RigNotReachable: The address can't be connected to at all.
        """
        self.sender = new_id()
        plug: Plug | None = lane_to(self.address, self.sender, self._read_header)
        hands: HandshakeWatch | None = None
        if plug is None:
            where = self.address, self.sender, self._context, self.key
            plug, hands = socket_to(*where, self._read_header)
        self._plug, self._hands, self._is_dead, self._moved = plug, hands, False, 0
        self.plugs += 1
        self.raw_frames = RawFrames(self.address, self.sender, zero_copy=self._zero_copy)
        self._header: ResponseHeader | Exception
        plug.poll.register(self.wakeup.fd, select.POLLIN)
        if hands is not None:
            plug.poll.register(hands.fd, select.POLLIN)

    def unplug(self) -> None:
        """Close the socket; what it still holds is dropped."""
        self._drop_hands()
        self._plug.close()
        self.raw_frames.close()

    def _replug(self) -> None:
        """Go on by another connection, whose descriptor isn't the old one's."""
        old, frames = self._plug, self.raw_frames
        try:
            self._drop_hands()
            self.plug()
        finally:
            old.close()
            frames.close()

    @property
    def signs(self) -> tuple[int, float, int, bool]:
        """See `Connection.signs`."""
        plug = self._plug
        return -1 if plug.closed else plug.fd, self.due, self.plugs, plug.is_full

    # -- one turn of the leader -----------------------------------------------------------

    def flush(self) -> None:
        """Send what is queued, as far as the socket takes it."""
        outbox = self.outbox
        if self._is_dead:
            self._replug()
        if self._plug.is_full:
            self._plug.has_room()  # the rest of a message comes before the next one
        while outbox:
            exchange = outbox[0]
            if not exchange.sent and not exchange.settled:
                future = exchange.future
                if future is not None and not self._plug.has_room():
                    return  # it can be cancelled until it can be sent
                if future is not None and not future.claim():
                    self.settle(exchange)
                elif not self._hand_over(exchange):
                    return
                elif exchange.size:
                    self.liveness.sent(exchange.size)
                    exchange.frames = []  # they may be large, and the answer may take long
            outbox.popleft()
            if exchange.oneway and exchange.sent:
                self.unconfirmed = True
                if not self.pending:
                    self.liveness.begin(monotonic())
                self.pending[exchange.id] = exchange  # until all of it is sent
                self._leaving.append(exchange)
        self._see_off()

    def _see_off(self) -> None:
        """Settle what needs no answer once all of it is sent."""
        while self._leaving and not self._plug.is_full:
            if not (exchange := self._leaving.popleft()).settled:
                self.settle(exchange)

    def _hand_over(self, exchange: Exchange) -> bool:
        """Give a request to the socket; whether it took it."""
        filling = exchange.filling
        if filling is None:
            return self._plug.send(exchange)
        if not filling.is_known:
            exchange.inline()  # the rig is another one by now
            return self._plug.send(exchange)
        filling.sent()  # first: whatever strikes now, nobody writes over what may have gone
        if not self._plug.send(exchange):
            filling.unsent()
            return False
        exchange.filling = None
        return True

    def turn(self, leader: Leader) -> None:
        """Wait for something, and take what came: all of it, or up to the leader's own answer."""
        if self._hands is not None:
            self._shake(self._hands)
            if leader.settled:
                return
        now = monotonic()
        due = self.due
        if leader.deadline is not None:
            due = min(due, leader.deadline)
        is_ready = self._plug.is_ready(wants_room=bool(self.outbox))
        self._see_off()
        if not is_ready and not leader.settled:
            wait = min(due - now, WATCH)
            for fd, _ in self._plug.poll.poll(int(wait * 1000) + 1 if wait > 0 else 0):
                if fd == self.wakeup.fd:
                    self.wakeup.clear()
        self._receive(leader)
        if not leader.settled and monotonic() >= due:
            self._tick(leader)

    def _shake(self, hands: HandshakeWatch) -> None:
        """See how the handshake goes; whom the rig refuses is told at once."""
        if reason := hands.read():
            self.abandon(reason, KeyRefused)
            self._is_dead = True
        if reason or hands.done:
            self._drop_hands()

    def _drop_hands(self) -> None:
        if self._hands is not None:
            with suppress(KeyError):  # its socket has been replaced
                self._plug.poll.unregister(self._hands.fd)
            self._hands.close()
            self._hands = None

    @property
    def due(self) -> float:
        """Monotonic seconds at which time will have brought something to do."""
        due = self.liveness.due if self.pending else math.inf
        return min(due, self.outbox[0].give_up) if self.outbox else due

    def drain(self) -> None:
        """Take what came, all of it, without waiting."""
        while self._plug.has_input() and self._receive_one():
            pass

    def look(self, leader: Leader) -> None:
        """Send what can be sent, take what came, see to what is due; without waiting."""
        self.flush()
        if self._hands is not None:
            self._shake(self._hands)
        self.drain()
        if monotonic() >= self.due:
            self._tick(leader)
            self.drain()

    def _receive(self, leader: Leader) -> None:
        """Take messages up to the leader's own answer."""
        while not leader.settled and self._receive_one():
            pass

    def _receive_one(self) -> bool:
        """Take a message, if there is one; whether there was."""
        reader = self._plug
        malformed = reader.malformed
        try:
            frames = reader.next()
        except EOFError:
            self._end()
            return False
        if reader.malformed != malformed:
            self.liveness.hasten()
        if frames is None:
            return False
        header = self._header
        if isinstance(header, Exception):
            self._unreadable(frames[1], header)
            reader.done()
            return True
        self.liveness.heard()
        exchange = self.pending.get(header.messageID)
        if exchange is not None:
            exchange.header = header
            exchange.payload = frames[2]
            self.settle(exchange, self._take_raw(exchange, frames[3]))
        elif self.liveness.is_question(header.messageID):
            held = held_in(frames[2]) if header.messageType == REPLY else None
            for lost in self.liveness.answered(header.messageID, held):
                self._lose(lost)
        reader.done()
        return True

    def _end(self) -> None:
        """The rig has ended the connection: what was sent isn't answered any more."""
        for exchange in list(self.pending.values()):
            if exchange.sent:
                self.settle(exchange, RigLost(f"{self.name} went away", **exchange.where))
        self._replug()
        self.flush()

    def _read_header(self, head: bytes) -> bool:
        """Read the header of what is being received; whether something is in its raw frame."""
        try:
            self._header = header = decode_response_header(head)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._header = error
            return False
        return header.preencodedPayloadContentType not in UNUSED

    def _take_raw(self, exchange: Exchange, frame: Buffer) -> Exception | None:
        """Give a request the raw frame of its reply; what it can't be had for, if it can't."""
        try:
            exchange.raw = self.raw_frames.of(exchange.header, frame)
        except SerializationError as error:
            text = f"{exchange.name} was answered, but the answer can't be read: {error}"
            return ResultUnsendable(text, **exchange.where)
        return None

    def _unreadable(self, head: Buffer, error: Exception) -> None:
        """Tell whose answer this would have been; if that can't be read either, ask the rig."""
        exchange = self.pending.get(id_of(head))
        if exchange is None:
            self.liveness.hasten()
            return
        text = f"{exchange.name} was answered, but the answer's header can't be read: {error}"
        self.settle(exchange, OutcomeUnknown(text, **exchange.where))

    def settle(self, exchange: Exchange, error: Exception | None = None) -> None:
        """End a request, with an error or with what it has received."""
        exchange.error = error
        exchange.settled = True
        # An interrupt after this line is harmless: what is taken twice is settled twice.
        self._settled(exchange)
        self.pending.pop(exchange.id, None)

    # -- time and loss --------------------------------------------------------------------

    def _tick(self, leader: Leader) -> None:
        now = monotonic()
        before, self._moved = self._moved, self._plug.moved
        if self._moved != before:  # however slowly: it is there, and busy
            self.liveness.heard()
            if self.outbox:
                self.outbox[0].give_up = max(self.outbox[0].give_up, now + self.patience)
        while self.outbox and self.outbox[0].give_up <= now:
            exchange = self.outbox.popleft()
            if not exchange.settled and not exchange.sent:
                self._refuse(exchange)
        if leader.deadline is not None and leader.deadline <= now:
            if isinstance(leader, Exchange):
                self._refuse(leader)
            leader.settled = True
        if self.pending and self.liveness.due <= now:
            self._give_up(now)
            if self.liveness.ask(now):
                self._ask()
            else:
                # It may be there, and have cut this client off: its key may have been revoked.
                reason = ask(self.address, self._context, self.key)
                self.abandon(reason or "went away", KeyRefused if reason else RigNotReachable)
                # Requests that the old socket still holds must not reach a later rig.
                self._replug()
                self._drop_hands()  # nobody may read it for long: who wants something asks anew

    def _refuse(self, exchange: Exchange) -> None:
        """Settle a request that waited long enough for the connection."""
        within = f"within {self.patience:g} s"
        text = (
            f"took the connection but didn't answer {within}: it hangs, it is no rig, or another "
            "client has the same id"
            if exchange.sent
            else f"takes no connection {within}: it is down, or the address is wrong"
        )
        kind: type[NotStarted] = RigNotReachable
        if not exchange.sent and self._hands is None:
            reason = ask(self.address, self._context, self.key)
            self._is_dead = reason is not None and not any(e.sent for e in self.pending.values())
            if reason:
                kind, text = KeyRefused, reason
        self.settle(exchange, kind(f"{self.name} {text}", **exchange.where))

    def _give_up(self, now: float) -> None:
        """Settle what has gone on for longer than its timeouts, whatever the rig says of it.

        The margin is counted in looks, not in seconds: a process that was stopped for a while
        finds its replies when it goes on.
        """
        for exchange in list(self.pending.values()):
            if exchange.sent and now >= exchange.give_up + exchange.limit:
                exchange.overdue += 1
                if exchange.overdue > MARGIN:
                    text = f"{self.name} gave no answer within the timeouts of {exchange.name}"
                    self.settle(exchange, RigLost(text, **exchange.where))

    def _ask(self) -> None:
        """Ask the rig which of the outstanding requests it holds."""
        ids = [exchange.id for exchange in list(self.pending.values()) if exchange.sent]
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            ends, payload = (self.next_id(), self.sender, self.rig, self.rig), encode(batch)
            question = compose(*ends, Operation.PENDING, "", payload=payload, content_type=JSON)
            self.liveness.asked(question.id, batch)
            if not self._plug.send(question):
                return

    def _lose(self, id: str) -> None:
        exchange = self.pending.get(id)
        if exchange is not None:
            text = f"{self.name} doesn't hold this request, and its answer never came"
            self.settle(exchange, RigLost(text, **exchange.where))

    def abandon(self, what: str, unsent: type[NotStarted] = RigNotReachable) -> None:
        """Settle all requests: the outcome of those sent is unknown, the others not started.

        Args:
            what: What the rig did, as the end of a sentence that begins with its name.
            unsent: What is raised for the others.
        """
        waiting = dict.fromkeys([*list(self.pending.values()), *list(self.outbox)])
        self.outbox.clear()
        for exchange in waiting:
            if not exchange.settled:
                kind = RigLost if exchange.sent else unsent
                self.settle(exchange, kind(f"{self.name} {what}", **exchange.where))

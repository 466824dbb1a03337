"""The broker's core: who waits, who runs, and what each client is told.

No sockets, clock or threads: it takes frames and `now` (seconds, monotonic) and leaves effects.
A request is QUEUED, then DISPATCHED, then answered exactly once: with the worker's reply, with
a timeout, with the loss of its worker, or with a refusal. What was given to a worker, and whether
it has started there, is the business of `dispatch`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestrator.core import admission, lives
from orchestrator.core.access import Access, Visitor
from orchestrator.core.admission import Caps, Refusal
from orchestrator.core.contracts import Keeper
from orchestrator.core.dispatch import Dispatch
from orchestrator.core.effects import Describe, Effects, Frames, ToWorker
from orchestrator.core.evidence import LastWords
from orchestrator.core.leasing import Leasing
from orchestrator.core.manners import Manners
from orchestrator.core.peers import Formers, Lane, Peer, Phase, check_room, find_peer
from orchestrator.core.queues import earliest
from orchestrator.core.request import Request, State
from orchestrator.core.requests import Ledger
from transports.errors import ProtocolError
from transports.exceptions import NOT_STARTED
from transports.headers import (
    DESCRIPTION,
    EXIT,
    HANDSHAKE,
    INVOCATION,
    OPERATION,
    Limits,
    Operation,
    RequestHeader,
    read_limits,
)
from transports.link import (
    CONTROL,
    LINK_FRAMES,
    Control,
    Described,
    Failed,
    LaneOpen,
    Polled,
    Ready,
    Starting,
    Stop,
    decode_control,
    decode_description,
    encode_control,
    unpack_number,
)

_PENDING = str(Operation.PENDING)


class Broker:
    """Routes requests to workers and keeps their deadlines.

    Args:
        rig: Id of the rig: what clients see as the server's id.
        effects: Where what is to be done is left.
        keeper: Who is told what becomes known of workers.
        caps: What one client can make the broker keep.
        run: Tells this run of the rig from others.

    Attributes:
        counts: How often what happened that isn't a plain answer.
        peers: The workers, by name.
        ledger: The requests, and what they are owed.
        publishers: What the topics of those incarnations begin with that may publish, by token.
        formers: By what incarnations were known that have ended.
        dispatch: Who runs what.
        last_words: What workers wrote before they died.
        leasing: Who has a worker to himself.
        access: Who may do what; None while everybody may all.
    """

    def __init__(
        self, rig: str, effects: Effects, keeper: Keeper, caps: Caps | None = None, run: str = ""
    ) -> None:
        self.rig, self.run = rig, run
        self.caps = caps or Caps()
        self.ledger = Ledger(rig, effects)
        self.counts = self.ledger.counts
        self.effects, self.keeper = effects, keeper
        self.access: Access | None = None
        self.peers: dict[str, Peer] = {}
        self.publishers: dict[bytes, bytes] = {}
        self.formers = Formers()
        self.last_words = LastWords(self.ledger)
        self.dispatch = Dispatch(self.ledger, self.peers, effects, keeper, self.receive_client)
        self.leasing = Leasing(self.peers, self.ledger, effects, self.dispatch)
        self._manners = Manners(self.ledger)
        self._lanes: dict[bytes, Lane] = {}
        self._number = 0

    # -- what the loop asks ---------------------------------------------------------------

    @property
    def next_deadline(self) -> float | None:
        """When `tick` is due; None while nothing has a deadline."""
        ledger, ladder, words = self.ledger, self.dispatch.ladder, self.last_words
        leases = self.leasing.next_deadline
        return earliest(ledger.next_deadline, words.next_deadline, ladder.next_deadline, leases)

    def queued(self, worker: str) -> int:
        """How many requests wait for a worker."""
        return self.peers[worker].waiting

    def begun(self, worker: str, unclaimed: int) -> list[Request]:
        """What a worker was given and has begun, if so many tickets of it aren't claimed."""
        peer = self.peers[worker]
        given = list(peer.queued.requests())
        return [*given[: max(0, len(given) - unclaimed)], *peer.beside.requests()]

    def running(self, worker: str) -> list[Request]:
        """What a worker was given and hasn't answered, overdue operations included."""
        return self.peers[worker].running()

    # -- clients --------------------------------------------------------------------------

    def receive_client(
        self, frames: Frames, now: float, count: int | None = None, visitor: Visitor | None = None
    ) -> None:
        """Take a client's message.

        Args:
            frames: As received, identity first and in bytes, cut to five.
            now: Monotonic seconds.
            count: How many frames it had, when that is more than were kept.
            visitor: Whose it is; None for the rig's own, who may all.
        """
        client = frames[0]
        if self._manners.is_muted(client, now):
            return
        try:
            header, size = admission.read_header(frames, count or len(frames), self.caps)
        except Refusal as refusal:
            self.ledger.refuse_unread(client, admission.find_message_id(frames), refusal, now)
            self._manners.malformed(client, frames[-1], now, count)
            return
        self._manners.good(client)
        if self.ledger.is_pending(client, header.messageID, now):
            return
        kind = header.messageType
        if kind == HANDSHAKE:
            self.ledger.tell(client, header, HANDSHAKE)
            return
        try:
            if kind == EXIT:
                raise Refusal("PermissionError", "EXIT is refused; stop a rig with: orch down")
            if kind != OPERATION:
                raise Refusal("ValueError", f"message type {kind!r} isn't a request")
            if header.operation == _PENDING:
                self.ledger.tell_pending(client, header, frames[3])
                return
            reference = self.ledger.slots.arrived(client, header, frames)
            try:
                self._accept(header, frames, size, now, visitor)
            finally:
                if reference is not None:
                    self.ledger.slots.settle(reference)
        except (ProtocolError, Refusal) as error:
            found = error if isinstance(error, Refusal) else admission.refuse_protocol(error)
            self.ledger.refuse(client, header, found, now)

    def _accept(
        self, header: RequestHeader, frames: list[Any], size: int, now: float, who: Visitor | None
    ) -> None:
        peer, life = find_peer(self.peers, self.rig, header.thingID)
        if who is not None and self.access is not None:
            life = self.access.admit(who, header, frames, peer, life)
        member = header.objekt or ""
        limits = read_limits(header.serverExecutionContext, peer.limits_of(member))
        self._number = number = self._number + 1
        request = Request(
            number=number,
            client=frames[0],
            worker=peer.name,
            header=header,
            frames=frames[2:],
            size=size,
            arrived=now,
            limits=limits,
            life=life,
        )
        if self.ledger.traces:
            self.ledger.note_arrival(request)
        if life and life != peer.life:
            self.ledger.answer_other_life(request, lives.another(peer.name, life, peer.life))
            return
        if peer.is_guarded and self.leasing.takes(peer, request, now):
            return
        wait, run = limits.invocation_timeout, limits.execution_timeout
        if (wait is not None and wait <= 0) or (run is not None and run <= 0):
            self.ledger.time_out(request, INVOCATION)
            return
        if member == DESCRIPTION and peer.described:
            self.ledger.enter(request)
            self._describe(request)
            return
        if peer.phase is Phase.CLOSED:
            self.ledger.answer_error(request, "ConnectionRefusedError", peer.reason, NOT_STARTED)
            return
        if member == DESCRIPTION and self.keeper.is_late(peer.name):
            reason = self.keeper.standing(peer.name, now)
            self.ledger.answer_error(request, "ConnectionRefusedError", reason, NOT_STARTED)
            return
        lane = peer.lane_for(member)
        self.dispatch.yields(lane, now)
        if not lane.queue and lane.free:
            self.ledger.enter(request)
            self.dispatch.give(lane, request, now)
            return
        check_room(peer, request, self.ledger, self.caps)
        self.ledger.enter(request)
        peer.enqueue(lane, request)
        self.ledger.wait(request)

    def _describe(self, request: Request) -> None:
        self.ledger.describe(request)
        asked = request.frames[1], request.content_type
        self.effects.append(Describe(request.number, request.worker, *asked))

    def described(self, number: int, kind: str, payload: bytes) -> None:
        """Give the answer that a `Describe` effect asked for."""
        self.ledger.answer_unless_oneway(self.ledger.leave(number), kind, payload)

    # -- workers --------------------------------------------------------------------------

    def receive_link(self, frames: list[Any], now: float) -> None:
        """Take a message from the private side: routing id, number, header, payload, raw."""
        lane = self._lanes.get(frames[0])
        if lane is None:
            self.ledger.stranger(now, self.formers.get(frames[0]))
            return
        try:
            if len(frames) != LINK_FRAMES + 1:
                raise ProtocolError(f"{len(frames)} frames instead of {LINK_FRAMES + 1}")
            number = unpack_number(bytes(frames[1]))
            if number == 0:
                self._control(lane, frames, now)
                return
        except ProtocolError as error:
            about = {"worker": lane.peer.name, "reason": str(error)}
            self.ledger.fact("error", "link message dropped", **about)
            return
        request = self.dispatch.returned(lane, number, now)
        if request is None:
            self._unasked(lane, frames)
        elif request.state is State.OVERRUN:
            self.counts["late replies"] += 1
            seconds = round(now - request.started, 3)
            self.ledger.keep(request, lane.peer.incarnation, frames[2:])
            text = "overdue operation ended, its reply dropped"
            self.ledger.note("info", text, request, seconds=seconds)
        else:
            self.ledger.pass_on(request, frames[2:])
            lane.peer.vitals.answered(request, frames[2], frames[3], now)
            if request.member in lane.peer.kept.members and lane.peer.kept.note(request, frames[2]):
                self.ledger.note("warning", "its value is too large to be restored", request)
            if self.ledger.is_watched:
                self.ledger.note_reply(request, frames[2:], lane.peer.incarnation, now)
        if lane.queue:
            self.dispatch.pump(lane, now)

    def _unasked(self, lane: Lane, frames: list[Any]) -> None:
        """An answer that nobody waits for, but what was taken back is given back without one."""
        if bytes(frames[2]):
            self.counts["late replies"] += 1
            self.ledger.fact("debug", "late reply dropped", worker=lane.peer.name)

    def _control(self, lane: Lane, frames: list[Any], now: float) -> None:
        control, peer = decode_control(bytes(frames[2])), lane.peer
        if isinstance(control, Polled):
            self.keeper.polled(peer.name, control, now)
            return
        if isinstance(control, LaneOpen):
            lane.open = True
            self.leasing.fence(peer, now)
        elif isinstance(control, Ready | Described):
            description = decode_description(frames[3])
            peer.describe(frozenset(control.concurrent), control.capacity, description)
            if isinstance(control, Ready):
                peer.ready(control.pid, claims=control.claims)
                self.keeper.ready(peer.name, peer.incarnation, now)
            if peer.described:
                for request in peer.take_all(DESCRIPTION):
                    self._describe(request)
        elif isinstance(control, Starting):
            self.keeper.starting(peer.name, peer.incarnation, control.doing)
        elif isinstance(control, Failed):
            self.keeper.unbuilt(peer.name, peer.incarnation, control.stage, control.exception, now)
        for each in peer.lanes:
            self.dispatch.pump(each, now)

    # -- what the supervisor tells --------------------------------------------------------

    def add_worker(
        self, name: str, limits: Limits, timeouts: dict[str, float | None] | None = None
    ) -> None:
        """Make a worker known; its requests queue until it is ready or closed.

        Args:
            name: The thing id.
            limits: Timeouts for requests that bring none.
            timeouts: Execution timeouts by member, seconds or None.
        """
        self.peers[name] = peer = Peer(name, limits, timeouts or {}, self.run)
        self.leasing.added(peer)

    def expect(self, worker: str, incarnation: int, token: str) -> None:
        """Open the link for an incarnation: only who knows `token` is heard as it."""
        peer = self.peers[worker]
        for lane in peer.expect(incarnation, token):
            self._lanes[lane.id] = lane
        self.publishers[token.encode()] = f"{worker}/".encode()

    def refuse(self, worker: str, reason: str) -> None:
        """Refuse what waits for a worker and what comes; what runs may end.

        The reason stands until the worker is held again, whatever becomes of it meanwhile.
        """
        peer = self.peers[worker]
        peer.is_refused = False
        self._close(peer, reason)
        peer.is_refused = True

    def refuse_descriptions(self, worker: str, reason: str) -> None:
        """Refuse whoever waits to be told what a worker offers."""
        self.ledger.refuse_each(self.peers[worker].take_all(DESCRIPTION), reason)

    def hold(self, worker: str) -> None:
        """Let requests queue again for a worker that was closed."""
        self.peers[worker].hold()

    def ask_to_stop(self, worker: str, now: float, *, hold: bool, reason: str) -> bool:
        """Stop dispatching to a worker and tell it to close.

        What runs may end. What hasn't started is kept if `hold`, else refused with `reason`.

        Returns:
            Whether the worker could be told; it can't before its queued lane is open.
        """
        peer = self.peers[worker]
        peer.stopping = True
        if peer.queued.given:
            self.dispatch.take_back(peer.queued)  # or it would run them all before it is told
        told = self.tell(worker, Stop())
        if hold:
            peer.hold()
        else:
            self._close(peer, reason)
        return told

    def tell(self, worker: str, message: Control) -> bool:
        """Send a worker a control message.

        Returns:
            Whether it could be told; it can't before its queued lane is open.
        """
        lane = self.peers[worker].queued
        if lane.open:
            self.effects.append(ToWorker([lane.id, CONTROL, encode_control(message), b"", b""], 0))
        return lane.open

    def lost(self, worker: str, now: float, *, reason: str, holds: bool) -> None:
        """Settle what an ended incarnation held.

        What ran is answered "outcome unknown". What waits is kept for the next incarnation if
        one may follow, else refused.
        """
        peer = self.peers[worker]
        for lane in peer.lanes:
            self._lanes.pop(lane.id, None)
        self.publishers.pop(peer.token, None)
        self.formers.add(worker, (peer.token, *(lane.id for lane in peer.lanes)))

        def unknown(request: Request, cancelled: bool) -> None:
            peer.vitals.of(request.member).lost += 1
            if cancelled:
                self.counts["unknown outcomes"] += 1
                self.ledger.answer_cancelled(request, reason)
            else:
                self.last_words.lost(request, peer.incarnation, reason, now)
            self.keeper.uncertain(request)

        for lane in peer.lanes:
            self.dispatch.settle(lane, unknown)
        for request in peer.take_of_life():
            text = lives.another(worker, request.life, peer.life, ended=reason)
            self.ledger.leave(request.number)
            self.ledger.answer_other_life(request, text)
        peer.ended()
        if not holds:
            self._close(peer, reason)

    def _close(self, peer: Peer, reason: str) -> None:
        self.ledger.refuse_each(peer.close(reason), reason)
        if peer.queued.given:
            self.dispatch.take_back(peer.queued)

    def unreachable(self, number: int, now: float) -> None:
        """A `ToWorker` couldn't be sent: the request was not started and waits again."""
        self.dispatch.unreachable(number, now)

    def taken_back(self, worker: str, incarnation: int, numbers: Iterable[int], now: float) -> None:
        """These tickets of a life were taken back, and no others were there."""
        self.dispatch.taken_back(worker, incarnation, numbers, now)

    def tick(self, now: float) -> None:
        """Answer the requests whose deadline has come, end others, and tell what is due."""
        self.dispatch.tick(now)
        self.dispatch.ladder.tick(now)
        self.last_words.tick(now)
        self.leasing.tick(now)

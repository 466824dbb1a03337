"""Requests and leases: who may have an effect on a worker, and what is asked of its lease.

Pure. The rig's own worker is asked for leases by the members below, which the core answers itself:
it alone knows by which connection a request came. A request names its lease by a number in its
thing execution context; one that only reads needs none. What a client has queued that may run no
more, because the lease went to somebody else or has ended, is refused as not started.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from orchestrator.core.admission import Refusal, unknown_worker
from orchestrator.core.dispatch import Dispatch
from orchestrator.core.effects import Effects, Fact, KeepNumber, ToWorker
from orchestrator.core.leases import Lease, Leases, NoLease, Wish, check_seconds, told
from orchestrator.core.own_ids import is_own
from orchestrator.core.peers import Peer
from orchestrator.core.queues import earliest
from orchestrator.core.request import Request
from orchestrator.core.requests import Ledger
from orchestrator.core.tally import shorten
from transports.exceptions import NOT_STARTED
from transports.headers import (
    CACHED,
    DESCRIPTION,
    LEASE,
    READS,
    REPLY,
    Operation,
    decode_request_header,
)
from transports.levels import AUDIT
from transports.link import CONTROL, Fenced, encode_control
from transports.terms import EXPIRED

ASK, RENEW, GIVE_BACK, BREAK = "lease", "renew_lease", "unlease", "break_lease"
MEMBERS = frozenset((ASK, RENEW, GIVE_BACK, BREAK))
"""What the rig's own worker is asked for that the core answers."""
_FREE = frozenset((DESCRIPTION, CACHED))
_LONGEST_TEXT = 200


class _Asked(msgspec.Struct, frozen=True):
    """The payload of what is asked for.

    Attributes:
        worker: Whose lease.
        key: Tells the wish from others of the connection.
        number: Of the lease that is meant.
        seconds: How long it is to hold.
        why: What for.
        seen: The place that whoever waits was told last; an answer comes when that changes.
        within: Seconds after which it comes anyway.
    """

    worker: str
    key: str = ""
    number: int = 0
    seconds: float = 0.0
    why: str = ""
    seen: int = 0
    within: float = 0.0


_decode = msgspec.json.Decoder(_Asked).decode


class _Look(msgspec.Struct):
    """Somebody waits to be told of a change.

    Attributes:
        request: What is owed the answer.
        wish: Whose place it is about.
        seen: The place that is known.
        due: When it is answered anyway, in monotonic seconds.
        number: Of the lease that he has, whose end is waited for; 0 while it isn't granted.
    """

    request: Request
    wish: Wish
    seen: int
    due: float
    number: int = 0


class Leasing:
    """Keeps the leases of a rig, by the requests of its clients.

    Args:
        peers: The workers, by name.
        ledger: The requests.
        effects: Where what is to be done is left.
        dispatch: Has taken back what hasn't begun, and asks before it lets that wait again.

    Attributes:
        leases: Who has what.
    """

    def __init__(
        self,
        peers: dict[str, Peer],
        ledger: Ledger,
        effects: Effects,
        dispatch: Dispatch,
    ) -> None:
        self.leases = Leases()
        self._peers = peers
        self._ledger = ledger
        self._effects = effects
        self._take_back = dispatch.take_back
        dispatch.bars = self.bars
        self._looks: list[_Look] = []
        self._left: list[bytes] = []
        self._demanded: frozenset[str] = frozenset()

    @property
    def next_deadline(self) -> float | None:
        """When `tick` is due; None while nothing has a deadline."""
        if self._left:
            return 0.0
        if not self.leases.held:
            return None
        return earliest(self.leases.next_deadline, *(each.due for each in self._looks))

    def begin_after(self, number: int) -> None:
        """Go on behind the numbers of earlier runs of the rig, which carry no weight any more."""
        self.leases.number = number
        for peer in self._peers.values():
            peer.is_guarded = peer.is_guarded or number > 0

    def demand(self, workers: Iterable[str]) -> None:
        """Let no request have an effect on these workers without a lease, from now on."""
        self._demanded = frozenset(workers)
        for name in self._demanded & self._peers.keys():
            self._peers[name].is_guarded = True

    def added(self, peer: Peer) -> None:
        """A worker is known from now on."""
        of_rig = peer.name == self._ledger.rig
        peer.is_guarded = of_rig or peer.name in self._demanded or self.leases.number > 0

    def removed(self, worker: str) -> None:
        """A worker is gone; whoever waits for its lease is told."""
        self.leases.forget(worker)
        for look in [each for each in self._looks if each.wish.worker == worker]:
            self._looks.remove(look)
            self._refuse(look.request, f"worker {worker!r} was removed from the config")

    # -- requests -------------------------------------------------------------------------

    def takes(self, peer: Peer, request: Request, now: float) -> bool:
        """Judge a request to a guarded worker.

        Returns:
            Whether it has been taken up here: it is about a lease, or was refused.

        Raises:
            Refusal: It is about a lease, and can't be read.
        """
        if peer.name == self._ledger.rig:
            if request.member not in MEMBERS or request.operation != Operation.INVOKE:
                return False
            self._ledger.enter(request)
            self._ledger.describe(request)
            try:
                self._asked(request, now)
            except NoLease as error:
                self._refuse(request, str(error))
            except Refusal:
                self._ledger.leave(request.number)
                self._ledger.unanswered.pop(request.key, None)
                raise
            return True
        why = self.bars(peer, request, now)
        if why:
            self._ledger.answer_error(request, "BlockingIOError", why, NOT_STARTED)
        return bool(why)

    def bars(self, peer: Peer, request: Request, now: float) -> str:
        """Why a request may have no effect on a worker now; empty if it may, or has none."""
        if not peer.is_guarded or peer.name == self._ledger.rig or is_own(request.client):
            return ""
        if request.operation in READS or request.member in _FREE:
            return ""
        number = number_of(request)
        who = self._ledger.who(request) if number else ""  # it is asked only whose a number is
        why = self.leases.refusal(peer.name, number, who, now)
        if not why and not number and peer.name in self._demanded:
            why = f"{peer.name} may be used by whoever has its lease only, as its config says"
        if not why:
            return ""
        return (
            f"{peer.name}.{request.member} was not started: {why}; "
            f"orch lease {peer.name} waits for it"
        )

    # -- what ends a lease by itself ------------------------------------------------------

    def client_left(self, client: bytes) -> None:
        """A connection has ended; what it had goes to the next with the next `tick`."""
        if self.leases.number:
            self._left.append(client)

    def tick(self, now: float) -> None:
        """End what is over, and tell whoever waits."""
        left, self._left = self._left, []
        for client in left:
            for look in [each for each in self._looks if each.request.client == client]:
                self._looks.remove(look)
                self._refuse(look.request, "its connection has ended")
            for lease in self.leases.left(client, now):
                self._changed(lease, "warning", "its owner has left", now)
            self._tell_places(now)
        for lease in self.leases.expire(now):
            self._changed(lease, "warning", "its time is over", now)
        for look in [each for each in self._looks if each.due <= now]:
            self._looks.remove(look)
            if look.number:
                self._answer(look.request, {"number": look.number})
            else:
                self._answer_place(look.request, look.wish, look.seen, now)

    # -- what is asked of leases ----------------------------------------------------------

    def _asked(self, request: Request, now: float) -> None:
        try:
            asked = _decode(bytes(request.frames[1]))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refusal("ValueError", f"{request.member} can't be read: {error}") from error
        peer = self._peers.get(asked.worker)
        if peer is None or asked.worker == self._ledger.rig:
            known = [name for name in self._peers if name != self._ledger.rig]
            raise unknown_worker(self._ledger.rig, asked.worker, known)
        if request.member == ASK:
            self._ask(request, asked, now)
        elif request.member == RENEW:
            seconds = check_seconds(asked.seconds)
            who = self._ledger.who(request)
            lease = self.leases.renew(asked.worker, asked.number, who, seconds, now)
            self._answer(request, _granted(lease, now))
        elif request.member == GIVE_BACK:
            self._give_back(request, asked, now)
        else:
            self._break(request, asked, now)

    def _ask(self, request: Request, asked: _Asked, now: float) -> None:
        peer = self._peers[asked.worker]
        before = self.leases.held.get(asked.worker)
        wish = Wish(
            worker=asked.worker,
            client=request.client,
            key=asked.key[:_LONGEST_TEXT],
            who=shorten(self._ledger.who(request), _LONGEST_TEXT),
            why=shorten(asked.why, _LONGEST_TEXT),
            seconds=check_seconds(asked.seconds),
        )
        if asked.number and (before is None or before.number != asked.number):
            raise NoLease(self.leases.refusal(asked.worker, asked.number, wish.who, now))
        found = self.leases.ask(wish, now)
        if isinstance(found, Lease):
            if found is not before:
                self._begins(peer, found, now)
            elif asked.number and asked.within > 0:
                due = now + asked.within
                self._looks.append(_Look(request, wish, 0, due, found.number))
                return
            self._answer(request, self._grant_told(found, now))
        elif found != asked.seen or asked.within <= 0:
            self._answer_place(request, wish, found, now)
        else:
            self._looks.append(_Look(request, wish, found, now + asked.within))

    def _give_back(self, request: Request, asked: _Asked, now: float) -> None:
        held = self.leases.held.get(asked.worker)
        if asked.number:
            who = self._ledger.who(request)
            self.leases.give_back(asked.worker, asked.number, who, now)
        else:
            self.leases.give_up(asked.worker, request.client, asked.key, now)
            for look in [each for each in self._looks if each.request.client == request.client]:
                if look.wish.worker == asked.worker and look.wish.key == asked.key:
                    self._looks.remove(look)
                    self._refuse(look.request, "it isn't waited for any more")
        if held is not None and self.leases.held.get(asked.worker) is not held:
            self._changed(held, "info", "it was given back", now)
        self._tell_places(now)
        self._answer(request, {})

    def _break(self, request: Request, asked: _Asked, now: float) -> None:
        who = shorten(self._ledger.who(request), _LONGEST_TEXT)
        why = shorten(asked.why, _LONGEST_TEXT)
        lease = self.leases.break_(asked.worker, f"broken by {who}: {why}", now)
        fields = {"who": who, "member": BREAK, "reason": why, "from": lease.wish.who}
        self._effects.append(
            Fact(AUDIT, "lease broken", {"worker": asked.worker, **fields, "lease": lease.number})
        )
        self._changed(lease, "warning", f"it was broken by {who}: {why}", now)
        self._tell_places(now)
        self._answer(request, {"number": lease.number, "who": lease.wish.who})

    # -- what follows ---------------------------------------------------------------------

    def _begins(self, peer: Peer, lease: Lease, now: float) -> None:
        """From here on nobody else has an effect; what runs may end."""
        peer.is_guarded = True
        self._effects.append(KeepNumber(lease.number))
        wish = lease.wish
        fields = {"worker": peer.name, "who": wish.who, "lease": lease.number}
        self._effects.append(Fact("info", "leased", fields | {"why": wish.why}))
        self._settle(peer, now)

    def _changed(self, ended: Lease, level: str, text: str, now: float) -> None:
        """A lease has ended: whoever is next has it now."""
        wish = ended.wish
        peer = self._peers[wish.worker]
        fields = {"worker": wish.worker, "who": wish.who, "lease": ended.number}
        self._effects.append(Fact(level, f"lease has ended: {text}", fields))
        follower = self.leases.held.get(wish.worker)
        if follower is None:
            self._settle(peer, now)
        else:
            self._begins(peer, follower, now)
        self._tell_places(now)

    def _settle(self, peer: Peer, now: float) -> None:
        """Refuse what waits and may run no more, and tell the worker which numbers are over."""
        for request, why in [(each, self.bars(peer, each, now)) for each in peer.all_waiting()]:
            if why:
                peer.forget(request)
                self._ledger.leave(request.number)
                self._ledger.answer_error(request, "BlockingIOError", why, NOT_STARTED)
        if peer.queued.given:
            self._take_back(peer.queued)
        self.fence(peer, now)

    def fence(self, peer: Peer, now: float) -> None:
        """Tell a worker below which number requests come too late; also when it has a new life."""
        if not self.leases.number:
            return
        lease = self.leases.held.get(peer.name)
        held = "nobody has its lease now" if lease is None else f"it is {told(lease, now)}"
        message = encode_control(Fenced(self.leases.floor(peer.name), held))
        for lane in peer.lanes:
            if lane.open:
                self._effects.append(ToWorker([lane.id, CONTROL, message, b"", b""], 0))

    def _tell_places(self, now: float) -> None:
        """Answer those whose place has changed."""
        for look in list(self._looks):
            if look.number:
                why = self.leases.refusal(look.wish.worker, look.number, look.wish.who, now)
                if why:
                    self._looks.remove(look)
                    ended = self.leases.ended.get(look.wish.worker)
                    is_over = ended is not None and ended.is_over(look.number)
                    self._refuse(look.request, why, EXPIRED if is_over else "")
                continue
            found = self.leases.ask(look.wish, now)
            if isinstance(found, Lease):
                self._looks.remove(look)
                self._answer(look.request, self._grant_told(found, now))
            elif found != look.seen:
                self._looks.remove(look)
                self._answer_place(look.request, look.wish, found, now)

    # -- answers --------------------------------------------------------------------------

    def _grant_told(self, lease: Lease, now: float) -> dict[str, Any]:
        running = self._peers[lease.wish.worker].running()
        runs = [f"{each.member} for {self._ledger.who(each):.100}" for each in running]
        return _granted(lease, now) | {"runs": runs}

    def _answer_place(self, request: Request, wish: Wish, place: int, now: float) -> None:
        lease = self.leases.held[wish.worker]
        self._answer(request, {"place": place, "held": told(lease, now)})

    def _answer(self, request: Request, value: dict[str, Any]) -> None:
        self._ledger.leave(request.number)
        self._ledger.answer_unless_oneway(request, REPLY, msgspec.json.encode(value))

    def _refuse(self, request: Request, text: str, step: str = "") -> None:
        self._ledger.leave(request.number)
        self._ledger.answer_error(request, "BlockingIOError", text, NOT_STARTED, step=step)

    def status(self, worker: str, now: float) -> dict[str, Any] | None:
        """A worker's lease for status; None if it has none and needs none."""
        lease, waiting = self.leases.held.get(worker), self.leases.waiting(worker)
        if lease is None:
            return None
        return {
            "number": lease.number,
            "who": lease.wish.who,
            "why": lease.wish.why,
            "seconds": round(now - lease.since, 3),
            "left": round(lease.until - now, 3),
            "waiting": [{"who": each.who, "why": each.why} for each in waiting],
        }

    def is_demanded(self, worker: str) -> bool:
        """Whether a worker's config lets nobody have an effect without a lease."""
        return worker in self._demanded


def number_of(request: Request) -> int:
    """The number of the lease that a request names, 0 for none.

    Its header is read once more for it, so that no request pays for it where there are no leases.
    """
    context = decode_request_header(bytes(request.frames[0])).thingExecutionContext
    found = context.get(LEASE) if isinstance(context, dict) else None
    return found if type(found) is int else 0


def _granted(lease: Lease, now: float) -> dict[str, Any]:
    return {"number": lease.number, "left": round(lease.until - now, 3)}

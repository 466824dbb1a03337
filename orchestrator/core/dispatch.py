"""Who runs what: operations are given to workers, taken back, and have their time.

A worker that claims is given more operations than it runs, while they are brisk: each goes with a
ticket, which the worker takes before it starts the operation. What has had its time, or is to be
withdrawn, is judged by the tickets: they are taken back (the effect `TakeBack`), and whichever
isn't there any more was claimed. The others have never started, and never will.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from orchestrator.core.cancels import Cancels
from orchestrator.core.contracts import Keeper
from orchestrator.core.effects import Effects, TakeBack, ToWorker
from orchestrator.core.evidence import why_not_started, why_unanswered
from orchestrator.core.ladder import Ladder, Submit
from orchestrator.core.lives import another
from orchestrator.core.peers import BRISK, Lane, Peer, Phase
from orchestrator.core.request import Request, State
from orchestrator.core.requests import Ledger
from orchestrator.core.slots import reader_of
from transports.exceptions import BY_RESTART, NOT_STARTED
from transports.headers import EXECUTION, INVOCATION
from transports.link import pack_number
from transports.references import Reference
from transports.request_ids import is_meant
from transports.serializers import XORCH


class Dispatch:
    """Gives workers their operations.

    Args:
        ledger: The requests.
        peers: The workers, by name.
        effects: Where what is to be done is left.
        keeper: Who is told what becomes known of workers.
        submit: Takes requests that the core makes itself.

    Attributes:
        ladder: Ends what has started.
        bars: Why a request may have no effect on a worker now; empty if it may.
    """

    def __init__(
        self,
        ledger: Ledger,
        peers: dict[str, Peer],
        effects: Effects,
        keeper: Keeper,
        submit: Submit,
    ) -> None:
        self._ledger = ledger
        self._peers = peers
        self._effects = effects
        self._keeper = keeper
        self._number = 0
        self.bars: Callable[[Peer, Request, float], str] = lambda peer, request, now: ""
        self._cancels = cancels = Cancels(ledger, effects)
        self.ladder = Ladder(
            ledger,
            peers,
            effects,
            submit=submit,
            cut_short=keeper.cut_short,
            goes_on=lambda request, steps: cancels.settle(request, "runs", steps),
        )

    # -- to the worker --------------------------------------------------------------------

    def give(self, lane: Lane, request: Request, now: float) -> None:
        """Send a request to a lane that is free, unless it is meant for another life."""
        if request.life and request.life != lane.peer.life:
            self._ledger.leave(request.number)
            text = another(request.worker, request.life, lane.peer.life)
            self._ledger.answer_other_life(request, text)
            return
        self._number = number = self._number + 1
        request.ticket = number
        claims = lane.claims
        request.claimed = not claims  # that it was sent is all that is known else
        if claims and lane.given:
            lane.peer.waits(request)
            lane.ahead += request.size
            self._ledger.wait(request)
        else:
            self._ledger.start(request, now)
        lane.given[number] = request
        if self._ledger.traces:
            self._ledger.note_dispatch(request, lane.peer.incarnation, now)
        frames = [lane.id, pack_number(number), *request.frames]
        if type(frames[-1]) is Reference:
            self._ledger.slots.show(reader_of(lane.id), frames[-1])
        self._effects.append(ToWorker(frames, number, lane.peer.name if claims else ""))

    def pump(self, lane: Lane, now: float) -> None:
        """Give a lane what waits for it, as far as it is free."""
        self.tick(now)  # what is overdue neither starts nor takes a turn
        while lane.queue and lane.free:
            self.give(lane, lane.peer.dequeue(lane), now)

    def returned(self, lane: Lane, number: int, now: float) -> Request | None:
        """A worker has answered an operation, or given back one that was taken back.

        Returns:
            The request, which holds its lane no more; None if there is none.
        """
        request = lane.given.pop(number, None)
        if lane.stalled:
            lane.stalled = False
            self._keeper.recovered(lane.peer.name, lane.peer.incarnation, now)
        if request is not None:
            self._ledger.leave(request.number)
            self._cancels.settle(request, "ended", self.ladder.ended(request))
            if request.state is State.QUEUED:  # its predecessor's answer was lost
                self._turns(lane, request)
            lane.brisk = now - request.started <= BRISK
        if lane.ahead:
            follower = next(iter(lane.given.values()))
            if follower is not None and follower.state is State.QUEUED:
                self._turns(lane, follower)
                self._ledger.start(follower, now)
        return request

    def _turns(self, lane: Lane, request: Request) -> None:
        """What waited at its worker doesn't any more."""
        lane.peer.stops_waiting(request)
        lane.ahead -= request.size

    def unreachable(self, number: int, now: float) -> None:
        """A `ToWorker` couldn't be sent: the request was not started and waits again.

        The lane gets nothing more until it says that it is open.
        """
        for peer in self._peers.values():
            for lane in peer.lanes:
                if number in lane.given:
                    request = lane.given.pop(number)
                    lane.open = False
                    if request is not None:
                        self._comes_back(lane, request, now)
                    return

    # -- and back -------------------------------------------------------------------------

    def take_back(self, lane: Lane) -> None:
        """Have a lane's tickets taken back that aren't claimed."""
        if lane.claims and not lane.taking:
            lane.taking = True
            self._effects.append(TakeBack(lane.peer.name, lane.peer.incarnation))

    def yields(self, lane: Lane, now: float) -> None:
        """Somebody comes for a lane: whose turn is next is decided here, if there's time for it.

        Who waits at the worker waits in the order in which he came, whatever others want.
        """
        if lane.brisk and lane.given:
            first = next(lane.requests(), None)
            if first is None or now - first.started > BRISK:
                lane.brisk = False
                if lane.ahead:
                    self.take_back(lane)

    def taken_back(self, worker: str, incarnation: int, numbers: Iterable[int], now: float) -> None:
        """These tickets were taken back, and no others were there."""
        peer = self._peers[worker]
        lane = peer.queued
        if peer.incarnation != incarnation or not lane.claims:
            return
        lane.taking = lane.brisk = False
        taken = set(numbers)
        for number, request in reversed(list(lane.given.items())):
            if request is None or request.state is State.OVERRUN:
                continue
            if number in taken:
                lane.given[number] = None
                self._withdrawn(lane, number, request, now)
            elif not request.claimed:
                if request.state is State.QUEUED:
                    self._turns(lane, request)
                self._ledger.claimed(request, now)
                if self._cancels.is_wanted(request):
                    restart = self._cancels.may_restart(request)
                    self.ladder.climb(request, now, restart=restart)
        self.pump(lane, now)

    def _withdrawn(self, lane: Lane, number: int, request: Request, now: float) -> None:
        """It didn't start; its number is held until the worker has given it back."""
        wait, until = request.waits_until, request.runs_until
        had_its_turn = request.state is State.DISPATCHED
        if had_its_turn and wait is not None and wait <= now:
            self._ledger.overrun(request, until)
            self._tell_expired(request, now)
            self._cancels.settle(request, "withdrawn")
            lane.given[number] = request
            return
        self._comes_back(lane, request, now)
        if had_its_turn and until is not None and until <= now:
            self._stalls(lane, request, now, taken=False)

    def _comes_back(self, lane: Lane, request: Request, now: float) -> None:
        """It is at its worker no more and hasn't started."""
        peer = lane.peer
        request.ticket = 0
        request.claimed = False
        self.ladder.ended(request)
        if request.state is State.QUEUED:
            self._turns(lane, request)
        if request.state is State.OVERRUN:
            self._ledger.leave(request.number)
        elif self._cancels.is_wanted(request):
            self._cancels.withdraw(request)
        elif peer.phase is Phase.CLOSED:
            self._ledger.leave(request.number)
            self._ledger.answer_error(request, "ConnectionRefusedError", peer.reason, NOT_STARTED)
        elif why := self.bars(peer, request, now):
            self._ledger.leave(request.number)
            self._ledger.answer_error(request, "BlockingIOError", why, NOT_STARTED)
        else:
            peer.enqueue(peer.lane_for(request.member), request, front=True)
            self._ledger.wait(request)

    def settle(self, lane: Lane, lost: Callable[[Request, bool], None]) -> None:
        """An incarnation is over: what it was given and wasn't taken back it has claimed.

        Args:
            lane: Its lane.
            lost: Answers a request; is told whether the life was ended to cancel it.
        """
        for request in lane.requests():
            if request.state is State.QUEUED:
                self._turns(lane, request)
            self._ledger.leave(request.number)
            steps = self.ladder.ended(request)
            self._cancels.settle(request, "ended", steps)
            self._ledger.keep(request, lane.peer.incarnation, status=lane.peer.exit_status)
            if request.state is not State.OVERRUN:
                lost(request, BY_RESTART in steps)

    def cancel(self, request_id: str, now: float, *, restart: bool = False) -> int:
        """Withdraw the request of an id, or end its operation if that has started.

        Args:
            request_id: The id, or its short form; its client may have been told of a timeout.
            now: Monotonic seconds.
            restart: Whether its worker's life may end for it, if nothing else helps.

        Returns:
            The number of the wish, which a `CancelDone` names when it is known what came of it.
        """
        number = self._cancels.place()
        held = self._ledger.requests.values()
        meant = [each for each in held if is_meant(str(each.message_id), request_id)]
        request = meant[0] if len(meant) == 1 else None  # a short form may be of several
        if request is None:
            pending = self._ledger.unanswered.items()  # also of a life that is over by now
            ran = next((each for (_, id_), each in pending if is_meant(str(id_), request_id)), None)
            self._cancels.tell(number, ran, "runs" if ran else "unknown")
        elif request.claimed:
            self._cancels.want(request, number)
            self.ladder.climb(request, now, restart=restart)
        elif request.state is State.OVERRUN:  # it was withdrawn when its client was told
            self._cancels.tell(number, request, "withdrawn")
        elif request.ticket:
            self._cancels.want(request, number, restart=restart)
            self.take_back(self._peers[request.worker].queued)
        elif request.state is State.QUEUED:
            self._cancels.want(request, number)
            self._peers[request.worker].forget(request)
            self._cancels.withdraw(request)
        else:  # it is answered without its worker
            self._cancels.tell(number, request, "runs")
        return number

    # -- time -----------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Answer the requests whose deadline has come, and tell the sums that are due."""
        self._ledger.tally.tick(now)
        for request in self._ledger.deadlines.expired(now):
            peer = self._peers[request.worker]
            if request.state is State.OVERRUN:
                request.deadline = None
                self._stalls(peer.queued, request, now, taken=False)
            elif not request.ticket:
                ahead = peer.lane_for(request.member).queue.ahead_of(request)
                peer.forget(request)
                self._ledger.leave(request.number)
                self._tell_expired(request, now, ahead)
            elif request.claimed:
                self._expire_running(request, now)
            else:
                self.take_back(peer.queued)

    def _tell_expired(self, request: Request, now: float, ahead: int = 0) -> None:
        self._ledger.note("warning", "invocation timed out, not started", request)
        peer = self._peers[request.worker]
        peer.vitals.of(request.member).expired += 1
        standing = self._keeper.standing(request.worker, now)
        keeps = why_not_started(peer, request, ahead, standing, now, self._ledger.who)
        self._ledger.time_out(request, INVOCATION, keeps)

    def _expire_running(self, request: Request, now: float) -> None:
        peer = self._peers[request.worker]
        peer.vitals.overran(request, now)
        seconds = round(now - request.started, 3)
        self._ledger.note("warning", "execution timed out, it runs on", request, seconds=seconds)
        self._ledger.overrun(request)
        # Clients of others have nothing there.
        text = why_unanswered(peer, request, now) if request.content_type == XORCH else ""
        self._ledger.time_out(request, EXECUTION, text)
        self._keeper.uncertain(request)
        if peer.means.on_timeout:
            self.ladder.climb(request, now)
        lane = peer.queued if request.ticket in peer.queued.given else peer.beside
        self._stalls(lane, request, now, taken=True)

    def _stalls(self, lane: Lane, request: Request, now: float, *, taken: bool) -> None:
        """An operation has had its time; `taken`: it has started."""
        peer = lane.peer
        lane.stalled = stalls = lane is peer.queued
        self._keeper.overran(
            peer.name, peer.incarnation, request.member, now, stalls=stalls, taken=taken
        )

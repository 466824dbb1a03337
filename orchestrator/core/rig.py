"""The rig's core: broker and supervision as one, without sockets, clock, threads or processes.

Inputs are frames, what happened, and `now` (seconds, monotonic). Outputs are effects, in one
queue. Whoever runs a rig, on real sockets and processes or on simulated ones, feeds it and
performs what it leaves, in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from orchestrator.core import starts
from orchestrator.core.access import Visitor
from orchestrator.core.admission import Caps
from orchestrator.core.alarms import Alarm, Alarms
from orchestrator.core.broker import Broker
from orchestrator.core.changeover import Changeover, Settings
from orchestrator.core.children import Child, ChildSpec, Exit
from orchestrator.core.effects import Effects, Fact, RigUp
from orchestrator.core.hang import Hang
from orchestrator.core.health import Health, Probe
from orchestrator.core.interlock import Interlock
from orchestrator.core.kept import KeptWrites
from orchestrator.core.ladder import STOPPER
from orchestrator.core.means import NO_MEANS, Means
from orchestrator.core.orders import Orders, Verb
from orchestrator.core.plan import Plan
from orchestrator.core.queues import earliest
from orchestrator.core.request import Request
from orchestrator.core.restarts import Chance
from orchestrator.core.states import SERVING, Status
from orchestrator.core.supervision import Supervision
from orchestrator.core.verify import VERIFIER, Verifier
from transports.headers import Limits
from transports.link import ClientLeft, Polled


class Rig:
    """A rig: which requests it holds, and which workers live.

    Args:
        name: Id of the rig: what clients see as the server's id.
        specs: The workers; `after` names others among them, without a cycle.
        limits: For each worker the timeouts of requests that bring none.
        timeouts: For each worker the execution timeouts by member, seconds or None.
        restore: For each worker the properties whose last writes are kept for its next life.
        probes: How workers are probed, of those that are.
        means: How workers' operations can be ended, of those where they can.
        verify: For each worker what is read after an unknown outcome of a member, by member.
        audited: The workers of which each request is told.
        alarms: When there are alarms, by worker and polled property.
        caps: What one client can make the rig keep.
        unblock_again: Seconds after which output that nobody reads can be told for sure.
        strategy: Who is restarted with a worker that died: `one_for_one`, `rest_for_one`,
            `one_for_all`.
        chance: Gives numbers from 0 to 1, for the pauses before restarts.
        run: Tells this run of the rig from others.
        shared_memory: Bytes for frames that both sides have mapped; 0 for none.

    Attributes:
        hide: Masks secrets in what a driver said that couldn't be built.
        effects: What is to be done, in order.
        broker: The half that routes; it also hosts the rig's own worker, which nobody keeps.
        supervision: The half that keeps workers.
        health: Probes them.
        verifier: Reads what came of what nobody knows.
        slots: Frames in shared memory, and who holds them.
        alarms: Watches what workers poll.
    """

    def __init__(
        self,
        name: str,
        specs: Sequence[ChildSpec],
        *,
        limits: dict[str, Limits] | None = None,
        timeouts: dict[str, dict[str, float | None]] | None = None,
        restore: dict[str, Sequence[str]] | None = None,
        probes: dict[str, Probe] | None = None,
        means: dict[str, Means] | None = None,
        verify: Mapping[str, Mapping[str, str]] | None = None,
        audited: Iterable[str] = (),
        leased: Iterable[str] = (),
        alarms: Mapping[str, Mapping[str, Alarm]] | None = None,
        caps: Caps | None = None,
        unblock_again: float = 1.0,
        strategy: str = "one_for_one",
        chance: Chance = lambda: 1.0,
        run: str = "",
        shared_memory: int = 0,
    ) -> None:
        self.name = name
        self.hide: Callable[[str], str] = str
        self.effects: Effects = deque()
        self.broker = Broker(name, self.effects, self, caps, run)
        self.slots = self.broker.ledger.slots
        self.slots.limit = shared_memory
        self.supervision = Supervision(
            specs, self.effects, self.broker, strategy=strategy, chance=chance
        )
        self._hang = Hang(self.effects, unblock_again)
        self.health = Health(name, probes or {}, self.broker, self.supervision)
        self._orders = Orders(self.supervision.children, self.effects)
        self.verifier = Verifier(name, verify or {}, self.broker)
        trip = Interlock(self.supervision, self.effects).trip
        self.alarms = Alarms(alarms or {}, self.broker.tell, self.effects, trip)
        self._changeover = Changeover(
            self.broker, self.supervision, self.health, self.verifier, self.alarms, self._orders
        )
        self.broker.ledger.watch(audited=audited)
        self.broker.leasing.demand(leased)
        self._changes = 0
        self._is_up = False
        for spec in specs:
            own = (limits or {}).get(spec.name) or Limits(None, None)
            self.broker.add_worker(spec.name, own, (timeouts or {}).get(spec.name))
            peer = self.broker.peers[spec.name]
            peer.kept = KeptWrites((restore or {}).get(spec.name, ()))
            peer.means = (means or {}).get(spec.name, NO_MEANS)

    @property
    def children(self) -> dict[str, Child]:
        """The workers that are kept, by name."""
        return self.supervision.children

    @property
    def kept(self) -> list[str]:
        """The workers that stay: all but those that are about to be removed."""
        return [name for name in self.children if name not in self._changeover.leaving]

    def stays_stopped(self, worker: str) -> bool:
        """Whether a change of its config isn't what starts a worker, as it was stopped."""
        return self._changeover.stays_stopped(worker)

    @property
    def is_closing(self) -> bool:
        """Whether all is to end."""
        return self.supervision.closing

    @property
    def serving(self) -> tuple[int, int]:
        """How many workers serve, of how many."""
        return sum(c.status in SERVING for c in self.children.values()), len(self.children)

    @property
    def status(self) -> int:
        """Exit status that its workers give it: that of a required one that is FAILED.

        1 if the device of a required one couldn't be made safe.
        """
        if self.supervision.verdict is not None:
            return self.supervision.verdict[1]
        return int(any(c.unsecured and c.spec.required for c in self.children.values()))

    @property
    def is_over(self) -> bool:
        """Whether all has ended that was to."""
        return self.supervision.closing and self.supervision.all_down

    @property
    def next_deadline(self) -> float | None:
        """When `tick` is due; None while nothing has a deadline."""
        return earliest(
            self.broker.next_deadline,
            self.supervision.next_deadline,
            self._hang.next_deadline,
            self.health.next_deadline,
            self.alarms.next_deadline,
        )

    # -- inputs ---------------------------------------------------------------------------

    def receive_client(
        self,
        frames: list[Any],
        now: float,
        count: int | None = None,
        visitor: Visitor | None = None,
    ) -> None:
        """Take a client's message: see `Broker.receive_client`."""
        self.broker.receive_client(frames, now, count, visitor)

    def client_left(self, client: bytes) -> None:
        """A client's connection has ended: its workers are told to end its streams."""
        self.broker.leasing.client_left(client)
        name = client.decode("utf-8", "replace")
        for worker in self.broker.ledger.streams.pop(client, ()):
            self.broker.tell(worker, ClientLeft(name))

    def receive_link(self, frames: list[Any], now: float) -> None:
        """Take a worker's message: routing id, number, header, payload, raw."""
        reference = self.slots.taken_off(frames)
        self.broker.receive_link(frames, now)
        if reference is not None:
            self.slots.settle(reference)
        self._settle(now)

    def tick(self, now: float) -> None:
        """Do what is due."""
        # First: a worker that was only just asked for its stacks looks as if it held out.
        self._hang.tick(now)
        self.broker.tick(now)
        deadline = self.supervision.next_deadline
        if deadline is not None and deadline <= now:
            self.supervision.tick(now)
        self.health.tick(now)
        self.alarms.tick(now)
        self._settle(now)

    def expect(self, worker: str, incarnation: int, token: str) -> None:
        """Open the link for an incarnation: only who knows `token` is heard as it."""
        self.broker.expect(worker, incarnation, token)

    def exited(self, worker: str, incarnation: int, exit_: Exit, now: float) -> None:
        """An incarnation's process is over."""
        self._hang.ended(worker)
        self.health.ended(worker)
        if exit_.speaks and not self.is_closing:
            self.broker.last_words.expect(worker, incarnation, now)
        self.broker.peers[worker].exit_status = exit_.status
        self.slots.left(self.broker.peers[worker].token)
        self.supervision.exited(worker, incarnation, exit_, now)
        if not self.is_closing:
            self.alarms.ended(worker, now)
        self._settle(now)

    def unlaunched(
        self, worker: str, incarnation: int, reason: str, now: float, *, wants: bool
    ) -> None:
        """An incarnation couldn't be launched; `wants`: it may go better another time."""
        self.supervision.unlaunched(worker, incarnation, reason, now, wants=wants)
        self._settle(now)

    def secured(
        self, worker: str, incarnation: int, failure: str, now: float, trace: str = ""
    ) -> None:
        """What `Secure` asked for has been done; `failure` and `trace` tell what was in the way."""
        self.supervision.secured(worker, incarnation, failure, now, trace)
        self._settle(now)

    def answered(self, frames: list[Any], now: float) -> None:
        """A message to a client within the core: see `own_client.is_own`."""
        if frames[0] == STOPPER:
            self.broker.dispatch.ladder.answered(frames)
        else:
            (self.verifier if frames[0] == VERIFIER else self.health).answered(frames, now)
        self._settle(now)

    def wrote(self, worker: str, incarnation: int, lines: Sequence[str]) -> None:
        """What a life wrote last that has ended: see `Exit.speaks`."""
        self.broker.last_words.came(worker, incarnation, lines)

    def unreachable(self, number: int, now: float) -> None:
        """A `ToWorker` couldn't be sent."""
        self.broker.unreachable(number, now)

    def taken_back(self, worker: str, incarnation: int, numbers: Iterable[int], now: float) -> None:
        """The tickets that a life hasn't claimed were taken back: after `TakeBack`, and when it
        is over, before that is told."""
        self.broker.taken_back(worker, incarnation, numbers, now)
        self._settle(now)

    def described(self, number: int, kind: str, payload: bytes) -> None:
        """Give the answer that a `Describe` effect asked for."""
        self.broker.described(number, kind, payload)

    def found(self, worker: str, incarnation: int, *, held: str = "", where: str = "") -> None:
        """Evidence has come of a worker that was looked at: see `Supervision.found`."""
        self.supervision.found(worker, incarnation, held=held, where=where)

    # -- wishes ---------------------------------------------------------------------------

    def order(self, verb: Verb, names: Sequence[str], now: float, *, fresh: bool = False) -> int:
        """Have workers started, stopped or restarted; `fresh`: without what was written before.

        Returns:
            The number of the order, which an `OrderDone` names when they have settled.
        """
        for name in names if fresh else ():
            self.broker.peers[name].kept.forget()
        number = self._orders.place(verb, names)
        supervision = self.supervision
        wishes = {"start": supervision.start, "stop": supervision.stop}
        wishes.get(verb, supervision.restart)(names, now)
        self._settle(now, look=True)
        return number

    def change(self, plan: Plan, wanted: Mapping[str, Settings], strategy: str, now: float) -> int:
        """Carry out a plan.

        Args:
            plan: What to do; nothing of it may be `fixed`.
            wanted: The workers that there are to be, in the order in which they are shown.
            strategy: As at the start.
            now: Monotonic seconds.

        Returns:
            The number of the order that is done when all that it touches have settled.
        """
        self.supervision.group_by(strategy)
        number = self._changeover.begin(plan, wanted, now)
        self._settle(now, look=True)
        return number

    def look(self, worker: str, now: float) -> None:
        """Have a worker write its stacks, whatever it does."""
        self._hang.look(worker, now)

    def cancel(self, request_id: str, now: float, *, restart: bool = False) -> int:
        """Have a request withdrawn, or ended if it has started: see `Dispatch.cancel`.

        Returns:
            The number of the wish, which a `CancelDone` names when it is known what came of it.
        """
        return self.broker.dispatch.cancel(request_id, now, restart=restart)

    def shut_down(self, now: float) -> None:
        """Stop everything, in reverse order of start; refuse what waits and what comes."""
        self._refuse_all()
        self.supervision.shut_down(now)
        self._settle(now)

    def kill(self, now: float) -> None:
        """Shut down without waiting for anybody."""
        self._refuse_all()
        self.supervision.kill(now)
        self._settle(now)

    def _refuse_all(self) -> None:
        for name in self.children:
            self.broker.refuse(name, f"rig {self.name!r} is stopping")
        self.broker.last_words.release()

    # -- what the broker tells ------------------------------------------------------------

    def ready(self, worker: str, incarnation: int, now: float) -> None:
        """An incarnation is ready."""
        self.supervision.ready(worker, incarnation, now)
        self.health.ready(worker, now)
        self.alarms.ready(worker, now)

    def polled(self, worker: str, polled: Polled, now: float) -> None:
        """A property was polled that is watched."""
        self.alarms.read(worker, polled, now)

    def unbuilt(
        self, worker: str, incarnation: int, stage: str, exception: dict[str, Any], now: float
    ) -> None:
        """An incarnation couldn't build its driver."""
        told = {**exception, "message": self.hide(str(exception.get("message", "")))}
        self.supervision.unbuilt(worker, incarnation, stage, told, now)

    def starting(self, worker: str, incarnation: int, doing: str) -> None:
        """An incarnation's start takes a while: what it is at."""
        self.supervision.starting(worker, incarnation, doing)

    def is_late(self, worker: str) -> bool:
        """Whether it can't be told when a worker that isn't up will be."""
        child = self.children.get(worker)
        return child is not None and starts.is_late(child, self.children)

    def standing(self, worker: str, now: float) -> str:
        """A worker's state for whoever asks for it; empty for one that nobody keeps."""
        child = self.children.get(worker)
        return "" if child is None else starts.standing(child, self.children, now)

    def why(self, worker: str, now: float) -> str:
        """Why a worker is where it is, if that isn't plain; empty else."""
        return starts.why(self.children[worker], self.children, now)

    def overran(
        self, worker: str, incarnation: int, member: str, now: float, *, stalls: bool, taken: bool
    ) -> None:
        """An operation has had its execution timeout."""
        if worker in self.children:
            self._hang.overran(worker, now)
            supervision = self.supervision
            supervision.overran(worker, incarnation, member, now, stalls=stalls, taken=taken)

    def cut_short(self, worker: str, reason: str, now: float) -> bool:
        """Have a worker's life end, and another one follow; False for one that nobody keeps."""
        is_kept = worker in self.children
        if is_kept:
            self.supervision.cut_short(worker, reason, now)
        return is_kept

    def uncertain(self, request: Request) -> None:
        """Nobody can tell what became of an operation."""
        self.verifier.uncertain(request)

    def recovered(self, worker: str, incarnation: int, now: float) -> None:
        """The operation for whose end others had to wait has ended."""
        self.supervision.recovered(worker, incarnation, now)

    # -- how ------------------------------------------------------------------------------

    def _settle(self, now: float, *, look: bool = False) -> None:
        """Tell what is done by now, if any worker's state has changed."""
        if self.supervision.verdict is not None and not self.is_closing:
            name, _ = self.supervision.verdict
            about = {"worker": name, "place": self.children[name].spec.place}
            self.effects.append(Fact("error", "is required: the rig ends with it", about))
            self.shut_down(now)
            return
        self.verifier.look(now)
        if self._changes == self.supervision.changes and not look:
            return
        self._changes = self.supervision.changes
        self._orders.settle()
        self._changeover.finish()
        if self._is_up or self.is_closing:
            return
        children = self.children.values()
        if self._changes and all(child.settled for child in children):
            self._is_up = True
            failed = tuple(c.spec.name for c in children if c.status is Status.FAILED)
            later = tuple(c.spec.name for c in children if c.failures)
            self.effects.append(RigUp(*self.serving, failed, later))

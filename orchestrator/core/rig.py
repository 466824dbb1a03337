"""The rig's core: broker and supervision as one, without sockets, clock, threads or processes.

Inputs are frames, what happened, and `now` (seconds, monotonic). Outputs are effects, in one
queue. Whoever runs a rig, on real sockets and processes or on simulated ones, feeds it and
performs what it leaves, in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from orchestrator.core import starts
from orchestrator.core.admission import Caps
from orchestrator.core.broker import Broker
from orchestrator.core.children import Child, ChildSpec, Exit
from orchestrator.core.effects import Effects, RigUp
from orchestrator.core.hang import Hang
from orchestrator.core.orders import Orders, Verb
from orchestrator.core.states import SERVING, Status
from orchestrator.core.supervision import Supervision
from transports.headers import Limits
from transports.link import ClientLeft


class Rig:
    """A rig: which requests it holds, and which workers live.

    Args:
        name: Id of the rig: what clients see as the server's id.
        specs: The workers; `after` names others among them, without a cycle.
        limits: For each worker the timeouts of requests that bring none.
        timeouts: For each worker the execution timeouts by member, seconds or None.
        caps: What one client can make the rig keep.
        unblock_again: Seconds after which output that nobody reads can be told for sure.

    Attributes:
        effects: What is to be done, in order.
        broker: The half that routes; it also hosts the rig's own worker, which nobody keeps.
        supervision: The half that keeps workers.
    """

    def __init__(
        self,
        name: str,
        specs: Sequence[ChildSpec],
        *,
        limits: dict[str, Limits] | None = None,
        timeouts: dict[str, dict[str, float | None]] | None = None,
        caps: Caps | None = None,
        unblock_again: float = 1.0,
    ) -> None:
        self.name = name
        self.effects: Effects = deque()
        self.broker = Broker(name, self.effects, self, caps)
        self.supervision = Supervision(specs, self.effects, self.broker)
        self._hang = Hang(self.effects, unblock_again)
        self._orders = Orders(self.supervision.children, self.effects)
        self._changes = 0
        self._is_up = False
        for spec in specs:
            own = (limits or {}).get(spec.name) or Limits(None, None)
            self.broker.add_worker(spec.name, own, (timeouts or {}).get(spec.name))

    @property
    def children(self) -> dict[str, Child]:
        """The workers that are kept, by name."""
        return self.supervision.children

    @property
    def is_closing(self) -> bool:
        """Whether all is to end."""
        return self.supervision.closing

    @property
    def is_over(self) -> bool:
        """Whether all has ended that was to."""
        return self.supervision.closing and self.supervision.all_down

    @property
    def next_deadline(self) -> float | None:
        """When `tick` is due; None while nothing has a deadline."""
        broker, supervision = self.broker.next_deadline, self.supervision.next_deadline
        hang = self._hang.next_deadline
        if supervision is None and hang is None:
            return broker
        return min(each for each in (broker, supervision, hang) if each is not None)

    # -- inputs ---------------------------------------------------------------------------

    def receive_client(self, frames: list[Any], now: float, count: int | None = None) -> None:
        """Take a client's message: see `Broker.receive_client`."""
        self.broker.receive_client(frames, now, count)

    def client_left(self, client: bytes) -> None:
        """A client's connection has ended: its workers are told to end its streams."""
        name = client.decode("utf-8", "replace")
        for worker in self.broker.ledger.streams.pop(client, ()):
            self.broker.tell(worker, ClientLeft(name))

    def receive_link(self, frames: list[Any], now: float) -> None:
        """Take a worker's message: routing id, number, header, payload, raw."""
        self.broker.receive_link(frames, now)
        self._settle()

    def tick(self, now: float) -> None:
        """Do what is due."""
        # First: a worker that was only just asked for its stacks looks as if it held out.
        self._hang.tick(now)
        self.broker.tick(now)
        deadline = self.supervision.next_deadline
        if deadline is not None and deadline <= now:
            self.supervision.tick(now)
        self._settle()

    def expect(self, worker: str, incarnation: int, token: str) -> None:
        """Open the link for an incarnation: only who knows `token` is heard as it."""
        self.broker.expect(worker, incarnation, token)

    def exited(self, worker: str, incarnation: int, exit_: Exit, now: float) -> None:
        """An incarnation's process is over."""
        self._hang.ended(worker)
        self.supervision.exited(worker, incarnation, exit_, now)
        self._settle()

    def unlaunched(
        self, worker: str, incarnation: int, reason: str, now: float, *, wants: bool
    ) -> None:
        """An incarnation couldn't be launched; `wants`: it may go better another time."""
        self.supervision.unlaunched(worker, incarnation, reason, now, wants=wants)
        self._settle()

    def unreachable(self, number: int, now: float) -> None:
        """A `ToWorker` couldn't be sent."""
        self.broker.unreachable(number, now)

    def taken_back(self, worker: str, incarnation: int, numbers: Iterable[int], now: float) -> None:
        """The tickets that a life hasn't claimed were taken back: after `TakeBack`, and when it
        is over, before that is told."""
        self.broker.taken_back(worker, incarnation, numbers, now)
        self._settle()

    def described(self, number: int, kind: str, payload: bytes) -> None:
        """Give the answer that a `Describe` effect asked for."""
        self.broker.described(number, kind, payload)

    # -- wishes ---------------------------------------------------------------------------

    def order(self, verb: Verb, names: Sequence[str], now: float) -> int:
        """Have workers started, stopped or restarted.

        Returns:
            The number of the order, which an `OrderDone` names when they have settled.
        """
        number = self._orders.place(verb, names)
        supervision = self.supervision
        wishes = {"start": supervision.start, "stop": supervision.stop}
        wishes.get(verb, supervision.restart)(names, now)
        self._settle(look=True)
        return number

    def cancel(self, request_id: str) -> int:
        """Have a request withdrawn, unless it has started.

        Returns:
            The number of the wish, which a `CancelDone` names when it is known whether it had.
        """
        return self.broker.cancel(request_id)

    def shut_down(self, now: float) -> None:
        """Stop everything, in reverse order of start; refuse what waits and what comes."""
        self._refuse_all()
        self.supervision.shut_down(now)
        self._settle()

    def kill(self, now: float) -> None:
        """Shut down without waiting for anybody."""
        self._refuse_all()
        self.supervision.kill(now)
        self._settle()

    def _refuse_all(self) -> None:
        for name in self.children:
            self.broker.refuse(name, f"rig {self.name!r} is stopping")

    # -- what the broker tells ------------------------------------------------------------

    def ready(self, worker: str, incarnation: int, now: float) -> None:
        """An incarnation is ready."""
        self.supervision.ready(worker, incarnation, now)

    def unbuilt(
        self, worker: str, incarnation: int, stage: str, exception: dict[str, Any], now: float
    ) -> None:
        """An incarnation couldn't build its driver."""
        self.supervision.unbuilt(worker, incarnation, stage, exception, now)

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

    def recovered(self, worker: str, incarnation: int, now: float) -> None:
        """The operation for whose end others had to wait has ended."""
        self.supervision.recovered(worker, incarnation, now)

    # -- how ------------------------------------------------------------------------------

    def _settle(self, *, look: bool = False) -> None:
        """Tell what is done by now, if any worker's state has changed."""
        if self._changes == self.supervision.changes and not look:
            return
        self._changes = self.supervision.changes
        self._orders.settle()
        if self._is_up or self.is_closing:
            return
        children = self.children.values()
        if self._changes and all(child.settled for child in children):
            self._is_up = True
            ready = sum(child.status in SERVING for child in children)
            failed = tuple(c.spec.name for c in children if c.status is Status.FAILED)
            later = tuple(c.spec.name for c in children if c.failures)
            self.effects.append(RigUp(ready, len(children), failed, later))

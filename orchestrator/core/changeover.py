"""Carries out a plan: workers come, go and change while the rig runs.

Pure. What a worker is told at its start reaches it with its next life; what the rig itself goes by
holds at once. A worker that goes is forgotten when it has ended and nobody waits for that any more.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from orchestrator.core.alarms import Alarm, Alarms
from orchestrator.core.broker import Broker
from orchestrator.core.children import ChildSpec, follow
from orchestrator.core.health import Health, Probe
from orchestrator.core.means import NO_MEANS, Means
from orchestrator.core.orders import Orders
from orchestrator.core.plan import ADD, LIMITS, REMOVE, RESTART, Plan
from orchestrator.core.states import Goal, Status
from orchestrator.core.supervision import Supervision
from orchestrator.core.verify import Verifier
from transports.headers import Limits


class Settings(msgspec.Struct, frozen=True):
    """All that the core goes by of one worker.

    Attributes:
        spec: Its life.
        limits: Timeouts of requests that bring none.
        timeouts: Execution timeouts by member, seconds or None.
        restore: Properties whose last writes are kept for its next life.
        probe: How it is probed; None if it isn't.
        means: How its operations can be ended.
        verify: What is read after an unknown outcome of a member, by member.
        audit: Whether each of its requests is told of.
        leased: Whether nothing has an effect on it without a lease.
        alarms: When there are alarms, by polled property.
    """

    spec: ChildSpec
    limits: Limits = Limits(None, None)
    timeouts: Mapping[str, float | None] = {}
    restore: tuple[str, ...] = ()
    probe: Probe | None = None
    means: Means = NO_MEANS
    verify: Mapping[str, str] = {}
    audit: bool = False
    leased: bool = False
    alarms: Mapping[str, Alarm] = {}


class Changeover:
    """Changes the workers of a rig.

    Args:
        broker: Holds their requests.
        supervision: Keeps them.
        health: Probes them.
        verifier: Reads what came of what nobody knows.
        alarms: Watches what they poll.
        orders: Who waits for them.

    Attributes:
        leaving: The workers that go and haven't gone.
    """

    def __init__(
        self,
        broker: Broker,
        supervision: Supervision,
        health: Health,
        verifier: Verifier,
        alarms: Alarms,
        orders: Orders,
    ) -> None:
        self._broker = broker
        self._supervision = supervision
        self._health = health
        self._verifier = verifier
        self._alarms = alarms
        self._orders = orders
        self._lives: dict[str, int] = {}  # of those that have gone: no number is used twice
        self.leaving: set[str] = set()

    def settle_in(self, settings: Settings) -> None:
        """Make a worker known, stopped; its number of lives goes on where it left."""
        name = settings.spec.name
        self._broker.add_worker(name, settings.limits, dict(settings.timeouts))
        child = self._supervision.add(settings.spec)
        child.incarnation = self._lives.pop(name, 0)
        self._adjust(settings, 0.0)

    def begin(self, plan: Plan, wanted: Mapping[str, Settings], now: float) -> int:
        """Carry out a plan.

        Args:
            plan: What to do; nothing of it may be `fixed`.
            wanted: The workers that there are to be, in the order in which they are shown.
            now: Monotonic seconds.

        Returns:
            The number of the order that is done when all have settled.
        """
        supervision, children = self._supervision, self._supervision.children
        removed, added = plan.names(REMOVE), plan.names(ADD)
        changed = plan.names(RESTART)
        # First: nobody is to wait, from now on, for a worker that goes.
        for name in (*changed, *plan.names(LIMITS)):
            children[name].spec = wanted[name].spec
            self._broker.peers[name].set_limits(wanted[name].limits, wanted[name].timeouts)
            self._adjust(wanted[name], now)
        for name in plan.names(LIMITS):
            follow(children[name], children)
        for name in added:
            if name in self.leaving:  # somebody waits for it who doesn't know that it went
                self.leaving.remove(name)
                self._forget(name)
            self.settle_in(wanted[name])
        supervision.arrange([*wanted, *self.leaving, *removed])
        restarted = [name for name in changed if not self.stays_stopped(name)]
        number = self._orders.place("restart", restarted, others=(*added, *removed))
        for name in removed:
            self._broker.refuse(name, f"worker {name!r} was removed from the config")
            self._health.change(name, None, now, serves=False)
        self.leaving.update(removed)
        audited = [name for name, settings in wanted.items() if settings.audit]
        self._broker.ledger.watch(audited=audited)
        self._broker.leasing.demand(name for name, each in wanted.items() if each.leased)
        # Restarts come last: nothing begins or ends before it is known what all are to do.
        supervision.start(added, now, more=True)
        supervision.stop(removed, now, more=True)
        supervision.restart(restarted, now)
        return number

    def stays_stopped(self, name: str) -> bool:
        """Whether a worker was stopped on purpose: a change isn't what starts it."""
        child = self._supervision.children[name]
        return child.goal is Goal.STOP and child.status is not Status.FAILED

    def finish(self) -> None:
        """Forget the workers that have gone; all at once, as they may be named by each other.

        They have when no order is about them any more, as that which removes them is until then.
        """
        if self._orders.are_about(self.leaving):
            return
        for name in self.leaving:
            self._forget(name)
        self.leaving.clear()

    def _forget(self, name: str) -> None:
        self._lives[name] = self._supervision.drop(name).incarnation
        self._broker.leasing.removed(name)
        del self._broker.peers[name]
        self._broker.last_words.release(name)
        self._verifier.change(name, {})
        self._alarms.change(name, {}, 0.0)
        for workers in self._broker.ledger.streams.values():
            workers.discard(name)

    def _adjust(self, settings: Settings, now: float) -> None:
        name = settings.spec.name
        self._broker.peers[name].kept.keep(settings.restore)
        self._broker.peers[name].means = settings.means
        serves = self._supervision.children[name].is_up
        self._health.change(name, settings.probe, now, serves=serves)
        self._verifier.change(name, settings.verify)
        self._alarms.change(name, settings.alarms, now)

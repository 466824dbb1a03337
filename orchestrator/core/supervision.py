"""The supervisor's core: which worker is to start or stop, and when.

No processes, clock or threads: it takes what happened and `now` (seconds, monotonic) and leaves
effects. Which states follow each other is the table of `states`; what follows the end of an
incarnation is decided in `outcomes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from orchestrator.core import endings, restarts, starts
from orchestrator.core.children import Child, ChildSpec, Exit, follow, may_start, may_stop, unsafe
from orchestrator.core.contracts import Holder
from orchestrator.core.effects import Effects, Launch, Secure, Signal
from orchestrator.core.outcomes import Outcomes
from orchestrator.core.restarts import Chance
from orchestrator.core.roster import Roster
from orchestrator.core.states import NEXT, RUNNING, SERVING, UP, Goal, Happening, Status


class Supervision:
    """Keeps the workers of a rig as their specifications say.

    Args:
        specs: The workers; `after` names others among them, without a cycle.
        effects: Where what is to be done is left.
        holder: Who holds the requests for them.
        strategy: Who is restarted with a worker that died: see `restarts.companions`.
        chance: For the pauses before restarts; they have their whole length if left out.

    Attributes:
        children: The workers, by name.
        verdict: Once a worker is FAILED that was required: which, and its exit status.
    """

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        effects: Effects,
        holder: Holder,
        *,
        strategy: str = "one_for_one",
        chance: Chance = lambda: 1.0,
    ) -> None:
        self._roster = roster = Roster(specs, effects, strategy)
        self.children = roster.children
        self.verdict: tuple[str, int] | None = None
        self._effects = effects
        self._holder = holder
        self._outcomes = Outcomes(roster, holder, chance=chance, failed=self._pass_verdict)

    @property
    def closing(self) -> bool:
        """Whether all is to end."""
        return self._roster.closing

    @property
    def changes(self) -> int:
        """Goes up with each change of a state."""
        return self._roster.changes

    @property
    def next_deadline(self) -> float | None:
        """When `tick` is due; None while nothing has a deadline."""
        return self._roster.next_deadline

    @property
    def all_down(self) -> bool:
        """Whether no incarnation lives, and what was to be made safe is."""
        return not any(child.status in UP or child.securing for child in self.children.values())

    # -- who is kept ----------------------------------------------------------------------

    def add(self, spec: ChildSpec) -> Child:
        """Keep another worker, stopped; whoever `spec` is to start after has to be kept too."""
        child = self.children[spec.name] = Child(spec)
        return child

    def arrange(self, names: Sequence[str]) -> None:
        """Put the workers in the order in which they are shown; `names` has all of them."""
        found = {name: self.children[name] for name in names}
        self.children.clear()
        self.children.update(found)

    def drop(self, name: str) -> Child:
        """Forget a worker that has ended, and that nobody starts after."""
        return self.children.pop(name)

    def group_by(self, strategy: str) -> None:
        """From now on these are restarted with a worker that died: see `restarts.companions`."""
        self._roster.strategy = strategy

    # -- wishes ---------------------------------------------------------------------------

    def start(self, names: Iterable[str], now: float, *, more: bool = False) -> None:
        """Have these workers run; those that do already are left alone.

        With `more` nothing begins yet: another wish follows, and their order is that of all.
        """
        if self._roster.closing:
            return
        for child in map(self.children.__getitem__, names):
            if Happening.START in NEXT[child.status]:
                self._begin_anew(child, now)
            elif child.status is Status.STOPPING:
                self._replace(child)
            elif child.goal is Goal.STOP:
                # A stop that hasn't begun is taken back.
                child.goal = Goal.RESTART if child.outlived else Goal.RUN
                child.stopped_for = ""
        if not more:
            self._advance(now)

    def stop(self, names: Iterable[str], now: float, *, more: bool = False) -> None:
        """Have these workers stopped, each before those that it started after; `more` as above."""
        for child in map(self.children.__getitem__, names):
            child.goal = Goal.STOP
            if Happening.STOP in NEXT[child.status]:
                name = child.spec.name
                self._roster.move(child, Happening.STOP, now)
                self._holder.lost(name, now, reason=f"worker {name!r} is stopped", holds=False)
            elif child.status is Status.FAILED:
                self._roster.due(child, None)  # and it isn't tried again
        if not more:
            self._advance(now)

    def restart(self, names: Iterable[str], now: float) -> None:
        """Stop these workers and start them again; what waits for them is kept."""
        if self._roster.closing:
            return
        for child in map(self.children.__getitem__, names):
            if child.status in RUNNING:
                child.goal = Goal.RESTART
            elif child.status is Status.STOPPING:
                self._replace(child)
            elif child.status is Status.WAITING:
                child.forget_failures()
            else:
                self._begin_anew(child, now)
        self._advance(now)

    def shut_down(self, now: float) -> None:
        """Stop everything, in reverse order of start."""
        self._roster.closing = True
        self.stop(list(self.children), now)

    def kill(self, now: float) -> None:
        """Shut down without waiting for anybody."""
        self.shut_down(now)
        for child in self.children.values():
            if child.late is not None:
                self._ended(child, child.late, now)
            elif child.status in UP:
                child.ladder = []
                if Happening.TOLD in NEXT[child.status]:
                    self._roster.move(child, Happening.TOLD, now)
                self._roster.due(child, None)
                self._effects.append(Signal(child.spec.name, "kill"))

    # -- what happened --------------------------------------------------------------------

    def ready(self, name: str, incarnation: int, now: float) -> None:
        """An incarnation said that it is ready."""
        child = self._roster.alive(name, incarnation)
        if child is None or Happening.READY not in NEXT[child.status] or child.unstarted:
            return
        seconds = round(now - child.since, 3)
        child.was_ready, child.reason, child.failures = True, "", 0
        child.served = now
        self._roster.move(child, Happening.READY, now)
        self._roster.fact("info", "ready", name, seconds=seconds)
        self._advance(now)

    def unbuilt(
        self, name: str, incarnation: int, stage: str, exception: dict[str, Any], now: float
    ) -> None:
        """An incarnation said that its driver couldn't be built; it exits by itself.

        `stage` and `exception` are those of `starts.failed_build`.
        """
        child = self.children.get(name)
        if child is None or incarnation != child.incarnation or child.status not in UP:
            return
        child.unbuilt, child.passing = starts.failed_build(stage, exception)
        if child.late is not None:
            self._ended(child, child.late, now)
            return
        child.ladder = [("kill", 0.0)]
        self._roster.due(child, now + endings.UNBUILT_GRACE)

    def exited(self, name: str, incarnation: int, exit_: Exit, now: float) -> None:
        """An incarnation is over, and so is all that it ran."""
        child = self._roster.alive(name, incarnation)
        if child is None:
            return
        child.ladder = []
        stops = child.is_to_stop or child.status is Status.STOPPING
        if exit_.unusable and not child.unbuilt and not stops:
            # Its reason has arrived in this machine, but perhaps not yet in this process.
            child.late = exit_
            self._roster.due(child, now + endings.REASON_WITHIN)
            return
        self._ended(child, exit_, now)

    def unlaunched(
        self, name: str, incarnation: int, reason: str, now: float, *, wants: bool = False
    ) -> None:
        """An incarnation couldn't be launched; for lack of something (`wants`) it is retried."""
        child = self._roster.alive(name, incarnation)
        if child is None:
            return
        child.ladder = []
        if not wants:
            self._roster.fact("error", reason, name, place=child.spec.place)
            self._outcomes.give_up(child, reason, now, 1)
        elif child.is_to_stop or child.status is Status.STOPPING:
            self._outcomes.ended_on_request(child, Exit(reason, normal=False), now)
        elif Happening.LATER in NEXT[child.status]:
            self._outcomes.try_later(child, reason, now)
        self._advance(now)

    def secured(self, name: str, incarnation: int, failure: str, now: float, trace: str) -> None:
        """What was to be done to a device has been, or couldn't; then the worker may live again."""
        child = self.children[name]
        if child.securing != incarnation:
            return
        child.securing, child.unsecured = 0, failure
        if failure:
            text, place = unsafe(failure), child.spec.place
            self._roster.fact("error", text, name, place=place, exception=trace or None)
        else:
            self._roster.fact("info", "its device was made safe by on_loss", name)
        self._roster.changes += 1
        self._advance(now)

    def starting(self, name: str, incarnation: int, doing: str) -> None:
        """An incarnation that starts says what it is at, such as `Chiller.__init__ (c.py:14)`."""
        child = self._roster.alive(name, incarnation)
        if child is not None:
            child.doing = doing

    def overran(
        self, name: str, incarnation: int, member: str, now: float, *, stalls: bool, taken: bool
    ) -> None:
        """An operation has had its execution timeout.

        Args:
            name, incarnation, member: The worker, its life, and what was to run.
            now: Monotonic seconds.
            stalls, taken: Whether others have to wait for it; whether it was begun.
        """
        child = self._roster.alive(name, incarnation)
        if child is None or child.status not in SERVING or child.overrun:
            return
        reason = f"{member} {'overran' if taken else 'was not begun within'} its execution timeout"
        if stalls and Happening.OVERRUN in NEXT[child.status]:
            child.reason = f"{reason} and still runs" if taken else reason
            child.held = child.where = ""
            self._roster.move(child, Happening.OVERRUN, now)
            if child.spec.stall_limit is not None:
                self._roster.due(child, now + child.spec.stall_limit)
        if child.spec.restart_on_overrun and not child.is_to_stop:
            child.overrun = reason
            self._roster.fact("warning", f"{reason}: it is ended, to be restarted", name)
            self._end(child, now)

    def cut_short(self, name: str, reason: str, now: float) -> None:
        """A worker is to have another life: for want of health, or to end what it runs."""
        child = self.children[name]
        if child.status in SERVING and not child.is_to_stop and not child.overrun:
            child.overrun = reason
            self._end(child, now)

    def found(self, name: str, incarnation: int, *, held: str = "", where: str = "") -> None:
        """Evidence has come of a worker that was looked at; it counts while it is STALLED.

        Args:
            name: The worker.
            incarnation: The life that was looked at.
            held: What keeps it from running Python code, such as `GIL held`.
            where: Where in its driver it is, such as `in camera.py:88 expose`.
        """
        child = self._roster.alive(name, incarnation)
        if child is not None and child.status is Status.STALLED:
            child.held, child.where = held or child.held, where or child.where

    def recovered(self, name: str, incarnation: int, now: float) -> None:
        """The operation that kept others waiting has ended after all."""
        child = self._roster.alive(name, incarnation)
        if child is None or Happening.RECOVERY not in NEXT[child.status] or child.overrun:
            return
        told = f"what kept it has ended, {now - child.since:.1f} s after it was STALLED"
        child.reason = ""
        self._roster.move(child, Happening.RECOVERY, now, told)
        self._roster.fact("info", "takes operations again", name)

    def tick(self, now: float) -> None:
        """Do what is due."""
        for child in self.children.values():
            if child.deadline is None or child.deadline > now:
                continue
            if child.late is not None:
                self._ended(child, child.late, now)
            elif child.status is Status.BACKOFF:
                self._outcomes.await_turn(child, Happening.DELAY, now)
            elif child.status is Status.FAILED:
                self._begin_anew(child, now, Happening.DELAY)
            elif child.status is Status.STALLED and not child.ladder:
                self._end_stalled(child, now)
            elif child.ladder:
                told = endings.insisting(child, child.ladder[0][0])
                self._roster.fact("warning", told, child.spec.name)
                self._climb(child, now)
            else:
                self._look_at_start(child, now)
        self._advance(now)

    # -- how --------------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        """Start and tell to stop those whose turn has come."""
        for child in self.children.values():
            if child.status is Status.WAITING and self._may_start(child):
                self._launch(child, now)
            elif child.is_to_stop and may_stop(child, self.children):
                self._begin_stop(child, now)

    def _may_start(self, child: Child) -> bool:
        return (
            self.verdict is None  # else all is about to end
            and not child.securing
            and may_start(child, self.children)
            and not restarts.is_awaited(self._roster.strategy, child, self.children)
        )

    def _ended(self, child: Child, exit_: Exit, now: float) -> None:
        self._outcomes.ended(child, exit_, now)
        if child.secures:
            child.securing, child.securing_since = child.incarnation, now
            self._effects.append(Secure(child.spec.name, child.incarnation))
        self._advance(now)

    def _pass_verdict(self, child: Child, status: int) -> None:
        """A worker is FAILED that the rig can't do without."""
        if self.verdict is None and not self.closing:
            self.verdict = child.spec.name, status or 1

    def _begin_anew(self, child: Child, now: float, why: Happening = Happening.START) -> None:
        child.goal = Goal.RUN
        child.forget_failures()
        self._outcomes.await_turn(child, why, now)

    def _replace(self, child: Child) -> None:
        """Have another incarnation follow the one that is stopping."""
        child.goal = Goal.RESTART
        self._holder.hold(child.spec.name)

    def _launch(self, child: Child, now: float) -> None:
        child.incarnation += 1
        child.unbuilt = child.overrun = child.unstarted = child.doing = child.stopped_for = ""
        child.served = None
        child.slow = child.passing = child.outlived = False
        child.launched = now
        child.thread, child.secures = child.spec.thread, child.spec.secures
        follow(child, self.children)
        self._roster.move(child, Happening.TURN, now)
        self._roster.due(child, starts.next_look(child, now))
        self._effects.append(Launch(child.spec.name, child.incarnation))

    def _look_at_start(self, child: Child, now: float) -> None:
        """A start takes long: tell it, or end it if it takes too long."""
        name = child.spec.name
        if starts.is_overdue(child, now):
            child.reason = child.unstarted = starts.overdue(child)
            self._roster.fact("warning", f"{child.unstarted}: it is ended", name)
            self._end(child, now)
            return
        child.slow = True
        child.reason = starts.still_starting(child, self.children, now)
        self._roster.fact("warning", child.reason, name)
        self._roster.due(child, starts.next_look(child, now))
        self._outcomes.refuse_late(now)

    def _end_stalled(self, child: Child, now: float) -> None:
        """It had its time to recover."""
        child.overrun = f"was STALLED for {now - child.since:.1f} s: {starts.stalled(child)}"
        self._roster.fact(
            "warning", f"{child.overrun}: it is ended, to be restarted", child.spec.name
        )
        self._end(child, now)

    def _begin_stop(self, child: Child, now: float) -> None:
        if child.late is not None:
            self._ended(child, child.late, now)
            return
        self._roster.move(child, Happening.TOLD, now)
        self._ask_to_end(child, now, hold=child.goal is Goal.RESTART)

    def _ask_to_end(self, child: Child, now: float, *, hold: bool) -> None:
        child.ladder = endings.ladder(child, asked=True)
        reason = f"worker {child.spec.name!r} is stopping"
        if self._holder.ask_to_stop(child.spec.name, now, hold=hold, reason=reason):
            self._roster.due(child, now + child.ladder[0][1])
        else:
            self._climb(child, now)  # it can't be told over its link: signalled at once

    def _end(self, child: Child, now: float) -> None:
        """Have an incarnation end that has had its time, to be followed by another one."""
        if child.thread:
            self._ask_to_end(child, now, hold=True)
            return
        child.ladder = endings.ladder(child, asked=False)
        self._climb(child, now)

    def _climb(self, child: Child, now: float) -> None:
        how, _ = child.ladder.pop(0)
        self._roster.due(child, now + child.ladder[0][1] if child.ladder else None)
        self._effects.append(Signal(child.spec.name, how))

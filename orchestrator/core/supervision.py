"""The supervisor's core: which worker is to start, stop or be given up, and when.

No processes, clock or threads: it takes what happened and `now` (seconds, monotonic) and leaves
effects. The words are those of Erlang's supervisor: a permanent worker is always restarted, a
transient one after an abnormal exit, a temporary one never; more restarts than its intensity
allows, and it is given up. Which states follow each other is the table of `states`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from orchestrator.core import endings, starts
from orchestrator.core.children import Child, ChildSpec, Exit, may_start, may_stop
from orchestrator.core.contracts import Holder
from orchestrator.core.effects import Effects, Fact, Launch, Moved, Signal
from orchestrator.core.states import NEXT, RUNNING, SERVING, UP, Goal, Happening, Status


class Supervision:
    """Keeps the workers of a rig as their specifications say.

    Args:
        specs: The workers; `after` names others among them, without a cycle.
        effects: Where what is to be done is left.
        holder: Who holds the requests for them.

    Attributes:
        children: The workers, by name.
        closing: Whether all is to end.
        changes: Goes up with each change of a state.
    """

    def __init__(self, specs: Sequence[ChildSpec], effects: Effects, holder: Holder) -> None:
        self.children = {spec.name: Child(spec) for spec in specs}
        self.closing = False
        self.changes = 0
        self.effects = effects
        self._holder = holder
        self._changed = False  # whether `_next` is out of date
        self._next: float | None = None

    @property
    def next_deadline(self) -> float | None:
        """When `tick` is due; None while nothing has a deadline."""
        if self._changed:
            deadlines = [each.deadline for each in self.children.values()]
            self._next = min((each for each in deadlines if each is not None), default=None)
            self._changed = False
        return self._next

    @property
    def all_down(self) -> bool:
        """Whether no incarnation lives."""
        return not any(child.status in UP for child in self.children.values())

    # -- wishes ---------------------------------------------------------------------------

    def start(self, names: Iterable[str], now: float) -> None:
        """Have these workers run; those that do already are left alone."""
        if self.closing:
            return
        for child in map(self.children.__getitem__, names):
            if Happening.START in NEXT[child.status]:
                self._begin_anew(child, now)
            elif child.status is Status.STOPPING:
                self._replace(child)
            elif child.goal is Goal.STOP:
                child.goal = Goal.RUN  # a stop that hasn't begun is taken back
        self._advance(now)

    def stop(self, names: Iterable[str], now: float) -> None:
        """Have these workers stopped, each before those that it started after."""
        for child in map(self.children.__getitem__, names):
            child.goal = Goal.STOP
            if Happening.STOP in NEXT[child.status]:
                name = child.spec.name
                self._move(child, Happening.STOP, now)
                self._holder.lost(name, now, reason=f"worker {name!r} is stopped", holds=False)
        self._advance(now)

    def restart(self, names: Iterable[str], now: float) -> None:
        """Stop these workers and start them again; what waits for them is kept."""
        if self.closing:
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
        self.closing = True
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
                    self._move(child, Happening.TOLD, now)
                self._due(child, None)
                self.effects.append(Signal(child.spec.name, "kill"))

    # -- what happened --------------------------------------------------------------------

    def ready(self, name: str, incarnation: int, now: float) -> None:
        """An incarnation said that it is ready."""
        child = self._alive(name, incarnation)
        if child is None or Happening.READY not in NEXT[child.status] or child.unstarted:
            return
        seconds = round(now - child.since, 3)
        child.was_ready, child.reason, child.failures = True, "", 0
        self._move(child, Happening.READY, now)
        self._fact("info", "ready", name, seconds=seconds)
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
        self._due(child, now + endings.UNBUILT_GRACE)

    def exited(self, name: str, incarnation: int, exit_: Exit, now: float) -> None:
        """An incarnation is over, and so is all that it ran."""
        child = self._alive(name, incarnation)
        if child is None:
            return
        child.ladder = []
        stops = child.is_to_stop or child.status is Status.STOPPING
        if exit_.unusable and not child.unbuilt and not stops:
            # Its reason has arrived in this machine, but perhaps not yet in this process.
            child.late = exit_
            self._due(child, now + endings.REASON_WITHIN)
            return
        self._ended(child, exit_, now)

    def unlaunched(
        self, name: str, incarnation: int, reason: str, now: float, *, wants: bool = False
    ) -> None:
        """An incarnation couldn't be launched; for lack of something (`wants`) it is retried."""
        child = self._alive(name, incarnation)
        if child is None:
            return
        child.ladder = []
        if not wants:
            self._fact("error", reason, name, place=child.spec.place)
            self._give_up(child, reason, now)
        elif child.is_to_stop or child.status is Status.STOPPING:
            self._ended_on_request(child, Exit(reason, normal=False), now)
        elif Happening.LATER in NEXT[child.status]:
            self._try_later(child, reason, now)
        self._advance(now)

    def starting(self, name: str, incarnation: int, doing: str) -> None:
        """An incarnation that starts says what it is at, such as `Chiller.__init__ (c.py:14)`."""
        child = self._alive(name, incarnation)
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
        child = self._alive(name, incarnation)
        if child is None or child.status not in SERVING or child.overrun:
            return
        reason = f"{member} {'overran' if taken else 'was not begun within'} its execution timeout"
        if stalls and Happening.OVERRUN in NEXT[child.status]:
            child.reason = f"{reason} and still runs" if taken else reason
            self._move(child, Happening.OVERRUN, now)
        if child.spec.restart_on_overrun and not child.is_to_stop:
            child.overrun = reason
            self._fact("warning", f"{reason}: it is ended, to be restarted", name)
            self._end(child, now)

    def recovered(self, name: str, incarnation: int, now: float) -> None:
        """The operation that kept others waiting has ended after all."""
        child = self._alive(name, incarnation)
        if child is None or Happening.RECOVERY not in NEXT[child.status] or child.overrun:
            return
        child.reason = ""
        self._move(child, Happening.RECOVERY, now)
        self._fact("info", "takes operations again", name)

    def tick(self, now: float) -> None:
        """Do what is due."""
        for child in self.children.values():
            if child.deadline is None or child.deadline > now:
                continue
            if child.late is not None:
                self._ended(child, child.late, now)
            elif child.status is Status.BACKOFF:
                self._await_turn(child, Happening.DELAY, now)
            elif child.ladder:
                told = endings.insisting(child, child.ladder[0][0])
                self._fact("warning", told, child.spec.name)
                self._climb(child, now)
            else:
                self._look_at_start(child, now)
        self._advance(now)

    # -- how --------------------------------------------------------------------------------

    def _alive(self, name: str, incarnation: int) -> Child | None:
        """The worker, if this incarnation of it lives."""
        child = self.children.get(name)
        if child is None or incarnation != child.incarnation:
            return None
        return child if child.status in UP and child.late is None else None

    def _advance(self, now: float) -> None:
        """Start and tell to stop those whose turn has come."""
        for child in self.children.values():
            if child.status is Status.WAITING and may_start(child, self.children):
                self._launch(child, now)
            elif child.is_to_stop and may_stop(child, self.children):
                self._begin_stop(child, now)

    def _begin_anew(self, child: Child, now: float) -> None:
        child.goal = Goal.RUN
        child.forget_failures()
        self._await_turn(child, Happening.START, now)

    def _replace(self, child: Child) -> None:
        """Have another incarnation follow the one that is stopping."""
        child.goal = Goal.RESTART
        self._holder.hold(child.spec.name)

    def _await_turn(self, child: Child, why: Happening, now: float) -> None:
        self._move(child, why, now)
        self._holder.hold(child.spec.name)

    def _launch(self, child: Child, now: float) -> None:
        child.incarnation += 1
        child.unbuilt = child.overrun = child.unstarted = child.doing = ""
        child.slow = child.passing = False
        child.launched = now
        self._move(child, Happening.TURN, now)
        self._due(child, starts.next_look(child, now))
        self.effects.append(Launch(child.spec.name, child.incarnation))

    def _look_at_start(self, child: Child, now: float) -> None:
        """A start takes long: tell it, or end it if it takes too long."""
        name = child.spec.name
        if starts.is_overdue(child, now):
            child.reason = child.unstarted = starts.overdue(child)
            self._fact("warning", f"{child.unstarted}: it is ended", name)
            self._end(child, now)
            return
        child.slow = True
        child.reason = starts.still_starting(child, self.children, now)
        self._fact("warning", child.reason, name)
        self._due(child, starts.next_look(child, now))
        self._refuse_late(now)

    def _refuse_late(self, now: float) -> None:
        """Nobody has to wait to be told what a worker offers that isn't up for long."""
        for child in starts.late(self.children):
            standing = starts.standing(child, self.children, now)
            self._holder.refuse_descriptions(child.spec.name, standing)

    def _begin_stop(self, child: Child, now: float) -> None:
        if child.late is not None:
            self._ended(child, child.late, now)
            return
        self._move(child, Happening.TOLD, now)
        self._ask_to_end(child, now, hold=child.goal is Goal.RESTART)

    def _ask_to_end(self, child: Child, now: float, *, hold: bool) -> None:
        name = child.spec.name
        child.ladder = endings.ladder(child, asked=True)
        reason = f"worker {name!r} is stopping"
        if self._holder.ask_to_stop(name, now, hold=hold, reason=reason):
            self._due(child, now + child.ladder[0][1])
        else:
            self._climb(child, now)  # it can't be told over its link: signalled at once

    def _end(self, child: Child, now: float) -> None:
        """Have an incarnation end that has had its time, to be followed by another one."""
        if child.spec.thread:
            self._ask_to_end(child, now, hold=True)
            return
        child.ladder = endings.ladder(child, asked=False)
        self._climb(child, now)

    def _climb(self, child: Child, now: float) -> None:
        how, _ = child.ladder.pop(0)
        self._due(child, now + child.ladder[0][1] if child.ladder else None)
        self.effects.append(Signal(child.spec.name, how))

    def _ended(self, child: Child, exit_: Exit, now: float) -> None:
        child.late = None
        # Whose turn to stop hadn't come yet isn't wanted either: not a crash.
        if child.is_to_stop or child.status is Status.STOPPING:
            self._ended_on_request(child, exit_, now)
        elif child.unstarted and starts.may_be_retried(child):
            self._try_later(child, child.unstarted, now)
        elif child.unstarted:
            self._crashed(child, exit_, now)
        elif child.status is Status.STARTING and exit_.wants:
            self._try_later(child, exit_.text, now)
        elif child.status is Status.STARTING and child.passing and starts.may_be_retried(child):
            self._try_later(child, child.unbuilt, now)
        elif (child.unbuilt or exit_.unusable) and not child.was_ready:
            # A boot failure is not a crash: trying again would only repeat it.
            self._give_up(child, child.unbuilt or exit_.text, now)
        else:
            self._crashed(child, exit_, now)
        self._advance(now)

    def _ended_on_request(self, child: Child, exit_: Exit, now: float) -> None:
        name = child.spec.name
        again = child.goal is Goal.RESTART and not self.closing
        reason = f"worker {name!r} was stopped ({exit_.text})"
        self._holder.lost(name, now, reason=reason, holds=again)
        self._fact("info", "stopped", name, exit=exit_.text)
        child.reason = ""
        if again:
            child.goal = Goal.RUN
            child.restarts += 1
            self._await_turn(child, Happening.REPLACED, now)
        else:
            child.goal = Goal.STOP
            self._move(child, Happening.ENDED, now)

    def _crashed(self, child: Child, exit_: Exit, now: float) -> None:
        name, spec = child.spec.name, child.spec
        reason = child.overrun or child.unstarted or child.unbuilt or exit_.text
        child.reason = reason
        normal = exit_.normal and not (child.unbuilt or child.unstarted)
        if not child.overrun and (
            spec.restart == "temporary" or (spec.restart == "transient" and normal)
        ):
            if normal:
                self._fact("info", f"ended ({reason}), not restarted: {spec.restart}", name)
                child.goal = Goal.STOP
                self._move(child, Happening.DONE, now)
                told = f"worker {name!r} ended ({reason})"
                self._holder.lost(name, now, reason=told, holds=False)
            else:
                self._give_up(child, f"{reason}; not restarted: {spec.restart}", now)
            return
        delay = starts.crash_delay(child, now)
        if delay is None:
            self._give_up(child, f"{reason}; {starts.many_restarts(child)}", now)
            return
        child.restarts += 1
        self._fact("error", f"{reason}; restart in {delay:g} s", name)
        self._move(child, Happening.CRASH, now)
        self._due(child, now + delay)
        self._holder.lost(name, now, reason=f"worker {name!r} died ({reason})", holds=True)

    def _try_later(self, child: Child, reason: str, now: float) -> None:
        """A start has failed for now, which isn't a crash: it is tried again without end."""
        name = child.spec.name
        child.failures += 1
        child.restarts += 1
        child.reason = reason
        delay = starts.retry_delay(child.failures)
        self._fact("error", f"{reason}; next start in {delay:g} s", name, place=child.spec.place)
        self._move(child, Happening.LATER, now)
        self._due(child, now + delay)
        self._holder.lost(name, now, reason=f"worker {name!r}: {reason}", holds=True)
        self._refuse_late(now)

    def _give_up(self, child: Child, reason: str, now: float) -> None:
        name = child.spec.name
        child.reason, child.goal = reason, Goal.STOP
        self._move(child, Happening.GIVEN_UP, now)
        self._fact("error", f"failed: {reason}", name, place=child.spec.place)
        self._holder.lost(name, now, reason=f"worker {name!r} is FAILED: {reason}", holds=False)

    def _move(self, child: Child, happening: Happening, now: float) -> None:
        was, child.status = child.status, NEXT[child.status][happening]
        self.effects.append(
            Moved(child.spec.name, child.incarnation, str(was), str(child.status), child.reason)
        )
        child.since = now
        self.changes += 1
        self._due(child, None)

    def _due(self, child: Child, deadline: float | None) -> None:
        child.deadline = deadline
        self._changed = True

    def _fact(self, level: str, text: str, worker: str, **fields: Any) -> None:
        self.effects.append(Fact(level, text, {"worker": worker, **fields}))

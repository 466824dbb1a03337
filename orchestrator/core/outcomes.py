"""What follows the end of an incarnation: another one, now or later, or none.

Pure: which it is depends on how it ended, on what was wanted of the worker, and on its
specification. The words are those of Erlang's supervisor: a permanent worker is always restarted, a
transient one after an abnormal exit, a temporary one never; more restarts than its intensity
allows, and it is given up.
"""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.core import restarts, starts
from orchestrator.core.children import Child, Exit
from orchestrator.core.contracts import Holder
from orchestrator.core.restarts import Chance
from orchestrator.core.roster import Roster
from orchestrator.core.states import SERVING, Goal, Happening, Status


class Outcomes:
    """Decides what follows each end.

    Args:
        roster: The workers' states.
        holder: Who holds the requests for them.
        chance: For the pauses before restarts.
        failed: Is told of a worker that is FAILED and was required, with its exit status.
    """

    def __init__(
        self,
        roster: Roster,
        holder: Holder,
        *,
        chance: Chance,
        failed: Callable[[Child, int], None],
    ) -> None:
        self._roster = roster
        self._holder = holder
        self._chance = chance
        self._failed = failed

    def await_turn(self, child: Child, why: Happening, now: float) -> None:
        """A worker is to start when those before it have settled; requests for it may queue."""
        self._roster.move(child, why, now)
        self._holder.hold(child.spec.name)

    def ended(self, child: Child, exit_: Exit, now: float) -> None:
        """An incarnation has ended, and its reason is known as far as it ever will be."""
        child.late = None
        # Whose turn to stop hadn't come yet isn't wanted either: not a crash.
        if child.is_to_stop or child.status is Status.STOPPING:
            self.ended_on_request(child, exit_, now)
        elif child.unstarted and starts.may_be_retried(child):
            self.try_later(child, child.unstarted, now)
        elif child.unstarted:
            self._crashed(child, exit_, now)
        elif child.status is Status.STARTING and exit_.wants:
            self.try_later(child, exit_.text, now)
        elif child.status is Status.STARTING and child.passing and starts.may_be_retried(child):
            self.try_later(child, child.unbuilt, now)
        elif (child.unbuilt or exit_.unusable) and not child.was_ready:
            # A boot failure is not a crash: trying again would only repeat it.
            self.give_up(child, child.unbuilt or exit_.text, now, exit_.status)
        else:
            self._crashed(child, exit_, now)

    def ended_on_request(self, child: Child, exit_: Exit, now: float) -> None:
        """An incarnation has ended that was to; another one follows if that is wanted."""
        name = child.spec.name
        again = child.goal is Goal.RESTART and not self._roster.closing
        reason = f"worker {name!r} was stopped ({child.stopped_for or exit_.text})"
        self._holder.lost(name, now, reason=reason, holds=again)
        self._roster.fact("info", "stopped", name, exit=exit_.text)
        child.reason = "" if again else child.stopped_for
        if again:
            child.goal = Goal.RUN
            child.restarts += 1
            self.await_turn(child, Happening.REPLACED, now)
        else:
            child.goal = Goal.STOP
            self._roster.move(child, Happening.ENDED, now, child.stopped_for or exit_.text)

    def _crashed(self, child: Child, exit_: Exit, now: float) -> None:
        name, spec = child.spec.name, child.spec
        reason = child.overrun or child.unstarted or child.unbuilt or exit_.text
        child.fails(reason, now)
        normal = exit_.normal and not (child.unbuilt or child.unstarted)
        if not child.overrun and (
            spec.restart == "temporary" or (spec.restart == "transient" and normal)
        ):
            if normal:
                self._roster.fact("info", f"ended ({reason}), not restarted: {spec.restart}", name)
                child.goal = Goal.STOP
                self._roster.move(child, Happening.DONE, now)
                told = f"worker {name!r} ended ({reason})"
                self._holder.lost(name, now, reason=told, holds=False)
            else:
                text = f"{reason}; not restarted: {spec.restart}"
                self.give_up(child, text, now, exit_.status)
            return
        served = child.status in SERVING
        delay = restarts.crash_delay(child, now, self._chance)
        if delay is None:
            text = f"{reason}; {restarts.many_restarts(child)}"
            self.give_up(child, text, now, exit_.status)
        else:
            child.restarts += 1
            self._roster.fact("error", f"{reason}; restart in {delay:.3g} s", name)
            self._roster.move(child, Happening.CRASH, now)
            self._roster.due(child, now + delay)
            self._holder.lost(name, now, reason=f"worker {name!r} died ({reason})", holds=True)
        if served:  # else nobody relies on it yet, or again
            self._restart_companions(child)

    def _restart_companions(self, dead: Child) -> None:
        name = dead.spec.name
        strategy = self._roster.strategy
        for child in restarts.companions(strategy, dead, self._roster.children):
            child.outlived = True
            if child.goal is not Goal.RUN:
                continue
            child.goal = Goal.RESTART
            text = f"is restarted, as {name} has died: {strategy}"
            self._roster.fact("warning", text, child.spec.name)

    def try_later(self, child: Child, reason: str, now: float) -> None:
        """A start has failed for now, which isn't a crash: it is tried again without end."""
        name = child.spec.name
        child.failures += 1
        child.restarts += 1
        child.fails(reason, now)
        delay = starts.retry_delay(child.failures)
        told = f"{reason}; next start in {delay:g} s"
        self._roster.fact("error", told, name, place=child.spec.place)
        self._roster.move(child, Happening.LATER, now)
        self._roster.due(child, now + delay)
        self._holder.lost(name, now, reason=f"worker {name!r}: {reason}", holds=True)
        self.refuse_late(now)

    def refuse_late(self, now: float) -> None:
        """Nobody has to wait to be told what a worker offers that isn't up for long."""
        children = self._roster.children
        for child in starts.late(children):
            standing = starts.standing(child, children, now)
            self._holder.refuse_descriptions(child.spec.name, standing)

    def give_up(self, child: Child, reason: str, now: float, status: int) -> None:
        """A worker won't be tried again, or only after a long pause.

        Args:
            child: The worker.
            reason: Why.
            now: Monotonic seconds.
            status: Exit status of its last life.
        """
        name, spec = child.spec.name, child.spec
        child.fails(reason, now)
        child.goal = Goal.STOP
        self._roster.move(child, Happening.GIVEN_UP, now)
        self._roster.fact("error", f"failed: {reason}", name, place=spec.place)
        self._holder.lost(name, now, reason=f"worker {name!r} is FAILED: {reason}", holds=False)
        if spec.required:
            self._failed(child, status)
        elif spec.retry_failed is not None and not self._roster.closing:
            self._roster.due(child, now + spec.retry_failed)

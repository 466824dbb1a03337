"""The supervisor's core: which worker is to start, stop or be given up, and when.

No processes, clock or threads: it takes what happened and `now` (seconds, monotonic) and leaves
effects. The words are those of Erlang's supervisor: a permanent worker is always restarted, a
transient one after an abnormal exit, a temporary one never; more restarts than its intensity
allows, and it is given up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from orchestrator.core.children import RUNNING, SERVING, UP, Exit, Life, Plan, Status
from orchestrator.core.effects import AskToStop, Effect, Fact, Hold, Launch, Lost, Terminate

BACKOFF_FIRST = 0.1
BACKOFF_MOST = 5.0
STOP_LADDER = (("term", 3.0), ("wake", 1.0), ("kill", 1.0))
"""How a worker that should stop is made to: the signal, and seconds to wait before it."""
END_LADDER = (("term", 0.0), *STOP_LADDER[1:])
"""The same for one that can't be asked, since an operation doesn't end."""
UNBUILT_GRACE = 2.0
"""Seconds for a worker that reported a failed build to exit by itself."""


class Supervision:
    """Keeps the workers of a rig as their plans say.

    Args:
        plans: The workers; `after` names others among them, without a cycle.
    """

    def __init__(self, plans: Sequence[Plan]) -> None:
        self.lives = {plan.name: Life(plan) for plan in plans}
        self.closing = False
        self._changed = False  # whether `_next` is out of date
        self._next: float | None = None
        self.effects: list[Effect] = []

    def take_effects(self) -> list[Effect]:
        """The effects since the last call, in order."""
        effects, self.effects = self.effects, []
        return effects

    @property
    def next_deadline(self) -> float | None:
        """When `tick` is due; None while nothing has a deadline."""
        if self._changed:
            deadlines = [each.deadline for each in self.lives.values() if each.deadline is not None]
            self._next = min(deadlines, default=None)
            self._changed = False
        return self._next

    @property
    def all_down(self) -> bool:
        """Whether no incarnation lives."""
        return not any(life.status in UP for life in self.lives.values())

    # -- wishes ---------------------------------------------------------------------------

    def start(self, names: Iterable[str], now: float) -> None:
        """Have these workers run; those that do already are left alone."""
        for name in names:
            life = self.lives[name]
            if self.closing:
                return
            life.wanted = True
            if life.status in (Status.STOPPED, Status.FAILED, Status.BACKOFF):
                life.history.clear()
                self._await_turn(life, now)
            elif life.status is Status.STOPPING:
                life.stopping_hold = True
                self.effects.append(Hold(name))
            elif not life.stopping_hold:
                life.asked_to_stop = False  # a stop that hasn't begun is taken back
        self._advance(now)

    def stop(self, names: Iterable[str], now: float) -> None:
        """Have these workers stopped, each before those that it started after."""
        for name in names:
            life = self.lives[name]
            life.wanted = False
            life.stopping_hold = False
            if life.status in (Status.WAITING, Status.BACKOFF):
                self._become(life, Status.STOPPED, now)
                self.effects.append(Lost(name, f"worker {name!r} is stopped", holds=False))
            elif life.status in RUNNING:
                life.asked_to_stop = True
        self._advance(now)

    def restart(self, names: Iterable[str], now: float) -> None:
        """Stop these workers and start them again; what waits for them is kept."""
        for name in names:
            life = self.lives[name]
            if self.closing:
                return
            life.wanted = True
            if life.status in RUNNING:
                life.asked_to_stop = True
                life.stopping_hold = True
            elif life.status is Status.STOPPING:
                life.stopping_hold = True
                self.effects.append(Hold(name))
            else:
                life.history.clear()
                self._await_turn(life, now)
        self._advance(now)

    def shut_down(self, now: float) -> None:
        """Stop everything, in reverse order of start."""
        self.closing = True
        self.stop(list(self.lives), now)

    def kill(self, now: float) -> None:
        """Shut down without waiting for anybody."""
        self.shut_down(now)
        for life in self.lives.values():
            if life.status in UP:
                life.ladder = []
                life.asked_to_stop = False
                self._become(life, Status.STOPPING, now)
                self.effects.append(Terminate(life.plan.name, "kill"))

    # -- what happened --------------------------------------------------------------------

    def ready(self, name: str, incarnation: int, now: float) -> None:
        """An incarnation said that it is ready."""
        life = self.lives[name]
        if incarnation != life.incarnation or life.status is not Status.STARTING:
            return
        seconds = round(now - life.since, 3)
        life.was_ready = True
        life.reason = ""
        self._become(life, Status.READY, now)
        self._fact("info", "ready", name, seconds=seconds)
        self._advance(now)

    def unbuilt(
        self, name: str, incarnation: int, stage: str, exception: dict[str, Any], now: float
    ) -> None:
        """An incarnation said that its driver couldn't be built; it exits by itself."""
        life = self.lives[name]
        if incarnation != life.incarnation or life.status not in UP:
            return
        what = {"import": "couldn't be imported", "build": "couldn't be built"}
        kind, message = exception.get("type", "Exception"), str(exception.get("message", ""))
        if kind == "RuntimeError" and message.startswith(_NO_ERRORS):
            text = message  # as a client would get what is no Exception, with the type before it
        else:
            text = f"{kind}: {message}"
        life.unbuilt = f"its driver {what.get(stage, 'is unusable')}: {text}"
        life.ladder = [("kill", 0.0)]
        self._due(life, now + UNBUILT_GRACE)

    def exited(self, name: str, incarnation: int, exit_: Exit, now: float) -> None:
        """An incarnation is over, and so is all that it ran."""
        life = self.lives[name]
        if incarnation != life.incarnation or life.status not in UP:
            return
        # Whose turn to stop hadn't come yet isn't wanted either: not a crash.
        stopping = life.status is Status.STOPPING or life.asked_to_stop
        life.asked_to_stop = False
        life.ladder = []
        if stopping:
            self._ended_on_request(life, exit_, now)
        elif (life.unbuilt or exit_.unusable) and not life.was_ready:
            # A boot failure is not a crash: trying again would only repeat it.
            self._give_up(life, life.unbuilt or exit_.text, now)
        else:
            self._crashed(life, exit_, now)
        self._advance(now)

    def unlaunched(self, name: str, incarnation: int, reason: str, now: float) -> None:
        """An incarnation couldn't even be started."""
        life = self.lives[name]
        if incarnation != life.incarnation or life.status not in UP:
            return
        life.asked_to_stop = False
        life.ladder = []
        self._fact("error", reason, name, place=life.plan.place)
        self._give_up(life, reason, now)
        self._advance(now)

    def overran(
        self, name: str, incarnation: int, member: str, now: float, *, stalls: bool
    ) -> None:
        """An operation ran past its execution timeout.

        Args:
            name: The worker.
            incarnation: The life that runs it.
            member: What runs.
            now: Monotonic seconds.
            stalls: Whether other operations have to wait for its end.
        """
        life = self.lives[name]
        if incarnation != life.incarnation or life.status not in SERVING or life.overrun:
            return
        reason = f"{member} overran its execution timeout"
        if stalls and life.status is Status.READY:
            self._become(life, Status.STALLED, now)
            life.reason = f"{reason} and still runs"
        if life.plan.restart_on_overrun and not life.asked_to_stop:
            life.overrun = reason
            life.ladder = list(END_LADDER)
            self._fact("warning", f"{reason}: it is ended, to be restarted", name)
            self._climb(life, now)

    def recovered(self, name: str, incarnation: int, now: float) -> None:
        """The operation that kept others waiting has ended after all."""
        life = self.lives[name]
        if incarnation == life.incarnation and life.status is Status.STALLED and not life.overrun:
            life.reason = ""
            self._become(life, Status.READY, now)
            self._fact("info", "takes operations again", name)

    def tick(self, now: float) -> None:
        """Do what is due."""
        for life in self.lives.values():
            if life.deadline is None or life.deadline > now:
                continue
            if life.status is Status.BACKOFF:
                self._await_turn(life, now)
            elif life.ladder:
                self._step(life, now)
            else:
                self._due(life, None)
        self._advance(now)

    # -- how --------------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        for life in self.lives.values():
            if life.status is Status.WAITING and self._may_start(life):
                self._launch(life, now)
            elif life.asked_to_stop and self._may_stop(life):
                self._begin_stop(life, now)

    def _may_start(self, life: Life) -> bool:
        return all(self.lives[name].settled for name in life.plan.after)

    def _may_stop(self, life: Life) -> bool:
        """Whether no worker that started after this one, and is to stop too, still lives."""
        return not any(
            life.plan.name in other.plan.after
            and (other.asked_to_stop or other.status is Status.STOPPING)
            for other in self.lives.values()
        )

    def _await_turn(self, life: Life, now: float) -> None:
        self._become(life, Status.WAITING, now)
        self.effects.append(Hold(life.plan.name))

    def _launch(self, life: Life, now: float) -> None:
        life.incarnation += 1
        life.unbuilt = life.overrun = ""
        life.launched = now
        self._become(life, Status.STARTING, now)
        self.effects.append(Launch(life.plan.name, life.incarnation))

    def _begin_stop(self, life: Life, now: float) -> None:
        life.asked_to_stop = False
        self._become(life, Status.STOPPING, now)
        life.ladder = list(STOP_LADDER)
        self._due(life, now + life.ladder[0][1])
        self.effects.append(AskToStop(life.plan.name, life.stopping_hold))

    def _step(self, life: Life, now: float) -> None:
        self._fact("warning", f"doesn't stop, sent {_SIGNALS[life.ladder[0][0]]}", life.plan.name)
        self._climb(life, now)

    def _climb(self, life: Life, now: float) -> None:
        how, _ = life.ladder.pop(0)
        self._due(life, now + life.ladder[0][1] if life.ladder else None)
        self.effects.append(Terminate(life.plan.name, how))

    def untold(self, name: str, now: float) -> None:
        """A worker that should stop couldn't be told over its link: signal it now."""
        life = self.lives[name]
        if life.status is Status.STOPPING and len(life.ladder) == len(STOP_LADDER):
            self._climb(life, now)

    def _ended_on_request(self, life: Life, exit_: Exit, now: float) -> None:
        name = life.plan.name
        again = life.wanted and not self.closing
        self.effects.append(Lost(name, f"worker {name!r} was stopped ({exit_.text})", again))
        self._fact("info", "stopped", name, exit=exit_.text)
        life.stopping_hold = False
        life.reason = ""
        if again:
            life.restarts += 1
            self._await_turn(life, now)
        else:
            self._become(life, Status.STOPPED, now)

    def _crashed(self, life: Life, exit_: Exit, now: float) -> None:
        name, plan = life.plan.name, life.plan
        reason = life.overrun or life.unbuilt or exit_.text
        life.reason = reason
        normal = exit_.normal and not life.unbuilt
        if not life.overrun and (
            plan.restart == "temporary" or (plan.restart == "transient" and normal)
        ):
            if normal:
                self._fact("info", f"ended ({reason}), not restarted: {plan.restart}", name)
                life.wanted = False
                self._become(life, Status.STOPPED, now)
                self.effects.append(Lost(name, f"worker {name!r} ended ({reason})", False))
            else:
                self._give_up(life, f"{reason}; not restarted: {plan.restart}", now)
            return
        while life.history and life.history[0] <= now - plan.period:
            life.history.popleft()
        if len(life.history) >= plan.intensity:
            count = f"{plan.intensity} restart{'s'[: plan.intensity != 1]}"
            self._give_up(life, f"{reason}; given up after {count} in {plan.period:g} s", now)
            return
        life.history.append(now)
        life.restarts += 1
        doublings = min(len(life.history) - 1, 16)  # a float has no room for thousands
        delay = min(BACKOFF_FIRST * 2**doublings, BACKOFF_MOST)
        self._fact("error", f"{reason}; restart in {delay:g} s", name)
        self._become(life, Status.BACKOFF, now)
        self._due(life, now + delay)
        self.effects.append(Lost(name, f"worker {name!r} died ({reason})", True))

    def _give_up(self, life: Life, reason: str, now: float) -> None:
        name = life.plan.name
        life.reason = reason
        life.wanted = False
        self._become(life, Status.FAILED, now)
        self._fact("error", f"failed: {reason}", name, place=life.plan.place)
        self.effects.append(Lost(name, f"worker {name!r} is FAILED: {reason}", False))

    def _become(self, life: Life, status: Status, now: float) -> None:
        life.status = status
        life.since = now
        self._due(life, None)

    def _due(self, life: Life, deadline: float | None) -> None:
        life.deadline = deadline
        self._changed = True

    def _fact(self, level: str, text: str, worker: str, **fields: Any) -> None:
        self.effects.append(Fact(level, text, {"worker": worker, **fields}))


_NO_ERRORS = ("SystemExit", "KeyboardInterrupt", "GeneratorExit")
_SIGNALS = {"term": "SIGTERM", "wake": "SIGCONT and SIGTERM", "kill": "SIGKILL"}

"""Alarms: whether values that workers poll are beyond their limits, and whether that is known.

Pure. Workers tell what they read of the properties that are watched; only readings decide, and
between two of them nothing is guessed. What isn't known any more is `stale`, which is a state of
its own: an alarm that was raised stays raised until a reading clears it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum

import msgspec

from orchestrator.core.effects import Alarmed, Effects, Fact
from orchestrator.core.queues import earliest
from transports.errors import ProtocolError
from transports.link import Polled, Watch


class State(StrEnum):
    """What is known of a watched value."""

    OK = "ok"
    PENDING = "pending"  # beyond, but not for as long as it takes
    RAISED = "raised"
    STALE = "stale"


class Alarm(msgspec.Struct, frozen=True):
    """When there is an alarm about a property's value.

    Attributes:
        above: Beyond this it is too high; None for no limit.
        below: Beyond this it is too low; None for no limit.
        lasting: Seconds over which all readings must be beyond.
        least: From here on it is high enough again; None for no limit.
        most: Up to here it is low enough again; None for no limit.
        stale: Seconds without a reading after which it isn't known any more.
        level: Of the record that tells of it: `warning` or `error`.
        secures: Workers that are stopped and whose devices are made safe when it begins.
    """

    above: float | None = None
    below: float | None = None
    lasting: float = 0.0
    least: float | None = None
    most: float | None = None
    stale: float = 10.0
    level: str = "error"
    secures: tuple[str, ...] = ()

    def beyond(self, value: float) -> str:
        """The limit that a value is beyond, such as `above 60`; empty if there is none."""
        if self.above is not None and value > self.above:
            return f"above {self.above:g}"
        if self.below is not None and value < self.below:
            return f"below {self.below:g}"
        return ""

    def clears(self, value: float) -> bool:
        """Whether a value ends an alarm."""
        high = self.most is not None and value > self.most
        low = self.least is not None and value < self.least
        return not (high or low)


class Watched:
    """One value that is watched.

    Attributes:
        alarm: When there is an alarm.
        state: What is known of it.
        since: When that began, monotonic; of a raised alarm, when that began, whatever wasn't known
            in between.
        raised: Whether there is an alarm, be it that the value isn't known by now.
        reason: What the state comes of.
        value: The last reading; None before the first.
        read: When that was, monotonic.
    """

    def __init__(self, alarm: Alarm, now: float) -> None:
        self.alarm = alarm
        self.state = State.STALE
        self.since = now
        self.raised = False
        self.reason = "it wasn't read yet"
        self.value: float | None = None
        self.read = now
        self.beyond_since: float | None = None
        self.raised_at = now  # when the alarm began, if there is one
        self.fault = ""  # why it couldn't be read since
        self.is_told = False  # that it is stale
        self.due: float | None = None  # when it is stale unless it is read


class Alarms:
    """Watches values of the workers of a rig.

    Args:
        alarms: What is watched, by worker and property.
        tell: Tells a worker something, if it can be told now.
        effects: Where alarms are told.
        trip: Has workers stopped and made safe: their names, why, and when that was.

    Attributes:
        next_deadline: When `tick` is due; None while nothing can become stale.
    """

    def __init__(
        self,
        alarms: Mapping[str, Mapping[str, Alarm]],
        tell: Callable[[str, Watch], bool],
        effects: Effects,
        trip: Callable[[Sequence[str], str, float], None] = lambda names, reason, now: None,
    ) -> None:
        self._tell = tell
        self._trip = trip
        self._effects = effects
        self._workers: dict[str, dict[str, Watched]] = {}
        self._up: set[str] = set()  # those that are ready
        self.next_deadline: float | None = None
        for worker, its in alarms.items():
            self._workers[worker] = {name: Watched(alarm, 0.0) for name, alarm in its.items()}

    def of(self, worker: str) -> Mapping[str, Watched]:
        """What is watched of a worker, by property."""
        return self._workers.get(worker, {})

    # -- inputs ---------------------------------------------------------------------------

    def ready(self, worker: str, now: float) -> None:
        """A worker is ready: it is to tell what it reads."""
        self._up.add(worker)
        watched = self._workers.get(worker)
        if not watched:
            return
        for each in watched.values():
            each.is_told = False
            if each.value is None:
                each.since = now
            self._await(each, now)
        self._tell(worker, Watch(tuple(watched)))

    def ended(self, worker: str, now: float) -> None:
        """A worker's life is over: nothing is known of its values."""
        self._up.discard(worker)
        for name, each in self.of(worker).items():
            each.due = None
            self._lose(worker, name, each, "its worker has ended", now)

    def read(self, worker: str, polled: Polled, now: float) -> None:
        """A worker tells what it has read, or why it couldn't.

        Raises:
            ProtocolError: It tells no number as one.
        """
        watched = self.of(worker).get(polled.name)
        if watched is None:
            return  # it isn't watched any more, which the worker didn't know then
        if not polled.value or math.isnan(value := _number(polled.value)):
            watched.fault = polled.fault or "it is NaN"
            if polled.is_final:
                self._lose(worker, polled.name, watched, watched.fault, now)
            return
        watched.value, watched.read, watched.fault = value, now, ""
        self._await(watched, now)
        self._judge(worker, polled.name, watched, value, now)

    def change(self, worker: str, alarms: Mapping[str, Alarm], now: float) -> None:
        """Watch other properties of a worker, or by other limits, from their next reading on."""
        before = self._workers.get(worker, {})
        if {name: each.alarm for name, each in before.items()} == dict(alarms):
            return
        after: dict[str, Watched] = {}
        for name, alarm in alarms.items():
            after[name] = before.get(name) or Watched(alarm, now)
            after[name].alarm = alarm
        for name, each in before.items():
            if name not in alarms and each.raised:
                text = f"alarm: {name} isn't watched any more, it was {each.reason}"
                self._effects.append(Fact("warning", text, {"worker": worker}))
        if after:
            self._workers[worker] = after
        else:
            self._workers.pop(worker, None)
        if worker in self._up and after:
            self.ready(worker, now)
        elif worker in self._up:
            self._tell(worker, Watch(()))

    def tick(self, now: float) -> None:
        """Tell what has become stale."""
        if self.next_deadline is None or now < self.next_deadline:
            return
        for worker, name, each in self._all():
            if each.due is not None and each.due <= now:
                each.due = None
                fault = each.fault or "it wasn't read"
                reason = f"no value for {each.alarm.stale:g} s: {fault}"
                self._lose(worker, name, each, reason, now)
        self.next_deadline = earliest(*(each.due for _, _, each in self._all()))

    # -- how ------------------------------------------------------------------------------

    def _all(self) -> Iterator[tuple[str, str, Watched]]:
        for worker, watched in self._workers.items():
            for name, each in watched.items():
                yield worker, name, each

    def _await(self, watched: Watched, now: float) -> None:
        # A deadline moves on with each reading; that the next look comes early costs nothing.
        watched.due = now + watched.alarm.stale
        self.next_deadline = earliest(self.next_deadline, watched.due)

    def _judge(self, worker: str, name: str, watched: Watched, value: float, now: float) -> None:
        alarm, was, was_raised = watched.alarm, watched.state, watched.raised
        limit, told = alarm.beyond(value), f"{value:g}"
        if was_raised:
            state = State.OK if alarm.clears(value) else State.RAISED
        elif limit:
            if watched.beyond_since is None:
                watched.beyond_since = now
            lasted = now - watched.beyond_since >= alarm.lasting
            state = State.RAISED if lasted else State.PENDING
        else:
            state = State.OK
        if not limit:
            watched.beyond_since = None
        if state is State.RAISED:
            watched.reason = f"{told}, {limit or 'not cleared yet'}"
        else:
            watched.reason = f"{told}, {limit}" if limit else told
        if state is was:
            return
        was_told, lasted_for = watched.is_told, now - watched.raised_at
        if state is State.RAISED and not was_raised:
            watched.raised_at = now
        watched.state, watched.is_told = state, False
        watched.raised = state is State.RAISED
        watched.since = watched.raised_at if watched.raised else now
        if state is State.RAISED and was_raised:
            self._emit(worker, name, watched, was, alarm.level, f"is still {watched.reason}")
        elif state is State.RAISED:
            lasting = f" for {alarm.lasting:g} s" if alarm.lasting else ""
            text = f"is {watched.reason}{lasting}"
            self._emit(worker, name, watched, was, alarm.level, text, is_new=True)
            if alarm.secures:
                self._trip(alarm.secures, f"alarm: {worker}.{name} {text}", now)
        elif was_raised:
            text = f"is {told} again after {lasted_for:.1f} s: cleared"
            self._emit(worker, name, watched, was, "info", text)
        elif was is State.STALE and was_told:
            self._emit(worker, name, watched, was, "info", f"is known again: {told}")

    def _lose(self, worker: str, name: str, watched: Watched, reason: str, now: float) -> None:
        """A value isn't known any more, or still isn't; that is told once."""
        was = watched.state
        watched.beyond_since, watched.reason = None, reason
        if was is State.STALE and watched.is_told:
            return
        watched.is_told = True
        if was is not State.STALE:
            watched.state, watched.since = State.STALE, now
        # That a worker has ended is told by those that see to it.
        is_quiet = worker not in self._up and not watched.raised
        kept = "; its alarm stays" if watched.raised else ""
        text = f"isn't known: {reason}{kept}"
        self._emit(worker, name, watched, was, "info" if is_quiet else "warning", text)

    def _emit(
        self,
        worker: str,
        name: str,
        watched: Watched,
        was: State,
        level: str,
        text: str,
        *,
        is_new: bool = False,
    ) -> None:
        about = {"worker": worker, "alarm": name, "state": str(watched.state)}
        self._effects.append(Fact(level, f"alarm: {name} {text}", about))
        self._effects.append(
            Alarmed(
                worker=worker,
                member=name,
                was=str(was),
                state=str(watched.state),
                raised=watched.raised,
                value=watched.value,
                reason=watched.reason,
                is_new=is_new,
            )
        )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ProtocolError(f"polled value: {error}") from error

"""Properties that are read at a pace: when, by whom, and what they were last."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any, NamedTuple

from transports import terms
from transports.link import Polled
from workers import forks
from workers.driver.describe import PROPERTY, Description
from workers.driver.fitter import is_array
from workers.errors import Terminated
from workers.failures import Refused, strip, summary

log = logging.getLogger("workers")

_CHANGING = (list, dict, set, bytearray)
"""Types of values that a driver may go on changing after it gave them."""


class Last(NamedTuple):
    """What a polled property was when it was last read.

    Attributes:
        value: The last good value.
        time: When it was read, in seconds since the epoch; 0 before the first.
        error: Why it can't be read since; empty while it can.
    """

    value: Any
    time: float
    error: str


class Poller:
    """Reads properties when it is told to, and keeps their last values for any thread.

    Args:
        description: The worker's members; those that are polled are marked.
        read: Reads a property.
        worker: Name of the worker, for errors.
    """

    def __init__(self, description: Description, read: Callable[[str], Any], worker: str) -> None:
        polled = {
            name: (affordance[terms.POLL], bool(affordance.get(terms.CONCURRENT)))
            for name, affordance in description[PROPERTY].items()
            if terms.POLL in affordance
        }
        self.queued = Schedule(
            {name: each for name, (each, beside) in polled.items() if not beside}
        )
        self.beside = Schedule({name: each for name, (each, apart) in polled.items() if apart})
        self._last = dict.fromkeys(polled, Last(None, 0.0, ""))
        self._read = read
        self._worker = worker
        self._watched: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        """The polled properties."""
        return [*self._last]

    def watch(self, names: Iterable[str]) -> list[Polled]:
        """Tell the rig of these from now on; what is known of them already."""
        self._watched = frozenset(names)
        return [told for name in names if (told := self._told(name)) is not None]

    def poll(self, name: str) -> Polled | None:
        """Read a property now. What it raises is told once, until it can be read again.

        Returns:
            What is to be told to the rig of it, if the rig watches it.

        Raises:
            Terminated: The supervisor ends the process by a signal.
        """
        last = self._last[name]
        try:
            value = self._read(name)
            forks.end_child()
        except Terminated:
            raise
        except BaseException as error:  # the driver may raise anything, SystemExit included
            forks.end_child(error)
            strip(error)
            if not last.error:
                log.warning("%s can't be polled", name, exc_info=error)
            self._last[name] = last._replace(error=summary(error))
            return self._told(name)
        if last.error:
            log.info("%s can be polled again", name)
        if isinstance(value, _CHANGING) or is_array(value):
            value = copy.deepcopy(value)
        self._last[name] = Last(value, time.time(), "")
        return self._told(name)

    def _told(self, name: str) -> Polled | None:
        last = self._last.get(name)
        if last is None or name not in self._watched:
            return None
        if last.error or not last.time:
            return Polled(name, fault=last.error or "it wasn't read yet")
        number = as_number(last.value)
        if number is None:
            kind = type(last.value).__name__
            return Polled(name, fault=f"it is no number, but of type {kind}", is_final=True)
        return Polled(name, repr(number))

    def cached(self, name: str) -> tuple[dict[str, Any], Any]:
        """The last value of a property, after its time and what kept it from being read since.

        Raises:
            Refused: It isn't polled, or couldn't be read yet.
        """
        last = self._last.get(name) if isinstance(name, str) else None
        if last is None:
            raise Refused(
                "AttributeError",
                f"{self._worker} doesn't poll {name!r:.80}; name it in the config's poll",
            )
        if not last.time:
            raise Refused(
                "LookupError", f"{self._worker}.{name} couldn't be read yet: {last.error}"
            )
        return {"time": last.time, "error": last.error}, last.value


def as_number(value: Any) -> float | None:
    """A value as a number that limits are compared with; None if it is none, as a bool is."""
    if is_array(value) and not value.shape:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return None
    try:
        return float(value)
    except OverflowError:
        return -math.inf if str(value).startswith("-") else math.inf


class Schedule:
    """When properties are due; for one thread.

    Args:
        intervals: Seconds between two reads, by name.
    """

    def __init__(self, intervals: Mapping[str, float]) -> None:
        self._intervals = intervals
        self._due: dict[str, float] = {}

    def begin(self, now: float) -> None:
        """Have each due when its interval is over, as all were read now."""
        self._due = {name: now + interval for name, interval in self._intervals.items()}

    def wait(self, now: float) -> int:
        """Milliseconds until the next is due; -1 where none ever is."""
        if not self._due:
            return -1
        return max(0, math.ceil((min(self._due.values()) - now) * 1000))

    def take(self, now: float, *, patience: float = 0.0) -> str | None:
        """The name that is due longest, by at least so many intervals; it isn't due any more."""
        if not self._due:
            return None
        name = min(self._due, key=self._due.__getitem__)
        if self._due[name] + patience * self._intervals[name] > now:
            return None
        del self._due[name]
        return name

    def taken(self, name: str, at: float) -> None:
        """A property that was taken has been read: it is due again an interval after `at`."""
        self._due[name] = at + self._intervals[name]


def of_polled(
    poll: Mapping[str, float], seen: Callable[[str, Any], None]
) -> Callable[[str, Any], None]:
    """Takes note of values as `seen` does, but of those that are polled only.

    A driver that publishes by itself publishes changes of the others too.
    """

    def seen_if_polled(name: str, value: Any) -> None:
        if name in poll:
            seen(name, value)

    return seen_if_polled


def sooner(*waits: int) -> int:
    """The shortest of waits in milliseconds, of which -1 has no end."""
    return min([wait for wait in waits if wait >= 0], default=-1)

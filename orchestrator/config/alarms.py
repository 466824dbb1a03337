"""Alarms of a config: limits of polled values, and what is done when they are passed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from orchestrator.durations import parse_seconds
from orchestrator.words import did_you_mean, quoted, say, unknown_key

_KEYS = ("above", "below", "for", "clear", "stale", "level", "run", "do")
_LEVELS = ("warning", "error")
_EXAMPLE = "{above: 60, for: 5s, clear: 55}"
STALE = 10.0
"""Seconds without a reading after which a value isn't known any more, ..."""
READINGS = 3
"""... or so many intervals, if that is longer."""
OWN = ""
"""Stands for the worker whose alarm it is."""
ON_LOSS = "on_loss"
"""What can be done: workers are stopped, and made safe as their key of this name says."""


class Alarm(NamedTuple):
    """When there is an alarm about a property.

    Attributes:
        above: Beyond this it is too high; None for no limit.
        below: Beyond this it is too low; None for no limit.
        lasting: Seconds over which all readings must be beyond.
        least: From here on it is high enough again; None for no limit.
        most: Up to here it is low enough again; None for no limit.
        stale: Seconds without a reading after which it isn't known; None for the usual.
        level: Of the record that tells of it.
        run: A command that is run when it begins; empty for none.
        secures: Workers that are made safe when it begins: names, or `OWN`.
    """

    above: float | None = None
    below: float | None = None
    lasting: float = 0.0
    least: float | None = None
    most: float | None = None
    stale: float | None = None
    level: str = "error"
    run: tuple[str, ...] = ()
    secures: tuple[str, ...] = ()

    def secured(self, worker: str) -> tuple[str, ...]:
        """The names of the workers that an alarm of this worker makes safe."""
        return tuple(worker if each == OWN else each for each in self.secures)

    def stale_after(self, interval: float) -> float:
        """Seconds without a reading after which a value that is read so often isn't known."""
        return max(STALE, READINGS * interval) if self.stale is None else self.stale


def check_alarm(value: object) -> Alarm:
    """When there is an alarm about a property.

    Args:
        value: A mapping such as ``{above: 60, below: 10, for: 5s, clear: [12, 55]}``.

    Raises:
        ValueError: it has another form, or limits that contradict each other.
    """
    if not isinstance(value, dict):
        raise ValueError(f"write limits such as {_EXAMPLE}, not {say(value)}")
    for key in value:
        if key not in _KEYS:
            raise ValueError(unknown_key(key, _KEYS))
    above, below = _number(value, "above"), _number(value, "below")
    if above is None and below is None:
        raise ValueError(f'it needs "above" or "below", such as {_EXAMPLE}')
    if above is not None and below is not None and below >= above:
        raise ValueError(f'"below" must be less than "above", not {below:g} and {above:g}')
    least, most = _clear(value.get("clear"), above, below)
    return Alarm(
        above=above,
        below=below,
        lasting=_seconds(value, "for") or 0.0,
        least=least,
        most=most,
        stale=_seconds(value, "stale"),
        level=_level(value.get("level", "error")),
        run=_run(value.get("run")),
        secures=_secures(value.get("do")),
    )


def unpolled(alarms: Iterable[str], poll: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """The properties whose values aren't known as nothing polls them, and what to do."""
    for name in alarms:
        if name not in poll:
            yield (
                name,
                f"an alarm is about values that are polled: add {quoted(name)} to"
                f' "poll", such as poll: {{{name}: 1s}}{did_you_mean(name, poll)}',
            )


def _number(value: dict[str, Any], key: str) -> float | None:
    found = value.get(key)
    return None if found is None else _as_number(found, key)


def _as_number(found: object, key: str) -> float:
    if not isinstance(found, bool) and isinstance(found, int | float):
        with suppress(OverflowError):  # a whole number beyond any float
            if math.isfinite(number := float(found)):
                return number
    raise ValueError(f'"{key}" must be a number such as 60, not {say(found)}')


def _clear(
    found: object, above: float | None, below: float | None
) -> tuple[float | None, float | None]:
    """Within which an alarm ends: the limits themselves where nothing else is said."""
    if found is None:
        return below, above
    if above is not None and below is not None:
        if not isinstance(found, list) or len(found) != 2:
            raise ValueError(
                '"clear" must be two numbers where there are two limits, such as [12, 55], not '
                + say(found)
            )
        least, most = _as_number(found[0], "clear"), _as_number(found[1], "clear")
        if not below <= least <= most <= above:
            raise ValueError(
                f'"clear" must lie between "below" and "above", {below:g} and {above:g}, the lesser'
                f" one first, not [{least:g}, {most:g}]"
            )
        return least, most
    one = _as_number(found, "clear")
    if above is not None:
        if one > above:
            raise ValueError(f'"clear" must not be more than "above": {one:g} and {above:g}')
        return None, one
    if below is not None and one < below:
        raise ValueError(f'"clear" must not be less than "below": {one:g} and {below:g}')
    return one, None


def _seconds(value: dict[str, Any], key: str) -> float | None:
    if value.get(key) is None:
        return None
    try:
        seconds = parse_seconds(value[key])
    except ValueError as error:
        raise ValueError(f'"{key}": {error}') from error
    if key == "stale" and not seconds:
        raise ValueError('"stale": nothing is read in no time at all; write a duration such as 10s')
    return seconds


def _level(found: object) -> str:
    if found not in _LEVELS:
        raise ValueError(f'"level" must be warning or error, not {say(found)}')
    return str(found)


def _run(found: object) -> tuple[str, ...]:
    if found is None:
        return ()
    if not isinstance(found, list) or not found or not found[0]:
        raise ValueError(f'"run" must be a command such as [notify-send, hot], not {say(found)}')
    for each in found:
        if not isinstance(each, str) or "\0" in each:
            raise ValueError(f'"run" must be a list of texts, in which {say(each)} is none')
    return tuple(found)


def _secures(found: object) -> tuple[str, ...]:
    if found is None:
        return ()
    if found == ON_LOSS:
        return (OWN,)
    names = found.get(ON_LOSS) if isinstance(found, dict) and len(found) == 1 else None
    if not isinstance(names, list) or not names:
        raise ValueError(
            f'"do" must be on_loss, or whom it is done to, such as {{on_loss: [heater, pump]}},'
            f" not {say(found)}"
        )
    for each in names:
        if not isinstance(each, str) or not each:
            raise ValueError(f'"do" must name workers, of which {say(each)} is none')
        if names.count(each) > 1:
            raise ValueError(f'"do" has {quoted(each)} twice')
    return tuple(names)

"""What values may be: limits of arguments and of what is written. Pure.

Each value that is limited has to be given, as nobody else judges what a driver takes by default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

VALUE = "value"
"""Stands for the value that is written to a property, where arguments have names."""
MOST_SHOWN = 10
_AS_DIGITS = 10_000
"""Of whole numbers that are shown as digits; Python writes no endless ones."""


class RuleError(ValueError):
    """A rule that makes no sense.

    Attributes:
        path: The keys that lead to it.
    """

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.path = path


class Denied(ValueError):
    """A value is beyond its limit; nothing was sent."""


class Limit(msgspec.Struct, frozen=True):
    """What a value may be.

    Attributes:
        lowest, highest: Of a number, both included; None for no limit.
        one_of: The values that are allowed; empty for any within the limits.
    """

    lowest: float | None = None
    highest: float | None = None
    one_of: tuple[Any, ...] = ()

    def check(self, name: str, value: Any) -> None:
        """Raise Denied if a value, or a number in a list, isn't allowed."""
        if self.one_of:
            if not any(type(value) is type(each) and value == each for each in self.one_of):
                raise Denied(f"{name} is {_short(value)}; allowed: {_listed(self.one_of)}")
            return
        numbers = _numbers(name, value)
        for each in numbers:
            low = self.lowest is not None and each < self.lowest
            if low or (self.highest is not None and each > self.highest):
                raise Denied(f"{name} is {_short(each)}; allowed: {self}")

    def schema(self) -> dict[str, Any]:
        """The same as keywords of a JSON schema."""
        if self.one_of:
            return {"enum": list(self.one_of)}
        limits = {"minimum": self.lowest, "maximum": self.highest}
        return {key: value for key, value in limits.items() if value is not None}

    def __str__(self) -> str:
        if self.lowest is None:
            return f"at most {self.highest:g}"
        return (
            f"at least {self.lowest:g}"
            if self.highest is None
            else f"{self.lowest:g} to {self.highest:g}"
        )


Limits = Mapping[str, Limit]
"""By argument, or by `VALUE`."""


def check(limits: Limits, arguments: Mapping[str, Any]) -> None:
    """See that arguments are within their limits.

    Raises:
        Denied: One isn't, or isn't given.
    """
    for name, limit in limits.items():
        if name not in arguments:
            raise Denied(f"{name} must be given, as it is limited: {_told(limit)}")
        limit.check(name, arguments[name])


def _told(limit: Limit) -> str:
    return _listed(limit.one_of) if limit.one_of else str(limit)


def member_name(text: str) -> str:
    """A member as rules name it. Raises RuleError if it isn't one."""
    worker, dot, member = text.partition(".")
    if not (worker and dot and member):
        raise RuleError(f"{text!r:.80} is no worker.member, such as stage.move", text)
    return text


def read_limits(name: str, given: Any) -> Limits:
    """What the values of a member may be, from a file's data.

    Args:
        name: The member, as `worker.member`.
        given: Such as `{"x": [0, 50]}`, or a limit for what is written to a property; None for
            no limits.

    Raises:
        RuleError: Something in it is no limit.
    """
    member_name(name)
    if given is None:
        return {}
    if isinstance(given, dict) and set(given) != {"one_of"}:
        return {str(key): _limit(name, each, str(key)) for key, each in given.items()}
    return {VALUE: _limit(name, given)}


def _limit(name: str, given: Any, *key: str) -> Limit:
    path = (name, *key)
    if isinstance(given, dict) and set(given) == {"one_of"}:
        values = given["one_of"]
        if not isinstance(values, list) or not values:
            raise RuleError("one_of has the allowed values in a list", *path)
        return Limit(one_of=tuple(values))
    if not isinstance(given, list) or len(given) != 2 or not all(map(_is_bound, given)):
        raise RuleError(
            "a limit is [lowest, highest], with null for none, or {one_of: [values]}", *path
        )
    lowest, highest = given
    if lowest is None and highest is None:
        raise RuleError("a limit has a lowest or a highest value; leave it out for none", *path)
    if lowest is not None and highest is not None and lowest > highest:
        raise RuleError(f"the lowest value, {lowest:g}, is above the highest, {highest:g}", *path)
    return Limit(lowest, highest)


def _is_bound(value: Any) -> bool:
    return value is None or (_is_number(value) and math.isfinite(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _numbers(name: str, value: Any) -> list[float]:
    """A number, or those in a list of them, however deep. Raises Denied for anything else."""
    if isinstance(value, list) and value:  # an empty one has none that could be judged
        return [number for each in value for number in _numbers(name, each)]
    if not _is_number(value) or value != value:  # isnan wants a float, which not all ints fit
        raise Denied(f"{name} is {_short(value)}; it is limited, and only numbers can be")
    return [value]


def _short(value: Any) -> str:
    text = repr(value) if type(value) is not int or value.bit_length() <= _AS_DIGITS else hex(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _listed(values: Sequence[Any]) -> str:
    more = f" and {len(values) - MOST_SHOWN} more" if len(values) > MOST_SHOWN else ""
    return ", ".join(_short(each) for each in values[:MOST_SHOWN]) + more

"""Fitters of values out of a few: the members of an Enum, the options of a Literal."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable
from typing import Any

from workers.driver.fitter import Fitter, Unfit, a, plain

_FEW = 8
"""Options that are listed."""


def enum_fitter(kind: type[enum.Enum]) -> Fitter:
    """Of an Enum: its members, by value or by name."""
    members = kind.__members__
    wanted = a(kind)
    mend = f"it is one of {_listed(members)}"

    def convert(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        found = plain(value)
        if isinstance(found, enum.Enum):
            member = _twin(found)
        elif isinstance(found, str):
            member = _by_value(found)
            member = _by_text(found) if member is None else member
        else:
            member = _by_value(found)
        if member is None:
            raise Unfit(value, wanted, mend + _near(found, members))
        return member

    def _by_value(found: Any) -> Any:
        for member in members.values():
            # True == 1, but isn't meant by it
            if type(member.value) is type(found) and member.value == found:
                return member
        if issubclass(kind, enum.Flag) and isinstance(found, int) and not isinstance(found, bool):
            try:
                return kind(found)
            except ValueError:
                return None
        return None

    def _by_text(text: str) -> Any:
        if text in members:
            return members[text]
        if issubclass(kind, enum.Flag) and "|" in text:
            parts = [_by_text(part.strip()) for part in text.split("|")]
            if any(part is None for part in parts):
                return None
            joined = parts[0]
            for part in parts[1:]:
                joined |= part
            return joined
        folded = text.casefold()
        close = {
            id(member): member
            for name, member in members.items()
            if folded in (name.casefold(), str(member.value).casefold())
            and (name.casefold() == folded or isinstance(member.value, str))
        }
        return next(iter(close.values())) if len(close) == 1 else None

    def _twin(other: enum.Enum) -> Any:
        """The member of the same name and value of the same class, imported elsewhere."""
        member = members.get(other.name or "")
        same = type(other).__name__ == kind.__name__
        return member if same and member is not None and _equal(member.value, other.value) else None

    return Fitter(wanted, convert, frozenset([kind]))


def literal_fitter(options: tuple[Any, ...]) -> Fitter:
    """Of a Literal: its options, text in whatever case if that tells them apart."""
    texts = [option for option in options if isinstance(option, str)]
    mend = f"it is one of {_listed(map(repr, options))}"

    def convert(value: Any) -> Any:
        found = plain(value)
        for option in options:
            if type(option) is type(found) and option == found:
                return option
        if isinstance(found, str):
            close = [option for option in texts if option.casefold() == found.casefold()]
            if len(close) == 1:
                return close[0]
        for option in options:
            if isinstance(option, enum.Enum):
                try:
                    member = enum_fitter(type(option))(value)
                except Unfit:
                    continue
                if member in options:
                    return member
        raise Unfit(value, "one of its options", mend + _near(found, texts))

    return Fitter("one of its options", convert)


def _equal(one: Any, other: Any) -> bool:
    """Whether values of members are the same; NaN, which doesn't equal itself, is."""
    return bool(one == other) or (type(one) is type(other) and repr(one) == repr(other))


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:_FEW]) + (f" and {len(found) - _FEW} more" * (len(found) > _FEW))


def _near(value: Any, names: Iterable[str]) -> str:
    if not isinstance(value, str):
        return ""
    close = difflib.get_close_matches(value[:80], list(names), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""

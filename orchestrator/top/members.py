"""A worker's members as lines: what is known of their values, and since when. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from orchestrator.cli.columns import NOTHING, Column, Line, lay_out
from orchestrator.cli.describe import type_text
from orchestrator.cli.show import Cell, duration, safe, to_line
from transports import terms

COLUMNS = (
    Column("MEMBER", 0, least=14, most=40),
    Column("VALUE", 1, least=8),
    Column("UNIT", 2),
    Column("AGE", 3, right=True),
    Column("TYPE", 4, least=8, most=40),
    Column("ACCESS", 5, least=5),
)
STALE = 3
"""Intervals of its poll after which a value is shown as old."""

Kind = Literal["properties", "actions", "events"]


class Member(NamedTuple):
    """A property, action or event.

    Attributes:
        kind: Which of these.
        name: Its path.
        affordance: Its description.
    """

    kind: Kind
    name: str
    affordance: Mapping[str, Any]

    @property
    def polled(self) -> float | None:
        """Seconds between two reads of a property that its worker polls."""
        interval = self.affordance.get(terms.POLL)
        return None if interval is None else float(interval)

    @property
    def is_read(self) -> bool:
        """Whether it is a property that can be read."""
        return self.kind == "properties" and not self.affordance.get("writeOnly")

    @property
    def is_written(self) -> bool:
        """Whether it is a property that can be written."""
        return self.kind == "properties" and not self.affordance.get("readOnly")


class Known(NamedTuple):
    """What is known of a property's value.

    Attributes:
        value: As text; empty if it isn't known.
        error: Why it isn't, or isn't any more.
        time: When it was read, in seconds since the epoch; 0 for never.
    """

    value: str = ""
    error: str = ""
    time: float = 0.0


def members_of(thing: Mapping[str, Any]) -> list[Member]:
    """All members that a description has: properties, actions, events."""
    kinds: tuple[Kind, ...] = ("properties", "actions", "events")
    return [
        Member(kind, name, affordance)
        for kind in kinds
        for name, affordance in thing.get(kind, {}).items()
    ]


def known(value: Any, at: float, error: str = "") -> Known:
    """What was read."""
    return Known(to_line(value) if not isinstance(value, str) else safe(value), error, at)


def lines(
    members: Sequence[Member], values: Mapping[str, Known], now: float, width: int
) -> list[Line]:
    """Members as a table, the headings first; `now` in seconds since the epoch."""
    rows = [_cells(each, values.get(each.name, Known()), now) for each in members]
    found, _ = lay_out(COLUMNS, rows, width)
    return found


def _cells(member: Member, known: Known, now: float) -> list[Cell]:
    about = member.affordance
    unit = safe(str(about.get("unit", ""))) or NOTHING
    if member.kind == "actions":
        signature = safe(str(about.get(terms.SIGNATURE, "(...)")))
        access = "call, concurrent" if about.get(terms.CONCURRENT) else "call"
        name = f"{safe(member.name)}()"
        return [(name, "cyan"), *_none(3), (signature, "dim"), (access, "dim")]
    if member.kind == "events":
        kind = type_text(dict(about.get("data", {})))
        return [(safe(member.name), "magenta"), *_none(3), (kind, "dim"), ("event", "dim")]
    age = max(0.0, now - known.time) if known.time else None
    is_old = age is not None and member.polled is not None and age > STALE * member.polled + 1
    style = "red" if known.error else "dim" if is_old else "bold" if known.value else ""
    fault = known.error.partition("\n")[0]
    text = known.value or fault or NOTHING
    if known.value and fault:
        text = f"{known.value} ({fault})"
    access = "/".join(["read"] * member.is_read + ["write"] * member.is_written)
    if member.polled is not None:
        access += f", polled {member.polled:g}s"
    return [
        (safe(member.name), "cyan"),
        (text, style),
        (unit, ""),
        (duration(age), "yellow" if is_old else ""),
        (type_text(dict(about)), "dim"),
        (access, "dim"),
    ]


def _none(count: int) -> list[Cell]:
    return [(NOTHING, "dim")] * count

"""How a rig, a worker and a status look in a notebook. All text is escaped: drivers wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from orchestrator.client.members import ACTION, EVENT, PROPERTY, Members

LONGEST = 200
"""Characters of a text that are shown."""

_COLUMNS = ("name", "state", "pid", "incarnation", "restarts", "queue", "in_flight")


class Status(dict[str, Any]):
    """A rig's status: a dict, which is a table in a notebook."""

    def _repr_html_(self) -> str:
        return status(self)


def status(found: dict[str, Any]) -> str:
    """A rig's status as a table."""
    workers = [each for each in found.get("workers", ()) if isinstance(each, dict)]
    columns = [name for name in _COLUMNS if any(name in worker for worker in workers)]
    rows = [[worker.get(name) for name in columns] for worker in workers]
    return titled(f"rig {found.get('rig', '')}", table(columns, rows))


def worker(title: str, members: Members | None) -> str:
    """A worker's members as a table."""
    if members is None:
        return titled(title, "<p>Its members aren't known: it doesn't say them now.</p>")
    text = str(members.description.get("description") or "")
    rows = [
        [name, _kind(kind, affordance), affordance.get("unit"), _first(affordance)]
        for kind in (PROPERTY, ACTION, EVENT)
        for name in members.of_kind(kind)
        for affordance in [members.affordance(name)]
    ]
    head = f"<p>{escape(cut(text))}</p>" if text else ""
    return titled(title, head + table(("member", "kind", "unit", "description"), rows))


def escape(text: str) -> str:
    """Text as it can stand in HTML."""
    import html  # takes long, and most clients are in no notebook

    return html.escape(text)


def titled(title: str, body: str) -> str:
    """A heading over what is HTML already."""
    return f"<div><strong>{escape(cut(title))}</strong>{body}</div>"


def table(columns: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of plain values."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def cut(text: str) -> str:
    """A text that isn't longer than what is shown."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _cell(value: object) -> str:
    return "" if value is None else escape(cut(str(value)))


def _kind(kind: str, affordance: dict[str, Any]) -> str:
    if kind == ACTION:
        return f"action {affordance.get('orch:signature') or '(...)'}"
    if kind == PROPERTY:
        access = "read-only" if affordance.get("readOnly") else "property"
        return f"{access} {affordance.get('type') or ''}".rstrip()
    return kind


def _first(affordance: dict[str, Any]) -> str:
    return str(affordance.get("description") or "").partition("\n\n")[0]

"""Writes the tables of a report of `scripts/bench` into a page, between comments that name them.

`<!-- measured: TITLE -->` … `<!-- end -->` holds the table of the row of that title,
`<!-- measured -->` where it was measured, and `<!-- measured: figures -->` what has no reference.
"""

from __future__ import annotations

import re
import statistics
from pathlib import Path
from typing import Any

_BLOCK = re.compile(
    r"(<!-- measured(?:: (?P<title>[^>]+?))? -->\n).*?(<!-- end -->)", re.MULTILINE | re.DOTALL
)
_FIGURES = "figures"
TO = "\N{EN DASH}"


def write(report: dict[str, Any], page: Path) -> None:
    """Put a report into a page; the tables of rows that it hasn't stay as they are.

    Raises:
        SystemExit: A row of the report has no place in the page.
    """
    text = page.read_text()
    tables = _tables(report)
    places = {found["title"] or "" for found in _BLOCK.finditer(text)}
    if missing := sorted(tables.keys() - places):
        raise SystemExit(f"{page} has no place for: {', '.join(missing)}")

    def fill(found: re.Match[str]) -> str:
        table = tables.get(found["title"] or "")
        return found[0] if table is None else f"{found[1]}{table}\n{found[3]}"

    page.write_text(_BLOCK.sub(fill, text))


def _tables(report: dict[str, Any]) -> dict[str, str]:
    titles = dict.fromkeys(row["title"] for row in report["rows"])
    tables = {
        title: _table([row for row in report["rows"] if row["title"] == title]) for title in titles
    }
    if report["figures"]:
        tables[_FIGURES] = _figures(report["figures"])
    return tables | {"": _machine(report["machine"])}


def _table(rows: list[dict[str, Any]]) -> str:
    """A table with two columns for each way in which a row was measured."""
    named = [("pinned" if row["pinned"] else "unpinned", row) for row in rows]
    lines = [
        "| | " + " | ".join(f"{name} | ratio" for name, _ in named) + " |",
        "|---|" + "---|---|" * len(named),
    ]
    for index, subject in enumerate(rows[0]["subjects"]):
        cells = [subject["label"]]
        for _, row in named:
            each = row["subjects"][index]
            middle, least, most = each["ratio"]
            cells += [_absolute(each), f"{middle:.2f} ({least:.2f}{TO}{most:.2f})"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _absolute(subject: dict[str, Any]) -> str:
    def median(name: str) -> float:
        return statistics.median(each[name] for each in subject["rounds"])

    if "p50" not in subject["rounds"][0]:
        return f"{median('rate'):,.0f} a second"
    return f"{median('p50'):,.0f} µs, p99 {median('p99'):,.0f}"


def _figures(figures: list[dict[str, Any]]) -> str:
    lines = [f"| | median | least{TO}most |", "|---|---|---|"]
    for each in figures:
        rounds = each["rounds"]
        middle = statistics.median(rounds)
        spread = f"{min(rounds):.2f}{TO}{max(rounds):.2f}"
        lines.append(f"| {each['label']} | {middle:.2f} {each['unit']} | {spread} |")
    return "\n".join(lines)


def _machine(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {each}" for name, each in machine["versions"].items())
    return (
        f"Measured by `{machine['command']}` on {machine['cpus']} CPUs of {machine['cpu']}, "
        f"{machine['system']}, Python {machine['python']}, libzmq {machine['libzmq']}, {versions}."
    )

"""Tables that fit a width: what matters least is left out first, long texts are cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.cli.show import Cell

Line = list[Cell]
"""Texts with their styles, one after the other."""

NARROW = 60
"""Columns of a terminal below which one space parts the columns of a table, else two."""
NOTHING = "-"
"""What stands where there is nothing to tell."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its heading.
        rank: How much it matters: where there isn't room for all, those of the highest go first.
        right: Whether it is aligned to the right.
        least: Characters to which its texts may be cut; 0 if they aren't.
        most: Characters beyond which they are cut in any case on a terminal; 0 for no limit.
    """

    title: str
    rank: float
    right: bool = False
    least: int = 0
    most: int = 0


def lay_out(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int | None
) -> tuple[list[Line], set[str]]:
    """A table as lines, the headings first.

    Args:
        columns: Its columns, in order.
        rows: Its cells, one for each column.
        width: Characters that a line may have; None where nobody looks: all of it is given.

    Returns:
        The lines, and the titles of the columns that are in them.
    """
    measure = _measure(width)
    texts = [[measure(row[at][0]) for row in rows] for at in range(len(columns))]
    natural = [max(measure(c.title), *each, 1) for c, each in zip(columns, texts, strict=True)]
    shown = list(range(len(columns)))
    gap = 2
    if width is not None:
        gap = 1 if width < NARROW else 2
        said = {at for at in shown if any(row[at][0] != NOTHING for row in rows)}
        # The first is what the others are about: it stays where there is no row.
        shown = [at for at in shown if at in said or not columns[at].least or at == 0]
        natural = [
            min(each, c.most) if c.most else each for c, each in zip(columns, natural, strict=True)
        ]
        shown = _that_fit(columns, natural, shown, width, gap)
    widths = {at: natural[at] for at in shown}
    if width is not None:
        _shrink(columns, widths, width - gap * (len(shown) - 1))
    heads = [(column.title, "bold") for column in columns]
    lines = [
        _line([(columns[at], row[at], widths[at]) for at in shown], gap, measure)
        for row in (heads, *rows)
    ]
    return lines, {columns[at].title for at in shown}


def _that_fit(
    columns: Sequence[Column], natural: Sequence[int], shown: list[int], width: int, gap: int
) -> list[int]:
    def needed(at: int) -> int:
        least = columns[at].least
        return min(natural[at], max(least, len(columns[at].title))) if least else natural[at]

    shown = list(shown)
    while len(shown) > 1 and sum(map(needed, shown)) + gap * (len(shown) - 1) > width:
        shown.remove(max(shown, key=lambda at: columns[at].rank))
    return shown


def _shrink(columns: Sequence[Column], widths: dict[int, int], room: int) -> None:
    """Take from the widest of those that may be cut, until all fit."""
    while (over := sum(widths.values()) - room) > 0:
        wide = [at for at in widths if columns[at].least and widths[at] > columns[at].least]
        if not wide:
            return
        widest = max(wide, key=lambda at: widths[at])
        second = max((widths[at] for at in wide if at != widest), default=0)
        floor = max(columns[widest].least, second - 1)
        widths[widest] -= max(1, min(over, widths[widest] - floor))


def _line(
    cells: Sequence[tuple[Column, Cell, int]], gap: int, measure: Callable[[str], int]
) -> Line:
    line: Line = []
    for at, (column, (text, style), width) in enumerate(cells):
        shown = cut(text, width, measure)
        padding = " " * (width - measure(shown))
        last = at == len(cells) - 1
        if column.right:
            line.append((padding, ""))
            padding = ""
        line.append((shown, style))
        if not last:
            line.append((padding + " " * gap, ""))
    return line


def cut(text: str, width: int, measure: Callable[[str], int] = len) -> str:
    """A text that isn't wider than that; what is left out is told by an ellipsis."""
    if measure(text) <= width:
        return text
    while text and measure(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def _measure(width: int | None) -> Callable[[str], int]:
    if width is None:
        return len
    from rich.cells import cell_len  # letters of some languages take two places

    return cell_len

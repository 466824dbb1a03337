"""How results look: JSON for programs, something readable for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from orchestrator.cli.failures import print_out, writing

Cell = tuple[str, str]
"""A text and its style, in the words of rich; an empty style is plain."""

LONGEST_NAME = 32
"""Characters of a name that doesn't wrap in a table."""


def is_terminal() -> bool:
    """Whether people read stdout."""
    return sys.stdout.isatty()


def print_value(value: Any, *, as_json: bool, raw: bool = False) -> None:
    """Print a result.

    Args:
        value: The result.
        as_json: JSON, also on a terminal.
        raw: As `print_raw` does.
    """
    if raw:
        print_raw(value)
    elif as_json or not is_terminal():
        print_out(to_json(value))
    elif value is not None:
        print_out(to_text(value))


def print_raw(value: Any) -> None:
    """Print a result for programs that want no quotes: texts and bytes as they are.

    A text has a line end put after it, bytes haven't; other values are JSON.
    """
    if not isinstance(value, (str, bytes, bytearray)):
        print_out(to_json(value))
        return
    with writing():
        if isinstance(value, str):
            sys.stdout.write(f"{value}\n")
            sys.stdout.flush()
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(value)
            sys.stdout.buffer.flush()


def to_json(value: Any, *, indent: int = 0) -> str:
    """A value as strict JSON on one line; what JSON has no form for is as `json_form` says."""
    from orchestrator.client.json_form import plain

    return _json(plain(value), indent)


def _json(value: Any, indent: int = 0) -> str:
    import msgspec

    from orchestrator.logs.show.display import escape_json

    try:
        encoded = msgspec.json.encode(value)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can write, but UTF-8 can't
        return json.dumps(value, indent=indent or None, separators=None if indent else (",", ":"))
    if indent:
        encoded = msgspec.json.format(encoded, indent=indent)
    return escape_json(encoded.decode())


def to_text(value: Any) -> str:
    """A value for people: texts bare, arrays in short wherever they are, the rest as JSON."""
    from orchestrator.client.json_form import plain
    from transports.serializers import is_array

    if isinstance(value, str):
        return "\n".join(safe(line) for line in value.split("\n"))
    if isinstance(value, (bytes, bytearray)):
        return repr(value)
    if _is_shown_by_itself(value):
        return "\n".join(safe(line) for line in str(value).split("\n"))
    if is_array(value):
        return _array_text(value)
    if type(value) is tuple:
        return "\n".join(to_text(part) for part in value)
    if isinstance(value, dict) and any(map(is_array, value.values())):
        return "\n".join(_named(str(name), part) for name, part in value.items())
    short = _json(plain(value, brief=True))
    return short if len(short) <= terminal_width() else _json(plain(value, brief=True), 2)


_SHOWN_BY_THEMSELVES = ("pandas", "xarray", "pint", "astropy", "quantities")
"""Packages whose values are shown to people as the packages do it."""


def _is_shown_by_itself(value: Any) -> bool:
    """Whether its package has a way to show it to people."""
    return type(value).__module__.partition(".")[0] in _SHOWN_BY_THEMSELVES


def _named(name: str, part: Any) -> str:
    lines = to_text(part).split("\n")
    if len(lines) == 1:
        return f"{safe(name)}: {lines[0]}"
    return "\n".join([f"{safe(name)}:", *(f"  {line}" for line in lines)])


def to_line(value: Any) -> str:
    """A value for people on one line, arrays and bytes as a summary wherever they are."""
    from orchestrator.client.json_form import plain
    from transports.serializers import is_array

    if is_array(value) or isinstance(value, (bytes, bytearray)):
        return str(plain(value, brief=True))
    if type(value) is tuple:
        return " ".join(to_line(part) for part in value)
    return _json(plain(value, brief=True))


def safe(text: str) -> str:
    """A text in which a terminal finds nothing to obey."""
    from orchestrator.logs.show.display import escape

    return escape(text)


def terminal_width() -> int:
    """Columns of the terminal."""
    import shutil

    return shutil.get_terminal_size().columns


def print_table(
    headers: Sequence[str], rows: Sequence[Sequence[Cell]], *, right: Sequence[int] = ()
) -> None:
    """Print an aligned table, with colours on a terminal that has them.

    Args:
        headers: Titles of the columns.
        rows: The cells.
        right: Indexes of columns that are aligned to the right.
    """
    if is_terminal():
        _print_rich(headers, rows, right)
        return
    widths = [
        max(len(header), *(len(row[index][0]) for row in rows)) if rows else len(header)
        for index, header in enumerate(headers)
    ]
    for texts in (headers, *([cell[0] for cell in row] for row in rows)):
        cells = [
            text.rjust(width) if index in right else text.ljust(width)
            for index, (text, width) in enumerate(zip(texts, widths, strict=True))
        ]
        print_out("  ".join(cells).rstrip())


def _print_rich(
    headers: Sequence[str], rows: Sequence[Sequence[Cell]], right: Sequence[int]
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from orchestrator.logs.show.display import wants_colour

    columns = list(zip(headers, *([cell[0] for cell in row] for row in rows), strict=True))
    needed = sum(max(map(len, column)) + 2 for column in columns[:-1]) + len(headers[-1])
    gap = 2 if needed <= terminal_width() else 1
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
    for index, header in enumerate(headers):
        # What is compared from row to row doesn't wrap: all but the last column and endless names.
        longest = max(map(len, columns[index]))
        wraps = index == len(headers) - 1 or (index == 0 and longest > LONGEST_NAME)
        table.add_column(
            header,
            justify="right" if index in right else "left",
            no_wrap=not wraps,
            overflow="fold" if wraps else "ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(text, style) for text, style in row))
    console = Console(
        color_system="auto" if wants_colour(sys.stdout, os.environ) else None,
        highlight=False,
        markup=False,
    )
    with writing():
        console.print(table)


def duration(seconds: float | None) -> str:
    """Seconds for people: `4.2s`, `3m05s`, `2h14m`, `3d04h`."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{int(seconds * 10) / 10}s" if seconds < 10 else f"{int(seconds)}s"
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d{hour:02}h"
    return f"{hour}h{minute:02}m" if hour else f"{minute}m{second:02}s"


def size(count: int | None) -> str:
    """Bytes for people: `512 B`, `3.2 KiB`, `27 MiB`."""
    if count is None:
        return "-"
    amount, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1024, units[1:]
    small = amount < 10 and units[0] != "B"
    return f"{amount:.1f} {units[0]}" if small else f"{amount:.0f} {units[0]}"


def clock(at: float, *, short: bool) -> str:
    """Seconds since the epoch as local time.

    Args:
        at: The time.
        short: Only the time of day, for people who watch.
    """
    text = datetime.fromtimestamp(at).astimezone().isoformat(timespec="milliseconds")
    return text[11:23] if short else text


def _array_text(array: Any) -> str:
    import numpy as np

    from orchestrator.client.json_form import shape

    head = f"{array.dtype} array {shape(array)}"
    width = min(terminal_width(), 120)
    with np.printoptions(threshold=200, edgeitems=3, linewidth=width):
        body = str(array)
    return "\n".join([head, *(safe(line) for line in body.splitlines())])

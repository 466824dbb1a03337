"""Docstrings and tables as Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence

_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises):$")
_ENTRY = re.compile(r"^    (\S[^:]*?): +(.*)$")
_CODE = re.compile(r"::\n\n((?:    .*\n|\n)+)")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what would end a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def prose(docstring: str | None) -> str:
    """A docstring as Markdown: its sections as lists, its examples as code."""
    text = inspect.cleandoc(docstring or "") + "\n"
    text = _CODE.sub(lambda code: f":\n\n```python\n{_dedented(code[1])}\n```\n\n", text)
    lines: list[str] = []
    in_section, has_entries = False, False
    for line in text.splitlines():
        section, entry = _SECTION.match(line), _ENTRY.match(line)
        if section:
            in_section, has_entries = True, section[1] not in ("Returns", "Yields")
            lines += [f"*{section[1]}*", ""]
        elif in_section and has_entries and entry:
            lines.append(f"- `{entry[1].lstrip('*')}`: {entry[2]}")
        elif in_section and line.startswith("    "):
            lines.append(f"  {line.strip()}" if has_entries else line.strip())
        else:
            in_section = in_section and not line.strip()
            lines.append(line)
    return "\n".join(lines).strip()


def _dedented(code: str) -> str:
    return inspect.cleandoc(code).strip("\n")

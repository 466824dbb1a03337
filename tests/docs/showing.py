"""Whether what a command printed is what its page shows."""

from __future__ import annotations

import re

GAP = "…"
"""On a line of its own any lines, within a line any text."""

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8}…[0-9a-f]{6}")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*(?:[dhm]\d+)*(?:(?:ms|[dhms])\b)?")
"""Also with a unit of time, as `1m07s` and `3.9s` may stand for each other."""


def difference(
    shown: str,
    printed: str,
    *,
    numbers_vary: bool = False,
    ids: dict[str, str] | None = None,
) -> str:
    """The first shown line that wasn't printed, or printed line that isn't shown; or nothing.

    Runs of blanks are alike, and blank lines are left out: columns are as wide as what is in them.

    Args:
        shown: What the page shows.
        printed: What was printed.
        numbers_vary: Whether each number that is shown stands for any number.
        ids: Is told which request ids were printed for those that are shown, in either form.
    """
    left = [line for line in map(_plain, printed.splitlines()) if line]
    may_skip = False
    for line in filter(None, map(_plain, shown.splitlines())):
        if line == GAP:
            may_skip = True
            continue
        form = re.compile(_form(line, numbers_vary=numbers_vary))
        while left and not form.fullmatch(left[0]) and may_skip:
            left.pop(0)
        found = form.fullmatch(left.pop(0)) if left else None
        if not found:
            return f"shown, but not printed: {line}"
        if ids is not None:
            ids.update(zip(_ID.findall(line), found.groups(), strict=True))
        may_skip = False
    return f"printed, but not shown: {left[0]}" if left and not may_skip else ""


def _plain(line: str) -> str:
    return " ".join(line.split())


def _form(line: str, *, numbers_vary: bool) -> str:
    """What is printed where a line is shown; each request id is a group."""
    parts = _ID.split(line)
    return f"({_ID.pattern})".join(_form_of_text(each, numbers_vary) for each in parts)


def _form_of_text(text: str, numbers_vary: bool) -> str:
    def literal(part: str) -> str:
        if not numbers_vary:
            return re.escape(part)
        return _NUMBER.pattern.join(re.escape(each) for each in _NUMBER.split(part))

    return ".*".join(literal(part) for part in text.split(GAP))

"""Paths of members: `voltage`, `ch1.voltage`, `channels[2].gain`, `outputs[A].current`.

A path is names with dots between them; what stands in brackets is an index of a list or a key of
a mapping. A key that isn't one word is quoted as in Python.
"""

from __future__ import annotations

import keyword
import re

_WORD = re.compile(r"[^\W\d][\w-]*")
_STEP = re.compile(
    r"""(?P<name>[^\W\d]\w*)
    | \[(?:-?\d+ | [^\W\d][\w-]* | '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*")\]""",
    re.VERBOSE,
)


def join(base: str, name: str) -> str:
    """The path of an attribute of what is at `base`; the name alone for the driver itself."""
    return f"{base}.{name}" if base else name


def item(base: str, key: int | str) -> str:
    """The path of an item of what is at `base`."""
    if isinstance(key, int) or _WORD.fullmatch(key):
        return f"{base}[{key}]"
    return f"{base}[{key!r}]"


def is_path(text: str) -> bool:
    """Whether a text is the path of a member, private ones included."""
    position, is_first = 0, True
    while position < len(text):
        if not is_first and text[position] == ".":
            position += 1
            match = _STEP.match(text, position)
            is_name = match is not None and match["name"] is not None
        else:
            match = _STEP.match(text, position)
            is_name = match is not None and (match["name"] is not None) is is_first
        if match is None or not is_name or keyword.iskeyword(match["name"] or ""):
            return False
        position, is_first = match.end(), False
    return not is_first


def prefixes(path: str) -> list[str]:
    """The paths on the way to a member, itself at the end; none if it isn't one."""
    if not is_path(path):
        return []
    ends = [match.end() for match in re.finditer(rf"\.?(?:{_STEP.pattern})", path, re.VERBOSE)]
    return [path[:end] for end in ends]


def split(path: str) -> tuple[str, str]:
    """The path of the owner, and the name or the item that is the last step."""
    around = prefixes(path)
    owner = around[-2] if len(around) > 1 else ""
    return owner, path[len(owner) :].removeprefix(".")


def is_private(path: str) -> bool:
    """Whether a name in a path has a leading underscore."""
    return path.startswith("_") or "._" in path or "[_" in path

"""How a record looks to people: one line, nothing in it obeyed by the terminal."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

if TYPE_CHECKING:
    from orchestrator.logs.store.records import Record

MAX_SHOWN = 2000
"""Characters of one text that are shown; the record itself has it all."""

# C0, DEL and C1 steer terminals; U+2028/9 break lines; bidi marks reorder what is read; other
# format characters hide in it: the soft hyphen, spaces and joiners without width, the byte order
# mark, annotations, shorthand and music controls, tags. The joiners of emoji and of Persian stay.
_ODD = (
    "\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001-\U000e007f"
)
# Lone surrogates can't be encoded.
_UNSAFE = re.compile(f"[\x00-\x1f{_ODD}\ud800-\udfff]")
_UNSAFE_JSON = re.compile(f"[{_ODD}]")
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NEEDS_QUOTES = re.compile(r'[\s"=]|^$')

COLOURS = {"debug": "2", "warning": "33", "error": "31", "critical": "1;31"}
"""ANSI codes by level; info has none."""
MAX_NAME = 16
"""Characters of the column of names: longer ones shift their line rather than everybody's."""


def escape(text: str) -> str:
    r"""Show control characters, bidi marks and line separators as escapes such as ``\x1b``."""
    return _UNSAFE.sub(_escaped, text)


def escape_json(text: str) -> str:
    r"""The same for a text that is JSON, with JSON's escapes; there, strings alone have such."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _UNSAFE_JSON.sub(lambda match: json.dumps(match[0])[1:-1], text)


def wants_colour(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """True when `stream` is a terminal that knows colours and NO_COLOR isn't set."""
    if stream is None or environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


class Display:
    """Renders records as lines for people, with local times.

    Args:
        colour: Colour the level by ANSI sequences.
    """

    def __init__(self, *, colour: bool = False) -> None:
        self._colour = colour
        self._width = 8
        self._second = -1
        self._clock = ""

    def render(self, record: Record) -> str:
        """The record's line, newline included; lines of a traceback follow, but no stacks."""
        self._width = max(self._width, min(len(record.worker), MAX_NAME))
        label = record.level if record.stream == "record" else record.stream
        parts = [
            self._time(record.time),
            self._paint(f"{escape(label):<8}", record.level),
            f"{escape(record.worker):<{self._width}}",
            shown(record.event),
        ]
        if record.logger:
            parts.append(f"logger={value_text(record.logger)}")
        fields, stack = fields_and_stack(record)
        parts += [f"{shown(key)}={value_text(item)}" for key, item in fields.items()]
        if record.member is not None:
            parts.append(f"member={value_text(record.member)}")
        if record.request is not None:
            parts.append(f"request={value_text(record.request)}")
        line = " ".join(parts).rstrip() + "\n"
        line += "".join(f"    {shown(part)}\n" for part in stack)
        if record.exception is not None and not record.has_stacks:
            line += "".join(f"    {shown(part)}\n" for part in record.exception.split("\n"))
        return line

    def _time(self, at: float) -> str:
        second, fraction = divmod(at, 1)
        if second != self._second:
            self._second = int(second)
            self._clock = time.strftime("%H:%M:%S", time.localtime(second))
        return f"{self._clock}.{int(fraction * 1000):03d}"

    def _paint(self, text: str, level: str) -> str:
        code = COLOURS.get(level) if self._colour else None
        return text if code is None else f"\x1b[{code}m{text}\x1b[0m"


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    short = _SHORT_ESCAPES.get(character)
    if short is not None:
        return short
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def fields_and_stack(record: Record) -> tuple[dict[str, Any], list[str]]:
    """A record's fields, and the lines of the stack that `stack_info=True` has put among them."""
    fields = record.fields or {}
    stack = fields.get("stack")
    if not isinstance(stack, str) or "\n" not in stack:
        return fields, []
    return {key: fields[key] for key in fields if key != "stack"}, stack.rstrip("\n").split("\n")


def exception_line(record: Record) -> str:
    """A record's exception in one line: its type and message.

    Nothing for stacks, which the record's text tells of, nor for what that text says itself.
    """
    line = _exception_line(record)
    return "" if line in record.event else line


def _exception_line(record: Record) -> str:
    text = record.exception
    if record.raised is not None or text is None:
        return record.raised or ""
    if record.has_stacks:
        return ""
    lines = text.rstrip("\n").split("\n")
    frames = [place for place, line in enumerate(lines) if line.startswith('  File "')]
    if frames:  # a text that was made elsewhere: what follows its last frame
        for place in range(frames[-1] + 1, len(lines)):
            if not lines[place].startswith(" "):
                return " ".join(" ".join(lines[place:]).split())
    return lines[-1]


def shown(text: str) -> str:
    """A text without what a terminal obeys, and of bounded length."""
    if len(text) > MAX_SHOWN:
        text = f"{text[:MAX_SHOWN]}… ({len(text) - MAX_SHOWN} more characters)"
    return escape(text)


def value_text(value: Any) -> str:
    """A field's value, in quotes where its end couldn't be seen otherwise."""
    if not isinstance(value, str):
        return shown(msgspec.json.encode(value).decode())
    if _NEEDS_QUOTES.search(value):
        return shown(json.dumps(value, ensure_ascii=False))
    return shown(value)

"""How stored records look: for people on a line each, in full, or as JSON for programs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from orchestrator.logs.read.lookup import Entry
from orchestrator.logs.show.display import (
    COLOURS,
    MAX_NAME,
    escape,
    escape_json,
    exception_line,
    fields_and_stack,
    shown,
    value_text,
)
from orchestrator.logs.store.segments import Run
from transports.request_ids import short_id

_DIM = "2"


class Printer:
    """Makes lines of records.

    Args:
        style: `short`, `short-iso`, `full`, `json` or `cat`.
        utc: Times in UTC instead of local ones.
        colour: Colours by level, as ANSI sequences.
    """

    def __init__(self, style: str = "short", *, utc: bool = False, colour: bool = False) -> None:
        self._utc = utc
        self._colour = colour
        self._width = 8
        self._second = -1
        self._clock = ""
        self._zone = ""
        self._is_iso = style == "short-iso"
        self._text: Callable[[Entry], str] = getattr(self, f"_{style.removesuffix('-iso')}")

    def text(self, entry: Entry) -> str:
        """The record's line, or lines if `full`, newline included."""
        return self._text(entry)

    def _short(self, entry: Entry) -> str:
        self._width = max(self._width, min(len(entry.worker), MAX_NAME))
        label = entry.level if entry.stream == "record" else entry.stream
        parts = [
            self._time(entry.time),
            self._paint(f"{escape(label):<8}", COLOURS.get(entry.level)),
            f"{escape(entry.worker):<{self._width}}",
        ]
        about = [entry.member] if entry.member else []
        about += [short_id(entry.request)] if entry.request else []
        if about:
            parts.append(self._paint(f"[{escape(' '.join(about))}]", _DIM))
        if entry.logger:
            parts.append(self._paint(f"{escape(entry.logger)}:", _DIM))
        parts.append(shown(entry.event))
        fields, stack = fields_and_stack(entry)
        parts += [f"{shown(key)}={value_text(item)}" for key, item in fields.items()]
        if stack:
            called = next((line for line in reversed(stack) if line.startswith("  File ")), "")
            parts.append(self._paint(f"(stack: {shown(called.strip())})", _DIM))
        if line := exception_line(entry):
            parts.append(self._paint(f"({shown(line)})", _DIM))
        return " ".join(parts).rstrip() + "\n"

    def _full(self, entry: Entry) -> str:
        facts: dict[str, Any] = {
            "incarnation": entry.incarnation,
            "run": entry.run,
            "logger": entry.logger,
            "member": entry.member,
            "request": entry.request,
        }
        facts = {key: value for key, value in facts.items() if value is not None}
        fields, stack = fields_and_stack(entry)
        # A driver may name its fields as it likes; they stand apart from what the record says.
        facts |= {
            f"fields.{key}" if key in Entry.__struct_fields__ else key: value
            for key, value in fields.items()
            if value is not None
        }
        label = entry.level if entry.stream == "record" else f"{entry.stream} ({entry.level})"
        head = f"{self._time(entry.time)}{self._zone} {escape(entry.worker)} {escape(label)}"
        lines = [self._paint(head, COLOURS.get(entry.level, "1"))]
        lines += [f"    {escape(part)}" for part in entry.event.split("\n")]
        lines += [
            self._paint(f"    {shown(key)}={value_text(value)}", _DIM)
            for key, value in facts.items()
        ]
        lines += [f"    | {escape(part)}" for part in stack]
        if entry.exception is not None:
            lines += [f"    | {escape(part)}" for part in entry.exception.split("\n")]
        return "\n".join(lines) + "\n"

    def _json(self, entry: Entry) -> str:
        return escape_json(msgspec.json.encode(entry).decode()) + "\n"

    def _cat(self, entry: Entry) -> str:
        return escape(entry.event) + "\n"

    def _time(self, at: float) -> str:
        micros = round(at * 1_000_000)
        second, rest = divmod(micros, 1_000_000)
        if second != self._second:
            self._second = second
            clock = time.gmtime(second) if self._utc else time.localtime(second)
            between = "T" if self._is_iso else " "
            self._clock = time.strftime(f"%Y-%m-%d{between}%H:%M:%S", clock)
            self._zone = "Z" if self._utc else time.strftime("%z", clock)
        at_milliseconds = f"{self._clock}.{rest // 1000:03d}"
        return at_milliseconds + self._zone if self._is_iso else at_milliseconds

    def _paint(self, text: str, code: str | None) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and code else text


def run_facts(
    runs: Sequence[tuple[Run, float | None]], *, is_running: bool
) -> list[dict[str, Any]]:
    """What is known of runs: of one whose end nobody noted, when its last record was made.

    Args:
        runs: Each with the time of its last record, the first run first.
        is_running: The last one isn't over.
    """
    found = []
    for place, (run, last) in enumerate(runs, 1 - len(runs)):
        ended, ending = run.ended, run.ending
        if ended is None and place == 0 and is_running:
            ending = "running"
        elif ended is None:
            ended, ending = last, "crashed"
        facts = {**msgspec.structs.asdict(run), "ended": ended, "ending": ending}
        found.append({"last": place, **facts})
    return found


def run_rows(
    runs: Sequence[tuple[Run, float | None]], *, is_running: bool, utc: bool
) -> list[list[str]]:
    """Rows of a table of runs: number from the last, number, start, end, how it ended, config.

    Args:
        runs: As for `run_facts`.
        is_running: As for `run_facts`.
        utc: Times in UTC.
    """
    return [
        [
            str(each["last"]),
            str(each["number"]),
            clock(each["started"], utc=utc),
            "-" if each["ended"] is None else clock(each["ended"], utc=utc),
            escape(each["ending"] or "-"),
            escape(each["config"] or "-"),
        ]
        for each in run_facts(runs, is_running=is_running)
    ]


def clock(at: float, *, utc: bool) -> str:
    """A time to the second."""
    at_clock = time.gmtime(at) if utc else time.localtime(at)
    return time.strftime("%Y-%m-%d %H:%M:%S", at_clock)

"""One request's life as a time line: what broker, worker and driver said of it, in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.logs.read.lookup import Entry, Query
from orchestrator.logs.read.query import Logs
from orchestrator.logs.show.display import COLOURS, escape, fields_and_stack, shown, value_text
from orchestrator.logs.show.lines import clock
from transports.levels import AUDIT_LOGGER, DRIVER, SPAN_LOGGER

BROKER = "broker"
_BOLD, _DIM = "1", "2"
_MOST_IDS = 5


class AmbiguousRequest(ValueError):
    """Several requests have ids that begin like this."""


@dataclass(frozen=True)
class Trace:
    """The records of one request.

    Attributes:
        request: Its whole id.
        entries: In order of time.
    """

    request: str
    entries: list[Entry]

    @property
    def has_life(self) -> bool:
        """Whether the broker recorded when it came and went, as it does at level debug."""
        broker_s = (entry for entry in self.entries if where(entry) == BROKER)
        return any(each.level == "debug" and each.logger != SPAN_LOGGER for each in broker_s)


def where(entry: Entry) -> str:
    """Who made a record: a worker's incarnation, or the broker, if of a worker or not."""
    is_span = entry.logger == SPAN_LOGGER and entry.event != DRIVER
    is_broker_s = entry.incarnation == 0 or is_span or entry.logger in ("", AUDIT_LOGGER)
    return BROKER if is_broker_s else f"{entry.worker}[{entry.incarnation}]"


def find_trace(logs: Logs, request: str) -> Trace | None:
    """The records of a request; None if there are none.

    Args:
        logs: Where to look.
        request: The id, or how it begins, or its short form.

    Raises:
        AmbiguousRequest: Several requests are meant.
    """
    entries = list(logs.read(Query(request=request)))
    if not entries:
        return None
    ids = list(dict.fromkeys(entry.request or "" for entry in entries))
    if request in ids:  # an id that is also the begin of others, if clients number them
        entries = [entry for entry in entries if entry.request == request]
        ids = [request]
    if len(ids) > 1:
        some = ", ".join(ids[:_MOST_IDS]) + (", …" if len(ids) > _MOST_IDS else "")
        raise AmbiguousRequest(f"{len(ids)} requests have such an id: {some}")
    # Here the processes' own times count: they are of one machine, and streams lag by a little.
    return Trace(ids[0], sorted(entries, key=lambda entry: entry.time))


def trace_lines(trace: Trace, *, utc: bool = False, colour: bool = False) -> Iterable[str]:
    """The time line, for people.

    Args:
        trace: The request.
        utc: The time of its begin in UTC.
        colour: Colours by level.
    """

    def paint(text: str, code: str | None) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colour and code else text

    first = trace.entries[0]
    member = next((entry.member for entry in trace.entries if entry.member), None)
    worker = next((entry.worker for entry in trace.entries if entry.incarnation), first.worker)
    asked = escape(worker if member is None else f"{worker}.{member}")
    head = f"{asked} at {clock(first.time, utc=utc)}, request {escape(trace.request)}"
    yield paint(head, _BOLD) + "\n"
    width = max(len(where(entry)) for entry in trace.entries)
    before = first.time
    for entry in trace.entries:
        label = entry.level if entry.stream == "record" else entry.stream
        passed, before = entry.time - before, entry.time
        given, stack = fields_and_stack(entry)
        fields = "".join(f" {shown(key)}={value_text(value)}" for key, value in given.items())
        parts = [
            f"{milliseconds(entry.time - first.time):>12}",
            paint(f"{'+' + milliseconds(passed):>12}", _DIM),
            f" {escape(where(entry)):<{width}}",
            paint(f"{escape(label):<8}", COLOURS.get(entry.level)),
            shown(entry.event) + fields,
        ]
        yield " ".join(parts).rstrip() + "\n"
        yield from (f"{'':>28}| {shown(line)}\n" for line in stack)
        if entry.exception is not None and not entry.has_stacks:
            yield from (f"{'':>28}| {shown(line)}\n" for line in entry.exception.split("\n"))


def milliseconds(seconds: float) -> str:
    """A short time for people."""
    return f"{seconds * 1000:.3f} ms" if seconds < 10 else f"{seconds:.3f} s"

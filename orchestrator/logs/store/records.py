"""What a record is, and how a line of a stream becomes one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from orchestrator.words import hide
from transports.levels import ALIASES, LEVELS
from workers.output.pipes import Stream
from workers.output.stacks import is_dump

OUTPUT_LEVELS: dict[Stream, str] = {"record": "warning", "stdout": "info", "stderr": "warning"}
"""The level of a line that doesn't name one. What libraries write to stderr is mostly trouble, and
who asks for warnings is to find it; a line among the records that isn't one is trouble as well."""

_LEVEL_ALIASES = {**ALIASES, "trace": "debug"}
_MAX_TIME = 253_402_300_800.0  # the year 10000, where calendars stop


class Record(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that was logged or printed.

    Attributes:
        time: Seconds since the epoch: when it was logged; for printed lines, when they were read.
        level: One of `LEVELS`.
        worker: Name of the worker, or of the rig for the supervisor itself.
        incarnation: Number of the worker's life.
        stream: A record of a logger, or a line of stdout or stderr.
        event: The text.
        logger: Name of the logger; empty for what the supervisor says of a worker.
        request: Id of the request that was running.
        member: Member of the worker that the request asked for.
        exception: Traceback, or the stacks of threads; several lines.
        raised: Type and message of the exception, on one line.
        fields: What the caller added by keyword, and marks of the collector: `cut`, `torn`,
            `dropped`, `unparsed`.
    """

    time: float
    level: str
    worker: str
    incarnation: int
    stream: Stream
    event: str
    logger: str | None = None
    request: str | None = None
    member: str | None = None
    exception: str | None = None
    fields: dict[str, Any] | None = None
    raised: str | None = None

    @property
    def weight(self) -> int:
        """The level as a number; an unknown level counts as info."""
        return LEVELS.get(self.level, LEVELS["info"])

    @property
    def has_stacks(self) -> bool:
        """Whether `exception` isn't one but the stacks of threads, which `event` tells of."""
        return self.exception is not None and is_dump(self.exception)


class Source(NamedTuple):
    """Where a stream's lines come from.

    `shared` is a record stream of a process that hosts several workers (the supervisor): there
    each record names its own, elsewhere the stream's names hold.
    """

    worker: str
    incarnation: int
    stream: Stream
    shared: bool = False


_decode_record = msgspec.json.Decoder(Record).decode
_TYPES = {field.name: field.type for field in msgspec.structs.fields(Record)}
del _TYPES["event"]
_decode_any = msgspec.json.Decoder().decode
_encoder = msgspec.json.Encoder()


def encode(record: Record) -> bytes:
    """The record as one JSON line, newline included."""
    return _encoder.encode(record) + b"\n"


def masked(record: Record, hidden: Sequence[str]) -> Record:
    """The record without texts that nobody is to see."""
    return msgspec.structs.replace(
        record,
        event=hide(record.event, hidden),
        exception=None if record.exception is None else hide(record.exception, hidden),
        raised=None if record.raised is None else hide(record.raised, hidden),
        fields=None if record.fields is None else _masked_value(record.fields, hidden),
    )


def _masked_value(value: Any, hidden: Sequence[str]) -> Any:
    if isinstance(value, str):
        return hide(value, hidden)
    if isinstance(value, dict):
        return {hide(key, hidden): _masked_value(each, hidden) for key, each in value.items()}
    if isinstance(value, list):
        return [_masked_value(each, hidden) for each in value]
    return value


def parse_line(
    data: bytes,
    source: Source,
    now: float,
    marks: dict[str, Any],
    *,
    request: str | None = None,
    member: str | None = None,
) -> Record:
    """Turn a line of a stream into a record. Never fails.

    Args:
        data: The line without its newline.
        source: The stream that it came by.
        now: Seconds since the epoch, for a line that doesn't tell its time.
        marks: Added to the record's fields.
        request: Id of the request that ran when a line was printed.
        member: Its member.

    Returns:
        A record; a line of the record stream that isn't one has its text as event and the field
        `unparsed`.
    """
    if source.stream != "record":
        return _printed(data, source, now, marks, request, member)
    try:
        record = _decode_record(data)
    except (ValueError, RecursionError):
        # Written by something else than our worker: take what is usable of it.
        record = _lenient(data, source, now)
    if (
        record.level in LEVELS
        and 0 <= record.time < _MAX_TIME
        and not marks
        and (source.shared or record.worker == source.worker)
        and (source.shared or record.incarnation == source.incarnation)
    ):
        return record
    changes: dict[str, Any] = {}
    if not source.shared:
        changes = {"worker": source.worker, "incarnation": source.incarnation}
    if record.level not in LEVELS:
        changes["level"] = _level(record.level, source)
    if not 0 <= record.time < _MAX_TIME:
        changes["time"] = now
    if marks:
        changes["fields"] = {**(record.fields or {}), **marks}
    return msgspec.structs.replace(record, **changes)


def _text(data: bytes) -> str:
    return data.removesuffix(b"\r").decode("utf-8", "backslashreplace")


def _printed(
    data: bytes,
    source: Source,
    now: float,
    marks: dict[str, Any],
    request: str | None = None,
    member: str | None = None,
) -> Record:
    return Record(
        time=now,
        level=OUTPUT_LEVELS[source.stream],
        worker=source.worker,
        incarnation=source.incarnation,
        stream=source.stream,
        event=_text(data),
        request=request,
        member=member,
        fields=marks or None,
    )


def _lenient(data: bytes, source: Source, now: float) -> Record:
    """A record from any JSON object that has a text, else from the line as it is."""
    try:
        found = _decode_any(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return _printed(data, source, now, {"unparsed": True})
    event = found.pop("event", None)
    if event is None:
        event = found.pop("message", None)
    if not isinstance(event, str):
        return _printed(data, source, now, {"unparsed": True})

    known: dict[str, Any] = {}
    for name in _TYPES.keys() & found.keys():
        try:
            known[name] = msgspec.convert(found[name], _TYPES[name])
        except (ValueError, OverflowError):
            continue  # of another type than ours: kept as a field
        del found[name]
    defaults = {
        "time": now,
        "level": "info",
        "worker": source.worker,
        "incarnation": source.incarnation,
        "stream": "record",
    }
    fields = {**(known.pop("fields", None) or {}), **found}
    return Record(**{**defaults, **known}, event=event, fields=fields or None)


def _level(name: str, source: Source) -> str:
    lower = name.lower()
    lower = _LEVEL_ALIASES.get(lower, lower)
    return lower if lower in LEVELS else OUTPUT_LEVELS[source.stream]

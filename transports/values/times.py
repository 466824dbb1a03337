"""Dates and times with their zones, exact numbers, and the standard library's other plain values.

A zone is kept by its key if it is a `ZoneInfo`, by offset and name if it is a fixed one. Of any
other sort (pytz, dateutil) the offset at that time is kept: it is the same instant.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import uuid
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.msgpack import Ext

from transports.errors import SerializationError
from transports.values.kinds import Kind, NoForm, name_of
from transports.values.reading import Read, Reader
from transports.values.writing import Write, Writer, pack

_KEY = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,3}")
"""Keys of the time zone database; nothing else is looked up."""
_MICROSECOND = dt.timedelta(microseconds=1)


def zone_fields(zone: dt.tzinfo | None, at: dt.datetime | dt.time | None) -> Any:
    """A zone as fields: None, a key, or offset in microseconds and name.

    Raises:
        NoForm: Its offset isn't known without a date.
    """
    if zone is None:
        return None
    if isinstance(zone, ZoneInfo) and zone.key is not None:
        return zone.key
    offset = zone.utcoffset(None) if at is None else at.utcoffset()
    if offset is None:
        raise NoForm(f"a zone of type {name_of(type(zone))} has no form without a date")
    named = None
    if isinstance(zone, dt.timezone):
        (*_, named) = (*zone.__getinitargs__(), None)[:2]  # type: ignore[attr-defined]
        named = named if isinstance(named, str) else None
    elif at is not None:
        named = at.tzname()
    return [offset // _MICROSECOND, named]


def read_zone(fields: Any) -> dt.tzinfo | None:
    """What `zone_fields` gave.

    Raises:
        SerializationError: It is something else, or a zone that isn't known here.
    """
    if fields is None:
        return None
    if isinstance(fields, str):
        if not _KEY.fullmatch(fields):
            raise SerializationError(f"{fields!r:.80} is no time zone")
        try:
            return ZoneInfo(fields)
        except (KeyError, OSError, ValueError) as error:
            raise SerializationError(
                f"time zone {fields} isn't known on this machine: install tzdata"
            ) from error
    microseconds, named = fields
    offset = dt.timedelta(microseconds=microseconds)
    if named is not None:
        return dt.timezone(offset, named)
    return dt.UTC if not offset else dt.timezone(offset)


def _datetime(writer: Writer, value: dt.datetime) -> Ext:
    fields = [value.year, value.month, value.day, value.hour, value.minute, value.second]
    zone = zone_fields(value.tzinfo, value)
    return Ext(Kind.DATETIME, pack([*fields, value.microsecond, value.fold, zone]))


def _read_datetime(reader: Reader, data: memoryview) -> dt.datetime:
    *fields, fold, zone = reader.fields(data, 9)
    return dt.datetime(*fields).replace(tzinfo=read_zone(zone), fold=fold)


def _date(writer: Writer, value: dt.date) -> Ext:
    return Ext(Kind.DATE, pack([value.year, value.month, value.day]))


def _time(writer: Writer, value: dt.time) -> Ext:
    fields = [value.hour, value.minute, value.second, value.microsecond, value.fold]
    return Ext(Kind.TIME, pack([*fields, zone_fields(value.tzinfo, value)]))


def _read_time(reader: Reader, data: memoryview) -> dt.time:
    *fields, fold, zone = reader.fields(data, 6)
    return dt.time(*fields).replace(tzinfo=read_zone(zone), fold=fold)


def _timedelta(writer: Writer, value: dt.timedelta) -> Ext:
    return Ext(Kind.TIMEDELTA, pack([value.days, value.seconds, value.microseconds]))


def _zone(writer: Writer, value: dt.tzinfo) -> Ext:
    return Ext(Kind.TIMEZONE, pack([zone_fields(value, None)]))


def _fraction(writer: Writer, value: Fraction) -> Ext:
    terms = (value.numerator, value.denominator)
    return Ext(Kind.FRACTION, pack([f"{term:x}" for term in terms]))


def _read_fraction(reader: Reader, data: memoryview) -> Fraction:
    numerator, denominator = (int(term, 16) for term in reader.fields(data, 2))
    return Fraction(numerator, denominator)


_PATHS: dict[str, type[PurePath]] = {
    "posix": PurePosixPath,
    "windows": PureWindowsPath,
    "path": PurePosixPath if os.name == "posix" else PureWindowsPath,
}


def _path(writer: Writer, value: PurePath) -> Ext:
    flavour = "windows" if isinstance(value, PureWindowsPath) else "posix"
    fields = [flavour, isinstance(value, Path), writer.write(str(value))]
    return writer.extension(Kind.PATH, fields)


def _read_path(reader: Reader, data: memoryview) -> PurePath:
    flavour, concrete, text = reader.fields(data, 3)
    kind = _PATHS[flavour]
    if concrete and kind is _PATHS["path"]:
        kind = Path
    return kind(text)


WRITERS: dict[type, Write] = {
    dt.datetime: _datetime,
    dt.date: _date,
    dt.time: _time,
    dt.timedelta: _timedelta,
    dt.timezone: _zone,
    ZoneInfo: _zone,
    Decimal: lambda writer, value: Ext(Kind.DECIMAL, str(value).encode()),
    Fraction: _fraction,
    uuid.UUID: lambda writer, value: Ext(Kind.UUID, value.bytes),
    PosixPath: _path,
    WindowsPath: _path,
    PurePosixPath: _path,
    PureWindowsPath: _path,
}

READERS: dict[int, Read] = {
    Kind.DATETIME: _read_datetime,
    Kind.DATE: lambda reader, data: dt.date(*reader.fields(data, 3)),
    Kind.TIME: _read_time,
    Kind.TIMEDELTA: lambda reader, data: dt.timedelta(*reader.fields(data, 3)),
    Kind.TIMEZONE: lambda reader, data: read_zone(reader.fields(data, 1)[0]),
    Kind.DECIMAL: lambda reader, data: Decimal(bytes(data).decode()),
    Kind.FRACTION: _read_fraction,
    Kind.UUID: lambda reader, data: uuid.UUID(bytes=bytes(data)),
    Kind.PATH: _read_path,
}

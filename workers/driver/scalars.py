"""Fitters of single values: numbers, texts, times, and what is written as text."""

from __future__ import annotations

import datetime
import decimal
import fractions
import math
import numbers
import pathlib
import re
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from workers.driver.fitter import Fitter, Unfit, plain

T = TypeVar("T")

_EXACT_INTEGERS = 2.0**53
"""Below it each whole number is a float of its own."""
_UNITS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_WITH_UNIT = re.compile(r"([-+]?\d+(?:\.\d*)?|[-+]?\.\d+)\s*([a-zµ]+)")
_ISO_DURATION = re.compile(
    r"([-+])?P(?=.)(?:(\d+)W)?(?:(\d+)D)?"
    r"(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)


def _bool(value: Any) -> bool:
    found = plain(value)
    if isinstance(found, bool):
        return found
    if isinstance(found, str) and (word := found.strip().lower()) in ("true", "false"):
        return word == "true"
    raise Unfit(value, "true or false", "write true or false")


def _int(value: Any) -> int:
    found = plain(value)
    if isinstance(found, numbers.Integral) and not isinstance(found, bool):
        return found if isinstance(found, int) else int(found)
    if isinstance(found, float) and found.is_integer() and abs(found) < _EXACT_INTEGERS:
        return int(found)
    raise Unfit(value, "a whole number (int)", _unquote(value))


def _float(value: Any) -> float:
    found = plain(value)
    if isinstance(found, numbers.Real) and not isinstance(found, bool):
        return found if isinstance(found, float) else _exactly(found, value)
    raise Unfit(value, "a number (float)", _unquote(value))


def _exactly(found: Any, value: Any) -> float:
    """A whole number or fraction as a float; a whole one that has none of its own is refused."""
    number = _as(float, found, value, "a number (float)")
    if isinstance(found, numbers.Integral) and number != found:
        raise Unfit(
            value, "a number that a float can hold", "of so large ones only some are floats"
        )
    return number


def _complex(value: Any) -> complex:
    found = plain(value)
    if isinstance(found, numbers.Complex) and not isinstance(found, bool):
        if isinstance(found, complex):
            return found
        return complex(_exactly(found, value) if isinstance(found, numbers.Integral) else found)
    if isinstance(found, str):
        return _as(complex, found.replace(" ", ""), value, "a complex number such as '50+1j'")
    raise Unfit(value, "a complex number")


def _str(value: Any) -> str:
    if isinstance(value, str):
        return value
    number = isinstance(value, (int, float))
    raise Unfit(value, "a text (str)", "in quotes it is one" if number else "")


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    mend = "bytes can't be written as text, they are given from Python"
    raise Unfit(value, "bytes", mend if isinstance(value, str) else "")


def _decimal(value: Any) -> decimal.Decimal:
    found = plain(value)
    if isinstance(found, decimal.Decimal):
        return found
    if isinstance(found, (int, float, str)) and not isinstance(found, bool):
        # 0.1 is meant as it is written, not as the nearest binary fraction
        return _as(decimal.Decimal, str(found), value, "a decimal number")
    raise Unfit(value, "a decimal number")


def _fraction(value: Any) -> fractions.Fraction:
    found = plain(value)
    if isinstance(found, fractions.Fraction):
        return found
    if isinstance(found, (int, str)) and not isinstance(found, bool):
        return _as(fractions.Fraction, found, value, "a fraction such as '1/3'")
    raise Unfit(value, "a fraction such as '1/3'")


def _timedelta(value: Any) -> datetime.timedelta:
    found = plain(value)
    if isinstance(found, datetime.timedelta):
        return found
    if isinstance(found, str):
        if (match := _WITH_UNIT.fullmatch(found.strip())) and match[2] in _UNITS:
            seconds = float(match[1]) * _UNITS[match[2]]
            return _as(_seconds, seconds, value, "a time such as '250ms'")
        if match := _ISO_DURATION.fullmatch(found.strip()):
            weeks, days, hours, minutes = (int(part or 0) for part in match.groups()[1:5])
            whole = weeks * 604_800 + days * 86_400 + hours * 3600 + minutes * 60
            sign = -1 if match[1] == "-" else 1
            seconds = sign * (whole + float(match[6] or 0))
            return _as(_seconds, seconds, value, "a time such as 'PT1H30M'")
    raise Unfit(value, "a time (timedelta)", "write it with its unit, such as '250ms', or 'PT1H'")


def _seconds(seconds: float) -> datetime.timedelta:
    return datetime.timedelta(seconds=seconds)


def _as(make: Callable[[Any], T], found: Any, value: Any, wanted: str) -> T:
    try:
        return make(found)
    except (ValueError, ArithmeticError):
        raise Unfit(value, wanted) from None


def _written(kind: type, read: Callable[[str], Any], wanted: str, mend: str = "") -> Fitter:
    """Of a type that is written as text."""

    def convert(value: Any) -> Any:
        found = plain(value)
        if isinstance(found, kind):
            return found
        if not isinstance(found, str):
            raise Unfit(value, wanted, mend)
        try:
            return read(found)
        except ValueError:
            raise Unfit(value, wanted, mend) from None

    return Fitter(wanted, convert, frozenset([kind]))


def _of(kind: type, wanted: str, convert: Callable[[Any], Any]) -> Fitter:
    return Fitter(wanted, convert, frozenset([kind]))


def _unquote(value: Any) -> str:
    try:
        number = float(value if isinstance(value, str) else "")
    except ValueError:
        return ""
    if math.isfinite(number):
        return "it is text; without quotes it is a number"
    if any(letter.isdigit() for letter in value):
        return "it is text; as a number it is more than a float can hold"
    return "it is text; the number is float('inf') or 'nan' in Python, .inf or .nan in a config"


def _path(kind: type) -> Fitter:
    return _written(kind, kind, "a path")


SCALARS: dict[type, Fitter] = {
    bool: _of(bool, "true or false", _bool),
    int: _of(int, "a whole number (int)", _int),
    float: _of(float, "a number (float)", _float),
    complex: _of(complex, "a complex number", _complex),
    str: _of(str, "a text (str)", _str),
    bytes: _of(bytes, "bytes", _bytes),
    decimal.Decimal: _of(decimal.Decimal, "a decimal number", _decimal),
    fractions.Fraction: _of(fractions.Fraction, "a fraction", _fraction),
    datetime.timedelta: _of(datetime.timedelta, "a time (timedelta)", _timedelta),
    datetime.datetime: _written(
        datetime.datetime,
        datetime.datetime.fromisoformat,
        "a date and time",
        "write it as 2026-01-31T12:00:00",
    ),
    datetime.date: _written(
        datetime.date, datetime.date.fromisoformat, "a date", "write it as 2026-01-31"
    ),
    datetime.time: _written(
        datetime.time, datetime.time.fromisoformat, "a time of day", "write it as 12:00:00"
    ),
    uuid.UUID: _written(uuid.UUID, uuid.UUID, "a UUID"),
    **{
        kind: _path(kind)
        for kind in (
            pathlib.Path,
            pathlib.PurePath,
            pathlib.PurePosixPath,
            pathlib.PureWindowsPath,
        )
    },
    type(None): Fitter("nothing (None)", lambda value: _none(value), frozenset([type(None)])),
}
"""Fitters by type."""


def _none(value: Any) -> None:
    if value is not None:
        raise Unfit(value, "nothing (None)")

"""All kinds of values: which function writes each type, and which reads each extension.

Loaded with the first value that isn't plain: commands start sooner without it.
"""

from __future__ import annotations

from typing import Any

from transports.values import (
    arrays,
    builtin,
    classes,
    exceptions,
    extensions,
    foreign,
    marked,
    packages,
    streams,
    times,
)
from transports.values.kinds import NoForm, name_of
from transports.values.reading import Read, Reader
from transports.values.writing import Write, Writer

WRITERS: dict[type, Write] = {
    **builtin.WRITERS,
    **times.WRITERS,
    **classes.WRITERS,
    **marked.WRITERS,
    **streams.WRITERS,
}
READERS: dict[int, Read] = {
    **builtin.READERS,
    **times.READERS,
    **classes.READERS,
    **exceptions.READERS,
    **marked.READERS,
    **arrays.READERS,
    **packages.READERS,
    **streams.READERS,
}
_BASES: dict[type, Write] = {
    **{base: builtin.WRITERS.get(base, Writer.write) for base in builtin.BASES},
    **times.WRITERS,
}
_FINDERS = (packages.find, arrays.find, exceptions.find, classes.find, foreign.find)


def find_writer(kind: type) -> Write | None:
    """The function for a type that isn't in the table: a subclass, or of a package."""
    for find in _FINDERS:
        write = find(kind)
        if write is not None:
            if find is arrays.find and kind.__module__ == "numpy":
                WRITERS[kind] = write  # found at once from now on; its types stay for ever
            return write
    for base, known in _BASES.items():
        if issubclass(kind, base):
            return _as_base(base, known)
    return extensions.find(kind) or classes.write_object


def _as_base(base: type, write: Write) -> Write:
    """What arrives as a value of the type that its class is derived from, and equals it."""

    def write_plain(writer: Writer, value: Any) -> Any:
        own = classes.stored_fields(value)
        if own and base in marked.BASES and writer.objects:
            written = marked.write(writer, value, builtin.BASES[base](value), own)
            if written is not None:
                return written
        elif own and _has_data(writer, own):
            raise NoForm(
                f"a {name_of(type(value))} has attributes beside its {base.__name__}, which would "
                "be lost; send them apart"
            )
        plain = builtin.BASES.get(base)
        return write(writer, value) if plain is None else writer.write(plain(value))

    return write_plain


def _has_data(writer: Writer, fields: dict[str, Any]) -> bool:
    """Whether attributes would be lost with a value; functions and devices aren't data."""
    objects, writer.objects = writer.objects, True  # one that arrives as a record is data
    try:
        for each in fields.values():
            try:
                writer.attempt(each)
            except NoForm:
                continue
            return True
    finally:
        writer.objects = objects
    return False


READER = Reader(READERS, b"")
"""Reads what has nothing in the raw frame."""

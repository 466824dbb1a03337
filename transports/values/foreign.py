"""Values of ctypes: structures and unions as records of their fields, arrays as lists."""

from __future__ import annotations

import sys
from typing import Any

from transports.values.kinds import Kind, NoForm, name_of
from transports.values.writing import Write, Writer


def find(kind: type) -> Write | None:
    """The function that writes values of a type, if it is one of ctypes'."""
    ctypes = sys.modules.get("ctypes")
    if not hasattr(ctypes, "Structure"):
        return None
    assert ctypes is not None
    if issubclass(kind, (ctypes.Structure, ctypes.Union)):
        return _structure
    if issubclass(kind, ctypes.Array):
        return _array
    if issubclass(kind, ctypes._Pointer):
        return _pointer
    return _simple if issubclass(kind, ctypes._SimpleCData) else None


def _structure(writer: Writer, value: Any) -> Any:
    kind = type(value)
    if not writer.objects:
        raise NoForm(f"a value of type {name_of(kind)} has no form; pass its fields")
    names = [
        field[0]
        for each in reversed(kind.__mro__)
        for field in each.__dict__.get("_fields_", ())
        if not field[0].startswith("_")
    ]
    fields = {name: getattr(value, name) for name in names}
    if not fields:
        raise NoForm(f"a {name_of(kind)} has no public fields that could be sent")
    written = writer.texts(value, fields, ".{}")
    return writer.extension(Kind.RECORD, [kind.__module__, kind.__qualname__, written, {}, False])


def _array(writer: Writer, value: Any) -> Any:
    items = value[:]  # bytes or text where it is of characters
    return writer.write(items)


def _pointer(writer: Writer, value: Any) -> Any:
    raise NoForm(f"a pointer ({name_of(type(value))}) has no form; send what it points to")


def _simple(writer: Writer, value: Any) -> Any:
    if value._type_ in "PzZO":  # addresses: they mean nothing elsewhere
        return _pointer(writer, value)
    return writer.write(value.value)

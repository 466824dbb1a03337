"""Values of classes: enumerations, named tuples, dataclasses, and objects as records.

A class is looked up among the modules that are imported here already, never imported, and has to
be of the right sort with the same members or fields. Its own code isn't run: no `__init__`, no
`__post_init__`, no `_missing_`, and no property is evaluated when an object is written.
"""

from __future__ import annotations

import dataclasses
import enum
import sys
from contextlib import suppress
from types import MemberDescriptorType
from typing import Any

from msgspec.msgpack import Ext

from transports.errors import SerializationError
from transports.values.kinds import Kind, NoForm, name_of
from transports.values.reading import Read, Reader
from transports.values.records import EnumValue, NamedRecord, Record, enum_value, mixin_of
from transports.values.refused import refusal_of
from transports.values.writing import Write, Writer

RECORD_DEPTH = 8
"""How deep records of objects may be in each other; what is deeper is left out, and told."""
RECORD_FIELDS = 1000
"""Public fields that an object may have."""
RECORDS = 10_000
"""Objects that a value may hold."""


def _origin(kind: type) -> list[str]:
    return [kind.__module__, kind.__qualname__]


def known_class(module: object, qualname: object) -> type | None:
    """A class of a module that is imported already; None if there is none of that name."""
    found: Any = sys.modules.get(module) if isinstance(module, str) else None
    if found is None or not isinstance(qualname, str):
        return None
    for name in qualname.split("."):
        # not getattr: a module's or class's own would run code, or import
        found = found.__dict__.get(name) if hasattr(found, "__dict__") else None
    return found if isinstance(found, type) else None


# -- enumerations -----------------------------------------------------------------------------


def _enum(writer: Writer, value: enum.Enum) -> Ext:
    fields = [*_origin(type(value)), value.name, writer.write(value._value_), mixin_of(value)]
    return writer.extension(Kind.ENUM, fields)


def _enum_value(writer: Writer, value: EnumValue) -> Ext:
    fields = [value._module, value._type, value.name, writer.write(value.value), mixin_of(value)]
    return writer.extension(Kind.ENUM, fields)


def _read_enum(reader: Reader, data: memoryview) -> Any:
    module, qualname, name, value, mixin = reader.fields(data, 5)
    kind = known_class(module, qualname)
    if kind is not None and issubclass(kind, enum.Enum):
        member: Any = kind._member_map_.get(name)
        if member is None and issubclass(kind, enum.Flag) and type(value) is int:
            member = _combination(kind, value)
        if member is not None and member.name == name and _same(member._value_, value):
            return member
    return enum_value(module, qualname, name, value, mixin)


def _combination(kind: type[enum.Flag], value: int) -> Any:
    if kind._missing_.__func__ is not enum.Flag._missing_.__func__:  # type: ignore[attr-defined]
        return None  # a lookup of its own is code of its own
    try:
        return kind(value)
    except ValueError:
        return None


def _same(one: object, other: object) -> bool:
    if type(one) is not type(other):
        return False
    try:
        # NaN doesn't equal itself, nor does a tuple with one in it, but they look the same
        return bool(one == other) or repr(one) == repr(other)
    except Exception:  # noqa: BLE001  a value's own comparison may raise anything
        return False


# -- named tuples and dataclasses ----------------------------------------------------------------


def _is_named_tuple(kind: type) -> bool:
    fields = _class_attribute(kind, "_fields")
    return (
        issubclass(kind, tuple)
        and isinstance(fields, tuple)
        and all(isinstance(name, str) for name in fields)
    )


def _named_tuple(writer: Writer, value: Any) -> Ext:
    if stored_fields(value):
        raise NoForm(f"a {name_of(type(value))} with attributes beside its fields has no form")
    values = tuple(tuple.__iter__(value))
    fields = [*_origin(type(value)), list(type(value)._fields), writer.items(value, values)]
    return writer.extension(Kind.NAMED_TUPLE, fields)


def _named_record(writer: Writer, value: NamedRecord) -> Ext:
    fields = [value._module, value._type, list(value._fields), writer.items(value, tuple(value))]
    return writer.extension(Kind.NAMED_TUPLE, fields)


def _read_named_tuple(reader: Reader, data: memoryview) -> Any:
    module, qualname, names, values = reader.fields(data, 4)
    if len(names) != len(values) or not all(isinstance(name, str) for name in names):
        raise SerializationError("a named tuple has a value for each name")
    kind: Any = known_class(module, qualname)
    if kind is not None and _is_named_tuple(kind) and list(kind._fields) == names:
        return tuple.__new__(kind, values)
    return NamedRecord(str(module), str(qualname), tuple(names), tuple(values))


def _is_dataclass(kind: type) -> bool:
    return _class_attribute(kind, "__dataclass_fields__") is not _ABSENT


def _dataclass(writer: Writer, value: Any) -> Any:
    names = [field.name for field in dataclasses.fields(value)]
    own = stored_fields(value)
    missing = [name for name in names if name not in own]
    for name in missing:
        default = _class_attribute(type(value), name)
        if default is not _ABSENT:
            own[name] = default
    if set(own) - set(names) or not set(names) <= set(own):
        return write_object(writer, value)  # one made of its fields alone would lack the rest
    written = writer.texts(value, {name: own[name] for name in names}, ".{}")
    return writer.extension(Kind.DATACLASS, [*_origin(type(value)), written])


def _read_dataclass(reader: Reader, data: memoryview) -> Any:
    module, qualname, fields = reader.fields(data, 3)
    kind: Any = known_class(module, qualname)
    if kind is not None and _is_dataclass(kind):
        names = {field.name for field in dataclasses.fields(kind)}
        if names == set(fields):
            made = object.__new__(kind)
            for name, each in fields.items():
                object.__setattr__(made, name, each)
            return made
    return Record(str(module), str(qualname), fields, is_dataclass=True)


# -- objects --------------------------------------------------------------------------------------

_ABSENT = object()


def _class_attribute(kind: type, name: str) -> Any:
    for each in kind.__mro__:
        if name in each.__dict__:
            found = each.__dict__[name]
            return _ABSENT if isinstance(found, MemberDescriptorType) else found
    return _ABSENT


def stored_fields(value: object) -> dict[str, Any]:
    """What an object keeps in its dictionary and slots; nothing of it is called."""
    found: dict[str, Any] = {}
    for kind in reversed(type(value).__mro__):
        for name, slot in kind.__dict__.items():
            if isinstance(slot, MemberDescriptorType) and kind is not object:
                try:
                    found[name] = slot.__get__(value)
                except AttributeError:
                    continue  # nothing is in it yet
    with suppress(AttributeError):  # it may have slots alone
        found.update(object.__getattribute__(value, "__dict__"))
    return found


def write_record(
    writer: Writer, value: object, own: dict[str, Any], unread: dict[str, str] | None = None
) -> Ext:
    """Write the public fields of an object; those that have no form are left out, and told.

    Args:
        writer: Of the message.
        value: The object.
        own: Its fields.
        unread: Fields that couldn't be read, with the reason of each.

    Raises:
        NoForm: It has no field that could be sent, or is one object too many, or too deep.
    """
    kind = type(value)
    count = sum(not str(name).startswith("_") for name in own)
    if count > RECORD_FIELDS:
        raise NoForm(f"an object of type {name_of(kind)} has more than {RECORD_FIELDS} fields")
    if writer.holds(value):
        raise NoForm(f"this {name_of(kind)} holds itself, which has no end")
    writer.count_record(RECORDS)
    if writer.records >= RECORD_DEPTH:
        raise NoForm(f"it is an object more than {RECORD_DEPTH} levels deep")
    fields: dict[str, Any] = {}
    omitted = dict(unread or {})
    writer.enter(value, is_record=True)
    for name, each in own.items():
        if not isinstance(name, str) or name.startswith("_"):
            continue
        try:
            fields[name] = writer.attempt(each)
        except NoForm as refusal:
            omitted[name] = refusal.told(f".{name}")
    writer.leave(is_record=True)
    if not fields:
        why = f": {'; '.join(omitted.values())}" if omitted else ""
        raise NoForm(
            f"an object of type {name_of(kind)} has no public fields that could be sent{why}; "
            "return its data"
        )
    return writer.extension(Kind.RECORD, [*_origin(kind), fields, omitted, _is_dataclass(kind)])


def write_object(writer: Writer, value: object) -> Any:
    """Write an object of any class, as a record if that is allowed here.

    Raises:
        NoForm: It is something to work with rather than data, or has no public fields.
    """
    why = refusal_of(value)
    if why is not None:
        raise NoForm(why)
    if not writer.objects:
        raise NoForm(
            f"a value of type {name_of(type(value))} has no form; pass its data, a dataclass or a "
            "dictionary"
        )
    return write_record(writer, value, stored_fields(value))


def _known_record(writer: Writer, value: Record) -> Ext:
    written = writer.texts(value, value._fields, ".{}")
    origin = [value._module, value._type]
    if value._is_dataclass and not value._omitted:
        return writer.extension(Kind.DATACLASS, [*origin, written])
    return writer.extension(Kind.RECORD, [*origin, written, value._omitted, value._is_dataclass])


def _read_record(reader: Reader, data: memoryview) -> Record:
    module, qualname, fields, omitted, is_dataclass = reader.fields(data, 5)
    return Record(str(module), str(qualname), fields, omitted, is_dataclass=bool(is_dataclass))


# -- which function ---------------------------------------------------------------------------


def find(kind: type) -> Write | None:
    """The function that writes values of a class, by what sort of class it is."""
    if issubclass(kind, enum.Enum):
        return _enum
    if issubclass(kind, EnumValue):
        return _enum_value
    if _is_named_tuple(kind):
        return _named_tuple
    if _is_dataclass(kind):
        return _dataclass
    return None


WRITERS: dict[type, Write] = {
    Record: _known_record,
    NamedRecord: _named_record,
}

READERS: dict[int, Read] = {
    Kind.ENUM: _read_enum,
    Kind.NAMED_TUPLE: _read_named_tuple,
    Kind.DATACLASS: _read_dataclass,
    Kind.RECORD: _read_record,
}
